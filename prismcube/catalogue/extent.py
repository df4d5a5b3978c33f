"""The extent of a collection: where and when it has data, and on which grid most of it lies.

The database aggregates, in one pass; memory does not grow with the number of datasets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select

from prismcube.catalogue.filters import visible
from prismcube.catalogue.tables import dataset
from prismcube.catalogue.types import grid_of
from prismcube.errors import InvalidInput
from prismcube.model.collection import Extent
from prismcube.model.grid import Bounds, Grid, parse_crs

_EARTH_RADIUS = 6_371_000.0
"""Metres; turns pixel sizes in degrees into comparable ones."""

_D = dataset.c
GROUPS = select(  # by CRS and pixel size: how many, their box in lon/lat, their times, their box in the CRS
    _D.crs,
    _D.dx,
    _D.dy,
    func.count().label("number"),
    func.min(_D.west).label("west"),
    func.min(_D.south).label("south"),
    func.max(_D.east).label("east"),
    func.max(_D.north).label("north"),
    func.min(_D.time).label("start"),
    func.max(_D.time).label("end"),
    func.min(_D.x0).label("left"),
    func.min(_D.y0 - _D.dy * _D.height).label("bottom"),
    func.max(_D.x0 + _D.dx * _D.width).label("right"),
    func.max(_D.y0).label("top"),
).group_by(_D.crs, _D.dx, _D.dy)
OLDEST = (  # of a group, given its earliest time
    select(_D.crs, _D.x0, _D.y0, _D.dx, _D.dy, _D.width, _D.height)
    .where(_D.time == bindparam("start"), _D.crs == bindparam("crs"), _D.dx == bindparam("dx"))
    .where(_D.dy == bindparam("dy"))
    .order_by(_D.id)
    .limit(1)
)
OTHERS = (  # distinct grids in other CRSs than this one
    select(_D.crs, _D.x0, _D.y0, _D.dx, _D.dy, _D.width, _D.height).where(_D.crs != bindparam("crs")).distinct()
)


def compute_extent(connection: Connection, instances: set[int], tags: Mapping[str, str]) -> Extent | None:
    """The extent of the active datasets of these instances whose records have these tags; None without any.

    Bounds of data on both sides of the date line span all longitudes.
    """
    seen = visible(instances, tags)
    boxes: dict[str, Bounds] = {}
    bounds = best = start = end = None
    for group in connection.execute(GROUPS.where(seen)):
        here = Bounds(group.west, group.south, group.east, group.north)
        bounds = here.union(bounds) if bounds else here
        start = min(start or group.start, group.start)
        end = max(end or group.end, group.end)
        box = Bounds(group.left, group.bottom, group.right, group.top)
        boxes[group.crs] = box.union(boxes.get(group.crs, box))
        if best is None or _rank(group) < _rank(best):
            best = group
    if bounds is None or best is None or start is None or end is None:
        return None
    key = {"start": best.start, "crs": best.crs, "dx": best.dx, "dy": best.dy}
    oldest = _grid(connection.execute(OLDEST.where(seen), key).one())
    covered = boxes.pop(best.crs)
    if boxes:
        covered = _with_others(connection, seen, covered, best.crs)
    return Extent(bounds=bounds, start=start, end=end, native=oldest.window(covered))


def _with_others(connection: Connection, seen: ColumnElement[bool], covered: Bounds, crs: str) -> Bounds:
    """`covered` and the datasets in other CRSs. One by one: the box around a box of many would be far too large.

    A dataset that has no place in `crs` (the other side of the Earth, for a UTM zone) is left out.
    """
    for row in connection.execute(OTHERS.where(seen), {"crs": crs}):
        try:
            covered = covered.union(_grid(row).bounds.to_crs(row.crs, crs))
        except InvalidInput:
            continue
    return covered


def _rank(group: Any) -> tuple[Any, ...]:
    """The least is the native one: most datasets, of several the finest; else any order that is always the same."""
    return -group.number, _metres(group), group.crs, group.dx, group.dy


def _metres(pixel: Any) -> float:
    """About the side of a pixel, in metres."""
    crs = parse_crs(pixel.crs)
    unit = crs.axis_info[0].unit_conversion_factor * (_EARTH_RADIUS if crs.is_geographic else 1.0)
    return math.sqrt(pixel.dx * pixel.dy) * unit


def _grid(row: Any) -> Grid:
    return grid_of(row.crs, row.x0, row.y0, row.dx, row.dy, row.width, row.height)
