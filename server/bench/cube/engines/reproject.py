"""A windowed read of the right overview, then rasterio's reproject: what a careful script does, and our judge.

The judge has GDAL ask PROJ for every pixel. With the script's tolerance, a thousandth of a pixel, GDAL itself misses
the right pixel at some edges of clouds: 3 of 10 million in the case `mixed`, 18 of 126 million in `utm`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import Window

from prismcube.model.grid import Grid
from server.bench.cube.blocks import opened_level
from server.bench.cube.cases import Part
from server.bench.cube.engines import Engine, Setup
from server.bench.cube.engines.planes import PlaneEngine
from server.bench.cube.placing import Placed, part_of, placed
from server.bench.cube.scenes import NODATA, SceneFile

TOLERANCE = 0.001
"""Pixels of a file by which GDAL may miss a place, unless it is the judge's."""


def make(setup: Setup) -> Engine:
    return PlaneEngine(setup, read)


def make_judge(setup: Setup) -> Engine:
    """As `make`, but exact."""
    return PlaneEngine(setup, partial(read, tolerance=0.0))


def read(place: str, one: SceneFile, part: Part, *, tolerance: float = TOLERANCE) -> Any:
    """The pixels of a file on the grid of a part; GDAL may miss their places by `tolerance` pixels of the file."""
    with rasterio.open(place) as source:
        grid = Grid(one.crs, source.transform, source.height, source.width)
        offset = grid.pixel_offset(part.grid)
        if offset is not None:
            row, col = offset
            inside = Window(col, row, part.grid.width, part.grid.height)
            return source.read(1, window=inside)
        where = placed(grid, part.grid)
        if where.is_empty:
            return np.full(part.grid.shape, NODATA, np.uint16)
        if where.level == 0:
            return _window(source, where, one, part, tolerance)
    with opened_level(place, where.level) as source:
        return _window(source, where, one, part, tolerance)


def _window(source: Any, where: Placed, one: SceneFile, part: Part, tolerance: float) -> Any:
    pixels = source.read(1, window=Window.from_slices(where.rows, where.cols))
    place = part_of(source.transform, where.rows, where.cols)
    return warp(pixels, place, one, part, kernel=where.kernel, tolerance=tolerance)


def warp(
    pixels: Any,
    transform: Affine,
    one: SceneFile,
    part: Part,
    *,
    kernel: tuple[float, float],
    tolerance: float = TOLERANCE,
) -> Any:
    """Pixels of a window, placed by a transform, on the grid of a part.

    By itself GDAL widens its kernels as the sizes of both windows tell, at equal pixel sizes too: it is told how far.
    """
    made = np.full(part.grid.shape, NODATA, np.uint16)
    down, right = kernel
    reproject(
        pixels,
        made,
        src_transform=transform,
        src_crs=one.crs,
        src_nodata=NODATA,
        dst_transform=part.grid.transform,
        dst_crs=part.grid.crs,
        dst_nodata=NODATA,
        resampling=Resampling[part.resampling],
        tolerance=tolerance,
        num_threads=1,
        XSCALE=right,
        YSCALE=down,
    )
    return made
