"""The extent of a collection: where and when it has data, and on which grid most of it lies.

Aggregated by the database, so that memory does not grow with the number of datasets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from prismcube.catalogue.filters import visible
from prismcube.catalogue.tables import dataset
from prismcube.catalogue.types import grid_of
from prismcube.errors import InvalidInput
from prismcube.model.collection import Extent
from prismcube.model.grid import Bounds, Grid, parse_crs

_EARTH_RADIUS = 6_371_000.0
"""Metres; turns pixel sizes in degrees into comparable ones."""

TOTALS = select(
    func.min(dataset.c.west).label("west"),
    func.min(dataset.c.south).label("south"),
    func.max(dataset.c.east).label("east"),
    func.max(dataset.c.north).label("north"),
    func.min(dataset.c.time).label("start"),
    func.max(dataset.c.time).label("end"),
)
PIXELS = (  # the most common first
    select(dataset.c.crs, dataset.c.dx, dataset.c.dy, func.count().label("number"))
    .group_by(dataset.c.crs, dataset.c.dx, dataset.c.dy)
    .order_by(func.count().desc(), dataset.c.crs, dataset.c.dx, dataset.c.dy)
)
OLDEST = (
    select(dataset.c.crs, dataset.c.x0, dataset.c.y0, dataset.c.dx, dataset.c.dy, dataset.c.width, dataset.c.height)
    .order_by(dataset.c.time, dataset.c.id)
    .limit(1)
)
BOX = select(
    func.min(dataset.c.x0).label("west"),
    func.min(dataset.c.y0 - dataset.c.dy * dataset.c.height).label("south"),
    func.max(dataset.c.x0 + dataset.c.dx * dataset.c.width).label("east"),
    func.max(dataset.c.y0).label("north"),
)
GRIDS = select(
    dataset.c.crs, dataset.c.x0, dataset.c.y0, dataset.c.dx, dataset.c.dy, dataset.c.width, dataset.c.height
).distinct()


def compute_extent(connection: Connection, instances: set[int], tags: Mapping[str, str]) -> Extent | None:
    """The extent of the active datasets of these instances whose records have these tags; None without any.

    Bounds of data on both sides of the date line span all longitudes.
    """
    seen = visible(instances, tags)
    totals = connection.execute(TOTALS.where(seen)).one()
    if totals.start is None:
        return None
    return Extent(
        bounds=Bounds(totals.west, totals.south, totals.east, totals.north),
        start=totals.start,
        end=totals.end,
        native=_native(connection, seen),
    )


def _native(connection: Connection, seen: ColumnElement[bool]) -> Grid:
    """The grid of the most common CRS and pixel size, on the oldest such dataset's lattice, that covers all datasets.

    A dataset that has no place in that CRS (the other side of the Earth, for a UTM zone) is left out.
    """
    pixel = _most_common(connection, seen)
    same_pixel = (dataset.c.crs == pixel.crs, dataset.c.dx == pixel.dx, dataset.c.dy == pixel.dy)
    oldest = _grid(connection.execute(OLDEST.where(seen, *same_pixel)).one())
    box = connection.execute(BOX.where(seen, dataset.c.crs == pixel.crs)).one()
    bounds = Bounds(box.west, box.south, box.east, box.north)
    for row in connection.execute(GRIDS.where(seen, dataset.c.crs != pixel.crs)):
        try:
            bounds = bounds.union(_grid(row).bounds.to_crs(row.crs, pixel.crs))
        except InvalidInput:
            continue
    return oldest.window(bounds)


def _most_common(connection: Connection, seen: ColumnElement[bool]) -> Any:
    """(crs, dx, dy) of most datasets; of several the finest."""
    with connection.execute(PIXELS.where(seen)) as rows:
        best = next(rows)
        for row in rows:
            if row.number < best.number:
                break
            if _metres(row) < _metres(best):
                best = row
    return best


def _metres(pixel: Any) -> float:
    """About the side of a pixel, in metres."""
    crs = parse_crs(pixel.crs)
    unit = crs.axis_info[0].unit_conversion_factor * (_EARTH_RADIUS if crs.is_geographic else 1.0)
    return math.sqrt(pixel.dx * pixel.dy) * unit


def _grid(row: Any) -> Grid:
    return grid_of(row.crs, row.x0, row.y0, row.dx, row.dy, row.width, row.height)
