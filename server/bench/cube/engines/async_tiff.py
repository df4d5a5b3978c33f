"""async-geotiff: windows read without GDAL, then warped by rasterio; it has no warp of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from async_geotiff import GeoTIFF, Window
from obstore.store import HTTPStore, LocalStore

from prismcube.model.grid import Grid
from server.bench.cube.cases import Part
from server.bench.cube.engines import Cube, Engine, Setup
from server.bench.cube.engines.reproject import warp
from server.bench.cube.placing import part_of, placed
from server.bench.cube.scenes import NODATA, SceneFile


def make(setup: Setup) -> Engine:
    return AsyncGeotiff(setup)


class AsyncGeotiff:
    """A store of files; every run has a loop of its own."""

    def __init__(self, setup: Setup) -> None:
        remote = setup.case.source == "http"
        self._store: Any = (
            HTTPStore(setup.base, client_options={"allow_http": True}) if remote else LocalStore(setup.base)
        )
        self._threads = 2 if remote else setup.case.threads
        self._pool = ThreadPoolExecutor(self._threads)

    def run(self, part: Part) -> Cube:
        return asyncio.run(self._run(part))

    def cube(self, part: Part, made: Cube) -> Cube:
        return made

    def forget(self) -> None:
        """Nothing is kept: files are opened anew."""

    async def _run(self, part: Part) -> Cube:
        cube = np.empty(part.shape, np.uint16)
        await asyncio.gather(*(self._plane(part, files, cube[at]) for at, files in part.planes().items()))
        return cube

    async def _plane(self, part: Part, files: Sequence[SceneFile], out: Any) -> None:
        *below, top = files
        out[...] = await self._read(top, part)
        for one in reversed(below):
            gaps = out == 0
            if gaps.any():
                np.copyto(out, await self._read(one, part), where=gaps)

    async def _read(self, one: SceneFile, part: Part) -> Any:
        file = await GeoTIFF.open(one.name, store=self._store)
        grid = Grid(one.crs, file.transform, file.height, file.width)
        offset = grid.pixel_offset(part.grid)
        if offset is not None:
            row, col = offset
            window = Window(col_off=col, row_off=row, width=part.grid.width, height=part.grid.height)
            return (await file.read(window=window)).data[0]
        where = placed(grid, part.grid)
        if where.is_empty:
            return np.full(part.grid.shape, NODATA, np.uint16)
        level = file.overviews[where.level - 1] if where.level else file
        rows, cols = where.rows, where.cols
        read = await level.read(
            window=Window(
                col_off=cols.start, row_off=rows.start, width=cols.stop - cols.start, height=rows.stop - rows.start
            )
        )
        transform = part_of(level.transform, rows, cols)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, lambda: warp(read.data[0], transform, one, part, kernel=where.kernel)
        )
