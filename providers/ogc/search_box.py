"""`bbox` and `bbox-crs` where things are looked for, not read: any box, also across the antimeridian, or a point.

(OGC 17-069r4, 7.15.3; OGC 18-058r1, 6.2.)
"""

from __future__ import annotations

import numpy as np
import shapely
from pyproj.exceptions import ProjError
from shapely.geometry import LineString, Point, box
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.globe import box_on_globe, on_globe
from prismcube.model.grid import CRS84, DEGREES, FARTHEST, is_north_first, parse_crs, transformer, turns
from providers.ogc.params import parse_number

PARTS = 64
"""Into which an edge is cut before it is moved to another CRS, where it is no straight line."""
HAIR = 1e-9
"""Degrees, a tenth of a millimetre, by which a moved box grows: what lies on its edge must not be lost by rounding."""


def parse_search_box(text: str, *, crs: str) -> BaseGeometry:
    """The area on the globe, in longitude and latitude, of a box in the axis order of its CRS.

    Six numbers are taken too; nothing here has a height, so the heights exclude nothing. In degrees, a western edge
    greater than the eastern one means a box across the antimeridian (RFC 7946, 5.2). Raises InvalidInput("bbox", ...).
    """
    west, south, east, north = _corners(text, crs)
    across = west > east and parse_crs(crs).is_geographic
    if south > north or (west > east and not across):
        order = "south, west, north, east" if is_north_first(crs) else "west, south, east, north"
        raise InvalidInput("bbox", f"the lower corner must come before the upper one; the order for {crs} is {order}")
    if crs in DEGREES:
        if not (min(west, east) >= -180 and max(west, east) <= 180 and south >= -90 and north <= 90):
            told = f"{west:g} to {east:g} and {south:g} to {north:g}"
            raise InvalidInput("bbox", f"longitudes lie in -180..180 and latitudes in -90..90, got {told}")
        if not across:
            return box_on_globe(west, south, east, north)
        # Each side by itself: moved by a turn and back, an edge would be a hair off.
        return shapely.union(box_on_globe(west, south, 180.0, north), box_on_globe(-180.0, south, east, north))
    if not across:
        return _moved(west, south, east, north, crs=crs)
    half = turns(crs)[1] / 2
    return shapely.union(_moved(west, south, half, north, crs=crs), _moved(-half, south, east, north, crs=crs))


def _corners(text: str, crs: str) -> tuple[float, float, float, float]:
    """West, south, east and north as they were given."""
    numbers = [parse_number(part, "bbox") for part in text.split(",", 6)]
    if len(numbers) == 6:
        *low, bottom, high_x, high_y, top = numbers
        if bottom > top:
            raise InvalidInput("bbox", f"the lower height must come before the upper one, got {text[:80]!r}")
        numbers = [*low, high_x, high_y]
    if len(numbers) != 4:
        raise InvalidInput("bbox", f"must be four numbers, or six with heights, got {text[:80]!r}")
    if max(map(abs, numbers)) > FARTHEST:
        raise InvalidInput("bbox", f"{text[:80]!r} is no place")
    a, b, c, d = numbers
    return (b, a, d, c) if is_north_first(crs) else (a, b, c, d)


def _moved(west: float, south: float, east: float, north: float, *, crs: str) -> BaseGeometry:
    """A box of another CRS on the globe, a hair larger. Raises InvalidInput when it has no place there."""
    to_globe = transformer(crs, CRS84)
    shape: BaseGeometry = box(west, south, east, north)
    if west == east or south == north:
        shape = LineString([(west, south), (east, north)])
    if west == east and south == north:
        shape = Point(west, south)
    longest = max(east - west, north - south)
    if longest:
        shape = shapely.segmentize(shape, longest / PARTS)
    x, y = to_globe.transform(*shapely.get_coordinates(shape).T)
    if np.isfinite(x).all() and np.isfinite(y).all() and (np.abs(np.diff(x)) < 180).all():
        moved = shapely.set_coordinates(shape, np.column_stack((x, y)))
        return on_globe(shapely.buffer(moved, HAIR, join_style="mitre"))
    try:  # around a pole, or across the antimeridian: the box around it
        found = to_globe.transform_bounds(west, south, east, north, densify_pts=21)
    except ProjError:
        found = (np.inf,) * 4
    if not np.isfinite(found).all():
        raise InvalidInput("bbox", f"{west:g},{south:g},{east:g},{north:g} of {crs} has no place on the globe")
    low_x, low_y, high_x, high_y = found
    return box_on_globe(low_x, max(low_y, -90.0), high_x, min(high_y, 90.0))
