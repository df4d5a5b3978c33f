"""The demo's cubes by our engine and by a plain rasterio script such as an analyst would write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject

from benchmarks.timing import Contest
from prismcube.cube.engine import execute
from prismcube.cube.grids import GridRequest, output_grid
from prismcube.cube.levels import kernel_scale, scale_of
from prismcube.model.grid import Grid
from prismcube.model.period import Period
from providers.ogc.answer import Context
from providers.ogc.selection import Selection, select


def contests(context: Context, data: Path) -> Iterator[Contest]:
    """Every contest over files."""
    yield _masked_ndvi(context, sorted((data / "s2-romania-2015-2021").glob("*.tif")))
    yield _warped_mosaic(context, sorted((data / "l8-paraguay-2020").glob("*_B4.tif")))


def _masked_ndvi(context: Context, files: list[Path]) -> Contest:
    ours = _cube(context, "s2-romania", GridRequest(), fields=("ndvi",))

    def theirs() -> Any:
        cube = []
        for path in files:
            with rasterio.open(path) as file:
                b4, b8, scl = file.read([3, 4, 5]).astype(float)
            with np.errstate(all="ignore"):
                ndvi = (b8 - b4) / (b8 + b4)
            ndvi[~np.isin(scl, [4, 5, 6, 7]) | (b4 == 0) | (b8 == 0)] = np.nan
            cube.append(ndvi.astype(np.float32))
        return np.stack(cube)

    return Contest("masked NDVI, 140 dates of 100x100, native grid", "rasterio script", ours, theirs, _equal)


def _warped_mosaic(context: Context, files: list[Path]) -> Contest:
    request = GridRequest(crs="EPSG:3857", width=1024, height=1024)
    ours = _cube(context, "l8-paraguay", request, fields=("B4",))
    grid = _grid(context, "l8-paraguay", request)

    def theirs() -> Any:
        mosaic = np.zeros(grid.shape, np.uint16)
        for path in files:
            layer = np.zeros_like(mosaic)
            with rasterio.open(path) as file:
                # By itself GDAL guesses from whole windows how far kernels are widened: it is told, as we do it.
                source = Grid(str(file.crs), file.transform, file.height, file.width)
                down, right = scale_of(source, grid, source.bounds)
                reproject(
                    rasterio.band(file, 1),
                    layer,
                    src_nodata=0,
                    dst_nodata=0,
                    dst_transform=grid.transform,
                    dst_crs=grid.crs,
                    resampling=Resampling.bilinear,
                    tolerance=0.001,
                    YSCALE=kernel_scale(down),
                    XSCALE=kernel_scale(right),
                )
            mosaic = np.where(layer != 0, layer, mosaic)
        return mosaic[np.newaxis]

    return Contest(
        "mosaic of two scenes, 1024x1024 in EPSG:3857, bilinear", "rasterio script", ours, theirs, _within_a_count
    )


def _grid(context: Context, name: str, request: GridRequest) -> Grid:
    extent = context.catalogue.collections.get(name).extent
    grid = output_grid(extent.native, request) if extent else None
    if grid is None:
        raise ValueError(f"{name} has no data")
    return grid


def _cube(context: Context, name: str, request: GridRequest, *, fields: tuple[str, ...]) -> Callable[[], Any]:
    """The whole way: search, plan, read."""

    def cube() -> Any:
        collection = context.catalogue.collections.get(name)
        wanted = Selection(fields=fields, grid=_grid(context, name, request), period=Period())
        return np.stack([one.data[0] for one in execute(select(context, collection, wanted))])

    return cube


def _within_a_count(ours: Any, theirs: Any) -> bool:
    """But for some pixels, where GDAL is its tolerance away."""
    both = (ours != 0) & (theirs != 0)
    apart = np.abs(ours.astype(int) - theirs)[both]
    return bool((apart > 1).mean() < 1e-5 and ((ours != 0) != (theirs != 0)).mean() < 1e-5)


def _equal(ours: Any, theirs: Any) -> bool:
    return bool(np.allclose(ours, theirs, equal_nan=True))
