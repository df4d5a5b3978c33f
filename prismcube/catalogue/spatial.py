"""Which geometries of a table have a point in common with an area.

PostGIS's `ST_Intersects` brings the table's index along. On SQLite an R*Tree finds the candidates by their boxes and
a function of that name, which is shapely behind it, decides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection as Sized
from datetime import UTC, datetime
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Boolean, ColumnElement, Connection, Select, and_, bindparam, false, func, literal_column, select
from sqlalchemy import Double as DoubleType
from sqlalchemy.types import TypeEngine

from prismcube.catalogue.dialects import Condition, PerDatabase
from prismcube.catalogue.tables import aoi, cell, dataset
from prismcube.catalogue.types import Geometry, Id, UTCDateTime
from prismcube.model.period import Period

ALWAYS = Period()

MANY = 5000
"""Candidates beyond which it is better to go through a page of records by time than to collect them all."""

_BOX = ("west", "south", "east", "north")
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


# Operands of all these: id, geometry, the area, its west, south, east and north; of datasets, the first and last time.


class _AOITouches(Condition):
    sqlite = (
        "{0} IN (SELECT id FROM aoi_rtree WHERE west <= {5} AND east >= {3} AND south <= {6} AND north >= {4})"
        " AND ST_Intersects({1}, {2})"
    )
    postgresql = "ST_Intersects({1}, {2})"


class _CellTouches(Condition):
    sqlite = (
        "{0} IN (SELECT id FROM cell_rtree WHERE west <= {5} AND east >= {3} AND south <= {6} AND north >= {4})"
        " AND ST_Intersects({1}, {2})"
    )
    postgresql = "ST_Intersects({1}, {2})"


class _DatasetNear(Condition):
    """By boxes alone. The time only narrows, to about a minute: a box that is large but for a day is then quick too."""

    sqlite = (
        "{0} IN (SELECT id FROM dataset_rtree WHERE west <= {5} AND east >= {3} AND south <= {6} AND north >= {4}"
        ' AND start <= {8} AND "end" >= {7})'
    )
    postgresql = "{1} && {2}"


class _DatasetTouches(Condition):
    sqlite = f"{_DatasetNear.sqlite} AND ST_Intersects({{1}}, {{2}})"
    postgresql = "ST_Intersects({1}, {2})"


class _Unindexed(PerDatabase):
    """An id that SQLite looks up in no index."""

    type: TypeEngine[Any] = Id  # a number of another type is looked up in no GiST index of PostgreSQL
    sqlite = "+{0}"
    postgresql = "{0}"


def aoi_intersects(area: BaseGeometry) -> ColumnElement[bool]:
    """True for areas of interest that have a point in common with `area` (longitude, latitude)."""
    return false() if area.is_empty else _AOITouches(aoi.c.id, aoi.c.geometry, *_operands(area))


def cell_intersects(area: BaseGeometry) -> ColumnElement[bool]:
    """True for cells of grids that have a point in common with `area` (longitude, latitude)."""
    return false() if area.is_empty else _CellTouches(cell.c.id, cell.c.outline, *_operands(area))


def footprint_intersects(area: BaseGeometry, period: Period = ALWAYS) -> ColumnElement[bool]:
    """True for datasets whose footprint has a point in common with `area` (longitude, latitude).

    On SQLite, `period` narrows the candidates; it must be asked for separately.
    """
    if area.is_empty:
        return false()
    return _DatasetTouches(dataset.c.id, dataset.c.footprint, *_operands(area), *_times(period))


def footprint_intersects_bound() -> ColumnElement[bool]:
    """As `footprint_intersects`, of the area and period of `bound_values`: for statements that are made only once."""
    numbers: list[ColumnElement[Any]] = [bindparam(name, type_=DoubleType()) for name in _BOX]
    times: list[ColumnElement[Any]] = [bindparam(name, type_=UTCDateTime()) for name in ("first", "last")]
    return _DatasetTouches(dataset.c.id, dataset.c.footprint, bindparam("area", type_=Geometry()), *numbers, *times)


def bound_values(area: BaseGeometry, period: Period) -> dict[str, Any]:
    """Of a statement with `footprint_intersects_bound`; the area must not be empty."""
    box = dict(zip(_BOX, area.bounds, strict=True))
    return {"area": _valid(area), **box, "first": period.start or _FIRST, "last": period.end or _LAST}


def row_intersects(area: BaseGeometry) -> ColumnElement[bool]:
    """The same for queries that come to each dataset by another way than its place."""
    if area.is_empty:
        return false()
    west, south, east, north = area.bounds
    return and_(
        dataset.c.west <= east,
        dataset.c.east >= west,
        dataset.c.south <= north,
        dataset.c.north >= south,
        func.ST_Intersects(dataset.c.footprint, _bound(area), type_=Boolean()),
    )


def of_instances(instances: Sized[int], *, led_by_place: bool) -> ColumnElement[bool]:
    """True for datasets of these instances; see `instance_column`."""
    return instance_column(led_by_place=led_by_place).in_(sorted(instances))


def instance_column(*, led_by_place: bool) -> ColumnElement[int]:
    """The instance of a dataset.

    `led_by_place`: the R*Tree, which knows the time as well, must lead. SQLite would take the index on (instance, time)
    and look at every dataset of the instance (10^5: 100 ms instead of 10). PostgreSQL's index knows all three.
    """
    return _Unindexed(dataset.c.instance_id) if led_by_place else dataset.c.instance_id


def has_many(connection: Connection, area: BaseGeometry, instances: Sized[int], period: Period = ALWAYS) -> bool:
    """True when more than `MANY` datasets may intersect the area."""
    if area.is_empty:
        return False
    near = _DatasetNear(dataset.c.id, dataset.c.footprint, *_operands(area), *_times(period))
    some: Select[Any] = (
        select(literal_column("1")).select_from(dataset).where(near, of_instances(instances, led_by_place=True))
    )
    return (connection.scalar(select(func.count()).select_from(some.limit(MANY + 1).subquery())) or 0) > MANY


def _operands(area: BaseGeometry) -> list[ColumnElement[Any]]:
    return [_bound(area), *(bindparam(None, number, type_=DoubleType()) for number in area.bounds)]


def _times(period: Period) -> list[ColumnElement[Any]]:
    return [bindparam(None, time, type_=UTCDateTime()) for time in (period.start or _FIRST, period.end or _LAST)]


def _bound(area: BaseGeometry) -> ColumnElement[Any]:
    return bindparam(None, _valid(area), type_=Geometry())


def _valid(area: BaseGeometry) -> BaseGeometry:
    """A bow-tie from a client must not make GEOS raise inside the query."""
    return area if area.is_valid else shapely.make_valid(area)


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a SQLite connection the spatial functions."""
    connection.create_function("ST_Intersects", 2, _Intersects(), deterministic=True)


class _Intersects:
    """`ST_Intersects(wkb, wkb)`; keeps the second geometry prepared, as a query asks it of every row.

    Also the first one's answer, which the next row often has as well: the dates of a cell share its footprint.

    One object a connection: a prepared geometry must not be used by two threads at once.
    """

    def __init__(self) -> None:
        self._wkb: bytes = b""
        self._area: Any = None
        self._last: tuple[bytes, int] = b"", 0

    def __call__(self, geometry: bytes | None, area: bytes | None) -> int | None:
        if geometry is None or area is None:
            return None
        if area != self._wkb:
            self._area = shapely.from_wkb(area)
            shapely.prepare(self._area)
            self._wkb, self._last = area, (b"", 0)  # whatever fails from here on, no answer of the old area is left
        elif geometry == self._last[0]:
            return self._last[1]
        self._last = geometry, int(shapely.intersects(self._area, shapely.from_wkb(geometry)))
        return self._last[1]
