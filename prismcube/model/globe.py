"""Geometries in longitude and latitude, moved onto the globe: [-180, 180] x [-90, 90]. Pure."""

from __future__ import annotations

import math
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput

FARTHEST_LON = 720.0
"""Degrees. 0 to 360 is a habit, and half a pixel more; one turn beyond is still a place, more is a mistake."""

NOISE = 1e-9
"""Degrees, 0.1 mm: what reaches so little over the date line ends on it, but for the last bits of its coordinates."""

_GLOBE = (-180.0, -90.0, 180.0, 90.0)


def on_globe(geometry: BaseGeometry) -> BaseGeometry:
    """The same places with each longitude in [-180, 180]: cut at the date line, each part moved by whole turns.

    Polygons become a valid MultiPolygon, other geometries stay what they are (a line that is cut has several parts).
    Parts beyond a pole are cut off, heights dropped. Points on the date line stay on the side they were on.

    Raises InvalidInput("geometry", ...) when a coordinate is not finite or beyond 720 degrees of longitude.
    """
    geometry = shapely.force_2d(geometry)
    if geometry.is_empty:
        return MultiPolygon() if _is_areal(geometry) else geometry
    west, south, east, north = geometry.bounds
    if not all(math.isfinite(value) for value in (west, south, east, north)):
        raise InvalidInput("geometry", "its coordinates must be finite numbers")
    if not -FARTHEST_LON <= west <= east <= FARTHEST_LON:
        raise InvalidInput("geometry", f"its longitudes are {west:g} to {east:g}")
    if _is_areal(geometry):
        return polygons(_split(shapely.make_valid(geometry)))
    return geometry if _within(west, south, east, north) else _split(geometry)


def box_on_globe(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """A box of longitudes and latitudes as a geometry on the globe; `west > east` means across the date line.

    A MultiPolygon of one or two parts; a line or point when the box has no width or height. 360 degrees or more are
    all longitudes.

    Raises InvalidInput("bbox", ...) for coordinates that are not finite, latitudes beyond 90 or upside down, and
    longitudes beyond 720 degrees.
    """
    if not all(math.isfinite(value) for value in (west, south, east, north)):
        raise InvalidInput("bbox", "coordinates must be finite numbers")
    if not -90 <= south <= north <= 90:
        raise InvalidInput("bbox", f"latitudes must be -90 to 90, the southern one first, got {south:g}, {north:g}")
    if max(abs(west), abs(east)) > FARTHEST_LON:
        raise InvalidInput("bbox", f"longitudes must be -720 to 720, got {west:g}, {east:g}")
    if west > east:
        east += 360 * math.ceil((west - east) / 360)
    if east - west >= 360:
        west, east = -180.0, 180.0
    # Both sides by the same turns: 180 to 190 is one box, -180 to -170, and not also the line at 180.
    turn = 0.0 if west >= -180 and east <= 180 else 360.0 * math.floor((west + 180) / 360)
    west, east = west - turn, east - turn
    if west == east and south == north:
        return Point(west, south)
    if west == east or south == north:
        return on_globe(LineString([(west, south), (east, north)]))
    return on_globe(box(west, south, east, north))


def polygons(geometry: BaseGeometry) -> MultiPolygon:
    """The polygons among the parts of a geometry; lines and points, left over from a cut, go."""
    parts = shapely.get_parts(shapely.get_parts(geometry))  # twice: a collection may hold multipolygons
    return MultiPolygon([part for part in parts if isinstance(part, Polygon) and not part.is_empty])


def _split(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry with each part moved into the globe."""
    west, south, east, north = geometry.bounds
    if _within(west, south, east, north):
        return geometry
    noise = NOISE if east - west > 2 * NOISE else 0.0
    first = math.floor((west + 180 + noise) / 360)
    last = max(first + 1, math.ceil((east + 180 - noise) / 360))  # a meridian on a cut has no width
    parts: list[Any] = []
    for turn in range(first, last):
        part = shapely.intersection(geometry, box(360 * turn - 180, -90, 360 * turn + 180, 90))
        parts.append(translate(part, xoff=-360 * turn))
    return shapely.union_all(parts)


def _within(west: float, south: float, east: float, north: float) -> bool:
    return _GLOBE[0] <= west and _GLOBE[1] <= south and east <= _GLOBE[2] and north <= _GLOBE[3]


def _is_areal(geometry: BaseGeometry) -> bool:
    return geometry.geom_type in ("Polygon", "MultiPolygon")
