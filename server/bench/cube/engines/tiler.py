"""rio-tiler: `Reader.part` and `Reader.point` of each file."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.crs import CRS
from rio_tiler.io import Reader

from server.bench.cube.cases import Part
from server.bench.cube.engines import Engine, Setup
from server.bench.cube.engines.planes import PlaneEngine
from server.bench.cube.scenes import NODATA, SceneFile


def make(setup: Setup) -> Engine:
    return PlaneEngine(setup, _pixel if setup.case.is_point else _part)


def _part(place: str, one: SceneFile, part: Part) -> Any:
    grid = part.grid
    crs = CRS.from_user_input(grid.crs)
    with Reader(place) as source:
        image = source.part(
            grid.bounds.as_tuple(),
            dst_crs=crs,
            bounds_crs=crs,
            indexes=1,
            height=grid.height,
            width=grid.width,
            nodata=NODATA,
            resampling_method=part.resampling,
            reproject_method=part.resampling,
        )
    return np.ma.filled(image.array[0], NODATA)


def _pixel(place: str, one: SceneFile, part: Part) -> Any:
    x, y = part.grid.transform @ (0.5, 0.5)
    with Reader(place) as source:
        point = source.point(x, y, coord_crs=CRS.from_user_input(part.grid.crs), indexes=1, nodata=NODATA)
    return np.ma.filled(point.array, NODATA).reshape(1, 1)
