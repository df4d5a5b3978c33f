"""Where on the globe the pixels of a grid lie: the outline that is stored of every dataset."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiPolygon, Polygon

from prismcube.errors import InvalidInput
from prismcube.model.globe import on_globe, polygons
from prismcube.model.grid import CRS84, Grid, parse_crs, transformer
from prismcube.model.slant import Slant

POINTS = 21
"""Points a side, before those that add nothing are dropped; as GDAL densifies."""

TOLERANCE = 0.1
"""How far a dropped point may have been from the line, in pixels."""

DECIMALS = 9
"""Of a degree, about 0.1 mm: hides the last bits, in which versions of PROJ differ, from the hash of an AOI."""


@lru_cache(maxsize=1024)  # images of one place share it
def footprint(grid: Grid, slant: Slant | None = None) -> MultiPolygon:
    """The outline of a grid, or of the pixels that lie in it with a slant, as valid polygons within [-180, 180] x
    [-90, 90], cut at the date line, closed over a pole.

    Raises InvalidInput("footprint", ...) when its edge has no place on the globe.
    """
    lon, lat = _edge(grid, slant)
    lon = np.unwrap(lon, period=360)
    turn = lon[-1] - lon[0]
    ring = np.column_stack([lon, lat])
    around_pole = abs(turn) > 180  # the edge went round the Earth
    if around_pole:
        pole = math.copysign(90, lat.mean())
        ring = np.vstack([ring, [[lon[-1], pole], [lon[0], pole]]])
    polygon: Any = shapely.make_valid(Polygon(ring))
    if not around_pole:  # there a pixel is a tenth of a degree high and many wide: no one number says how near is near
        degrees_a_pixel = shapely.length(polygon) / max(1, 2 * (grid.width + grid.height))
        polygon = shapely.simplify(polygon, TOLERANCE * degrees_a_pixel)
    outline = polygons(shapely.set_precision(on_globe(polygon), 10.0**-DECIMALS))
    if outline.is_empty:
        raise InvalidInput("footprint", "its bounds have no area on the globe")
    return outline


def _edge(grid: Grid, slant: Slant | None) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Longitudes and latitudes along the closed edge, clockwise from the first pixel's corner."""
    bounds = grid.bounds
    if parse_crs(grid.crs).is_geographic and not -720 <= bounds.west <= bounds.east <= 720:
        # 0 to 360 is a habit, and half a pixel more; beyond is a wrong header.
        raise InvalidInput("footprint", f"its longitudes are {bounds.west:g} to {bounds.east:g}")
    along = np.linspace(0, 1, POINTS)
    near, far = np.zeros(POINTS - 1), np.ones(POINTS - 1)
    right = np.concatenate([along[:-1], far, along[:0:-1], near, along[:1]])
    down = np.concatenate([near, along[:-1], far, along[:0:-1], along[:1]])
    if slant is None:
        xs = bounds.west + (bounds.east - bounds.west) * right
        ys = bounds.north + (bounds.south - bounds.north) * down
    else:
        t, cols, rows = slant.transform, right * slant.width, down * slant.height
        xs, ys = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    lon, lat = transformer(grid.crs, CRS84).transform(xs, ys)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise InvalidInput("footprint", "its bounds have no place on the globe")
    return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
