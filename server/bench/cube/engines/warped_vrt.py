"""rasterio's WarpedVRT on the wanted grid: the usual way of scripts. A pixel is read plainly."""

from __future__ import annotations

from typing import Any

import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from prismcube.model.grid import transformer
from server.bench.cube.cases import Part
from server.bench.cube.engines import Engine, Setup
from server.bench.cube.engines.planes import PlaneEngine
from server.bench.cube.scenes import NODATA, SceneFile


def make(setup: Setup) -> Engine:
    return PlaneEngine(setup, _pixel if setup.case.is_point else _warped)


def _warped(place: str, one: SceneFile, part: Part) -> Any:
    grid = part.grid
    with (
        rasterio.open(place) as source,
        WarpedVRT(
            source,
            crs=grid.crs,
            transform=grid.transform,
            width=grid.width,
            height=grid.height,
            resampling=Resampling[part.resampling],
            src_nodata=NODATA,
            nodata=NODATA,
            tolerance=0.001,
        ) as warped,
    ):
        return warped.read(1)


def _pixel(place: str, one: SceneFile, part: Part) -> Any:
    x, y = transformer(part.grid.crs, one.crs).transform(*(part.grid.transform @ (0.5, 0.5)))
    with rasterio.open(place) as source:
        row, col = source.index(x, y)
        return source.read(1, window=Window(col, row, 1, 1))
