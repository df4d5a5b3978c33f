"""Circles and corridors of a width on the ground, as polygons of a collection's CRS. Pure.

Distances are those of the WGS 84 ellipsoid. A corridor is what lies within a distance of a line, round at its ends.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Geod
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.globe import polygons
from prismcube.model.grid import CRS84, Grid, parse_crs, transformer
from prismcube.model.lines import Segments
from prismcube.model.shapes import place

METRES = {"m": 1.0, "km": 1000.0, "mi": 1609.344, "nmi": 1852.0, "ft": 0.3048, "yd": 0.9144}
"""Units of length by the names that requests may use."""

MOST_METRES = 5_000_000.0
"""A quarter of the way around the Earth is 10,000 km; projections fail long before."""

_GEOD = Geod(ellps="WGS84")
_CORNERS = 1440  # of a circle: its edges lie within 3e-6 of the radius
_JOINT_CORNERS = 96
_PIECE_METRES = 2000.0
"""Of a corridor's edge, between two points."""
_MOST_PIECES = 100_000

Numbers = npt.NDArray[np.float64]


def circle(x: float, y: float, crs: str, *, metres: float, native: Grid) -> BaseGeometry:
    """What lies within so many metres of a point of `crs`, as a polygon of the native CRS.

    Raises InvalidInput("coords", ...) when it has no place there.
    """
    lon, lat = (np.array([value]) for value in transformer(crs, CRS84).transform(x, y))
    return shapely.union_all(_discs(lon, lat, metres=metres, corners=_CORNERS, native=native))


def corridor(segments: Segments, crs: str, *, metres: float, native: Grid) -> BaseGeometry:
    """What lies within so many metres of a line, straight in `crs` between its points.

    Raises InvalidInput("coords", ...) when it has no place there or is too long.
    """
    strips: list[BaseGeometry] = []
    pieces = 0
    for begin, end in segments:
        (lon0, lon1), (lat0, lat1) = transformer(crs, CRS84).transform([begin[0], end[0]], [begin[1], end[1]])
        count = math.ceil(_GEOD.inv(lon0, lat0, lon1, lat1)[2] / _PIECE_METRES) + 1
        pieces += count
        if pieces > _MOST_PIECES:
            raise InvalidInput("coords", f"the line is longer than {_MOST_PIECES * _PIECE_METRES / 1000:,.0f} km")
        strips.append(_strip(begin, end, crs, count=count, metres=metres, native=native))
    ends = np.unique(segments.reshape(-1, 2), axis=0)
    lon, lat = transformer(crs, CRS84).transform(ends[:, 0], ends[:, 1])
    return shapely.union_all([*strips, *_discs(lon, lat, metres=metres, corners=_JOINT_CORNERS, native=native)])


def _strip(begin: Numbers, end: Numbers, crs: str, *, count: int, metres: float, native: Grid) -> BaseGeometry:
    """The straight part of a corridor, beside one segment."""
    points = np.linspace(begin, end, count + 1)
    lon, lat = transformer(crs, CRS84).transform(points[:, 0], points[:, 1])
    ahead, _, length = _GEOD.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    if not np.sum(length):
        return Polygon()
    _, back, _ = _GEOD.inv(lon[-2], lat[-2], lon[-1], lat[-1])
    heading = np.append(ahead, back + 180)
    away = np.full(len(lon), metres)
    left = _GEOD.fwd(lon, lat, heading - 90, away)[:2]
    right = _GEOD.fwd(lon, lat, heading + 90, away)[:2]
    ring_lon = np.concatenate([left[0], right[0][::-1]])
    ring_lat = np.concatenate([left[1], right[1][::-1]])
    return _polygon(ring_lon, ring_lat, native)


def _discs(lon: Numbers, lat: Numbers, *, metres: float, corners: int, native: Grid) -> list[BaseGeometry]:
    azimuths = np.linspace(0, 360, corners, endpoint=False)
    around = [
        _GEOD.fwd(np.full(corners, x), np.full(corners, y), azimuths, np.full(corners, metres))[:2]
        for x, y in zip(lon, lat, strict=True)
    ]
    return [_polygon(np.asarray(xs), np.asarray(ys), native) for xs, ys in around]


def _polygon(lon: Numbers, lat: Numbers, native: Grid) -> BaseGeometry:
    """A ring of longitudes and latitudes in the native CRS; one around a pole, in degrees, takes the pole in."""
    lon = np.unwrap(lon, period=360)
    if parse_crs(native.crs).is_geographic:
        step = (lon[0] - lon[-1] + 180) % 360 - 180
        turned = lon[-1] + step - lon[0]
        if abs(turned) > 180:
            pole = math.copysign(90.0, float(lat.mean()))
            lon = np.concatenate([lon, [lon[0] + turned, lon[0] + turned, lon[0]]])
            lat = np.concatenate([lat, [lat[0], pole, pole]])
    ring = place(np.column_stack([lon, lat]), CRS84, native)
    shape = Polygon(ring)
    return shape if shape.is_valid else polygons(shapely.make_valid(shape))
