"""Spatial predicates under PostGIS's names, so that a query reads the same on both databases.

On SQLite the R*Tree `dataset_rtree` finds the candidates by their boxes and `ST_Intersects`, which is shapely behind a
registered function, decides. (On PostGIS the same name is the database's own and brings its index along.)
"""

from __future__ import annotations

import sqlite3
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Connection, and_, bindparam, column, false, func, select, table, true

from prismcube.catalogue.tables import dataset
from prismcube.catalogue.types import Geometry, UTCDateTime
from prismcube.model.period import Period

ALWAYS = Period()

dataset_rtree = table(
    "dataset_rtree",
    *(column(name) for name in ("id", "west", "east", "south", "north")),
    column("start", UTCDateTime),
    column("end", UTCDateTime),
)
"""Box and time of all datasets in 32-bit numbers, rounded outwards by SQLite: a filter that never loses a dataset."""

MANY = 5000
"""Candidates beyond which it is better to go through a page of records by time than to collect them all."""


def footprint_intersects(area: BaseGeometry, period: Period = ALWAYS) -> ColumnElement[bool]:
    """SQL that is true for datasets whose footprint has a point in common with `area` (longitude, latitude).

    `period` only narrows the candidates, to about a minute: a box that is large but for a day is then quick too.
    """
    if area.is_empty:
        return false()
    return and_(dataset.c.id.in_(select(dataset_rtree.c.id).where(_candidates(area, period))), _exact(area))


def row_intersects(area: BaseGeometry) -> ColumnElement[bool]:
    """The same without the R*Tree, for queries that come to each dataset by another way."""
    if area.is_empty:
        return false()
    west, south, east, north = area.bounds
    return and_(
        dataset.c.west <= east,
        dataset.c.east >= west,
        dataset.c.south <= north,
        dataset.c.north >= south,
        _exact(area),
    )


def has_many(connection: Connection, area: BaseGeometry, period: Period = ALWAYS) -> bool:
    """True when more than `MANY` datasets may intersect the area."""
    if area.is_empty:
        return False
    some = select(dataset_rtree.c.id).where(_candidates(area, period)).limit(MANY + 1).subquery()
    return (connection.scalar(select(func.count()).select_from(some)) or 0) > MANY


def _candidates(area: BaseGeometry, period: Period) -> ColumnElement[bool]:
    west, south, east, north = area.bounds
    box = dataset_rtree.c
    return and_(
        box.west <= east,
        box.east >= west,
        box.south <= north,
        box.north >= south,
        true() if period.end is None else box.start <= period.end,
        true() if period.start is None else box.end >= period.start,
    )


def _exact(area: BaseGeometry) -> ColumnElement[bool]:
    if not area.is_valid:
        area = shapely.make_valid(area)  # a bow-tie from a client must not make GEOS raise inside the query
    return func.ST_Intersects(dataset.c.footprint, bindparam(None, area, type_=Geometry)) == 1


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a SQLite connection the spatial functions."""
    connection.create_function("ST_Intersects", 2, _Intersects(), deterministic=True)


class _Intersects:
    """`ST_Intersects(wkb, wkb)`; keeps the second geometry prepared, as a query asks it of every row.

    One object a connection: a prepared geometry must not be used by two threads at once.
    """

    def __init__(self) -> None:
        self._wkb: bytes = b""
        self._area: Any = None

    def __call__(self, footprint: bytes | None, area: bytes | None) -> int | None:
        if footprint is None or area is None:
            return None
        if area != self._wkb:
            self._area = shapely.from_wkb(area)
            shapely.prepare(self._area)
            self._wkb = area
        return int(shapely.intersects(self._area, shapely.from_wkb(footprint)))
