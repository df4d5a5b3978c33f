"""Points and areas of a request, moved onto the grid of a collection. Pure."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import shapely
import shapely.affinity as affinity
from pyproj.exceptions import ProjError
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.grid import Grid, parse_crs, transformer, turns

Points = npt.NDArray[np.float64]
"""x and y, of shape (points, 2)."""

EDGE_PX = 0.02
"""How far an edge, straight in the CRS it was drawn in, may lie from its image on the grid, in pixels."""

MAX_VERTICES = 200_000
"""Of an area on the grid, once its edges are bent; reached only by areas across a large part of the Earth."""


def clipped_to(geometry: BaseGeometry, crs: str, native: Grid) -> BaseGeometry:
    """The part of an area near the data: a polygon around the world has vertices that have no place in the native CRS.

    The margin keeps the cut edges beyond the data's own.
    """
    try:
        box = native.bounds.to_crs(native.crs, crs)
    except InvalidInput:  # the data lie around a pole: no such box
        return geometry
    margin = 0.1 * max(box.east - box.west, box.north - box.south)
    parts = [  # data with longitudes of 0 to 360 lie partly a turn away
        shapely.clip_by_rect(geometry, west - margin, box.south - margin, east + margin, box.north + margin)
        for west, east in ((box.west - turn, box.east - turn) for turn in turns(crs))
    ]
    return shapely.union_all(parts)


def onto(geometry: BaseGeometry, native: Grid) -> BaseGeometry | None:
    """A native geometry where the data are, None beside them.

    Parts that lie a whole turn of longitude away are shifted: all of an area that data counting 0 to 360 hold.
    """
    extent = shapely.box(*native.bounds.as_tuple())
    places = [affinity.translate(geometry, xoff=turn) if turn else geometry for turn in turns(native.crs)]
    touching = [place for place in places if shapely.intersects(place, extent)]
    if len(touching) > 1 and geometry.area > 0:
        return shapely.union_all([shapely.intersection(place, extent) for place in touching])
    return touching[0] if touching else None


def to_native(geometry: BaseGeometry, crs: str, native: Grid) -> BaseGeometry:
    """The geometry in the collection's CRS. Edges bend there: points are put in until each lies within `EDGE_PX`.

    Raises InvalidInput when it has no place there.
    """
    length = geometry.length
    while True:
        moved = _moved(geometry, crs, native)
        error = _edge_error(geometry, moved, crs, native) / min(native.resolution)
        if error <= EDGE_PX or shapely.get_num_coordinates(geometry) > MAX_VERTICES:
            return moved
        length /= min(16.0, math.ceil(math.sqrt(error / EDGE_PX)))  # the error falls with the length's square
        geometry = shapely.segmentize(geometry, length)


def _moved(geometry: BaseGeometry, crs: str, native: Grid) -> BaseGeometry:
    turn = _broken_by(crs, native)

    def unbroken(points: Points) -> Points:
        moved = place(points, crs, native)
        return np.column_stack([np.unwrap(moved[:, 0], period=turn), moved[:, 1]])

    if turn and shapely.get_dimensions(geometry) > 0:
        with suppress(GEOSException):  # a ring around a pole does not close then
            return shapely.transform(geometry, unbroken)
    return shapely.transform(geometry, lambda points: place(points, crs, native))


def _broken_by(crs: str, native: Grid) -> float:
    """By how much longitudes jump where an edge of a projected CRS crosses the date line; 0: nothing jumps."""
    return 0.0 if parse_crs(crs).is_geographic else max(turns(native.crs))


def place(points: Points, crs: str, native: Grid) -> Points:
    """Points in the collection's CRS. Raises InvalidInput("coords", ...) when one has no place there."""
    try:
        x, y = transformer(crs, native.crs).transform(points[:, 0], points[:, 1], errcheck=True)
    except ProjError as error:
        raise InvalidInput("coords", "has no place in the collection's CRS") from error
    moved = np.column_stack([x, y])
    if not np.isfinite(moved).all():
        raise InvalidInput("coords", "has no place in the collection's CRS")
    return moved


def _edge_error(geometry: BaseGeometry, moved: BaseGeometry, crs: str, native: Grid) -> float:
    """The largest distance, in native units, between the image of an edge's middle and the middle of its image."""
    worst, turn = 0.0, _broken_by(crs, native)
    for ring, image in zip(_rings(geometry), _rings(moved), strict=True):
        middles = place((ring[1:] + ring[:-1]) / 2, crs, native)
        off = middles - (image[1:] + image[:-1]) / 2
        if turn:
            off[:, 0] -= turn * np.round(off[:, 0] / turn)
        worst = max(worst, float(np.abs(off).max()))
    return worst


def _rings(geometry: BaseGeometry) -> list[Points]:
    """The rings of polygons; lines are taken as they are."""
    parts = shapely.get_parts(geometry)
    rings = parts if shapely.get_dimensions(geometry) == 1 else shapely.get_rings(parts)
    return [shapely.get_coordinates(ring) for ring in rings]
