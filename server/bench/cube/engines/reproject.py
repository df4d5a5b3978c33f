"""A windowed read of the right overview, then rasterio's reproject: what a careful script does, and our judge."""

from __future__ import annotations

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


def make(setup: Setup) -> Engine:
    return PlaneEngine(setup, read)


def read(place: str, one: SceneFile, part: Part) -> Any:
    """The pixels of a file on the grid of a part."""
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
            return _window(source, where, one, part)
    with opened_level(place, where.level) as source:
        return _window(source, where, one, part)


def _window(source: Any, where: Placed, one: SceneFile, part: Part) -> Any:
    pixels = source.read(1, window=Window.from_slices(where.rows, where.cols))
    return warp(pixels, part_of(source.transform, where.rows, where.cols), one, part, widened=where.is_widened)


def warp(pixels: Any, transform: Affine, one: SceneFile, part: Part, *, widened: bool) -> Any:
    """Pixels of a window, placed by a transform, on the grid of a part.

    GDAL widens its kernels by a rule of its own, at equal pixel sizes too: told not to, unless the output is coarser.
    """
    made = np.full(part.grid.shape, NODATA, np.uint16)
    scale = {} if widened else {"XSCALE": 1, "YSCALE": 1}
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
        tolerance=0.001,
        num_threads=1,
        **scale,
    )
    return made
