"""Records, and the time steps of a collection that they make."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import batched
from types import MappingProxyType
from typing import Any

import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Connection, bindparam, exists, insert, select, true, tuple_

from prismcube.catalogue.engine import Change, Session
from prismcube.catalogue.filters import has_tags, visible, within
from prismcube.catalogue.spatial import ALWAYS, has_many, row_intersects
from prismcube.catalogue.tables import dataset, record
from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Collection
from prismcube.model.entities import Record
from prismcube.model.period import Period, utc

CHUNK = 1000
"""Bound values a statement; SQLite takes 32,766."""

BY_IDS = select(record).where(record.c.id.in_(bindparam("ids", expanding=True)))
BY_KEY = select(record).where(
    record.c.name == bindparam("name"), record.c.time == bindparam("time"), record.c.tags == bindparam("tags")
)
INSERT = insert(record).returning(record.c.id)


class Records:
    """The repository of records."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, id: int) -> Record:
        """Raises NotFound."""
        return self.get_many([id])[0]

    def get_many(self, ids: Iterable[int]) -> list[Record]:
        """The records of these ids, in their order, any number of them. Raises NotFound for one that is missing."""
        wanted = list(ids)
        found: dict[int, Record] = {}
        with self._session.read() as connection:
            for some in batched(sorted(set(wanted)), CHUNK):
                found.update((row.id, _record(row)) for row in connection.execute(BY_IDS, {"ids": some}))
        for id in wanted:
            if id not in found:
                raise NotFound("record", id)
        return [found[id] for id in wanted]

    def find(self, wanted: Record) -> Record | None:
        """The stored record of this name, time and tags; None when there is none."""
        with self._session.read() as connection:
            row = connection.execute(BY_KEY, record_key(wanted)).one_or_none()
        return None if row is None else _record(row)

    def get_or_create(self, wanted: Record) -> tuple[Record, Change]:
        """The stored record of this name, time and tags; stores it when it is new. A stored record keeps its AOI."""
        key = record_key(wanted)
        with self._session.write() as connection:
            row = connection.execute(BY_KEY, key).one_or_none()
            if row is not None:
                return _record(row), Change.UNCHANGED
            id = connection.scalar(INSERT, {**key, "aoi_id": wanted.aoi_id})
        stored = Record(
            name=wanted.name,
            time=utc(wanted.time),
            tags=MappingProxyType(dict(wanted.tags)),
            aoi_id=wanted.aoi_id,
            id=id,
        )
        return stored, Change.CREATED

    def items(
        self,
        collection: Collection,
        *,
        period: Period = ALWAYS,
        area: BaseGeometry | None = None,
        after: tuple[datetime, int] | None = None,
        limit: int = 100,
    ) -> list[tuple[Record, MultiPolygon]]:
        """Time steps of a collection with the union of their active datasets' footprints, by (time, id).

        `area` is in longitude and latitude. The next page begins `after` (time, id) of the last item of this one.
        """
        page = select(record).where(within(record.c.time, period), has_tags(record.c.id, collection.record_tags))
        if after is not None:
            time, id = bindparam(None, utc(after[0]), record.c.time.type), after[1]
            page = page.where(tuple_(record.c.time, record.c.id) > tuple_(time, id))
        page = page.order_by(record.c.time, record.c.id).limit(limit)
        with self._session.read() as connection:
            page = page.where(_has_dataset(connection, _instances(collection), period, area))
            records = [_record(row) for row in connection.execute(page)]
            footprints = _footprints(connection, collection, [found.id for found in records if found.id is not None])
        return [(found, footprints[found.id or 0]) for found in records]

    def item(self, collection: Collection, id: int) -> tuple[Record, MultiPolygon]:
        """One time step of a collection. Raises NotFound when the record is none of it."""
        with self._session.read() as connection:
            row = connection.execute(BY_IDS, {"ids": [id]}).one_or_none()
            footprints = _footprints(connection, collection, [id])
        if row is None or id not in footprints or not collection.has_record(_record(row)):
            raise NotFound("record", id)
        return _record(row), footprints[id]


def _has_dataset(
    connection: Connection, instances: set[int], period: Period, area: BaseGeometry | None
) -> ColumnElement[bool]:
    """SQL that is true for records with an active dataset of the instances that touches the area."""
    if area is not None and not has_many(connection, area, period):
        # Few datasets touch the area: find them first, instead of asking every record.
        return record.c.id.in_(select(dataset.c.record_id).where(visible(instances, {}, period=period, area=area)))
    touches = true() if area is None else row_intersects(area)
    return exists().where(dataset.c.record_id == record.c.id, visible(instances, {}), touches)


def _footprints(connection: Connection, collection: Collection, ids: list[int]) -> dict[int, MultiPolygon]:
    """The union of the footprints of each record's active datasets in the collection."""
    parts: dict[int, dict[bytes, BaseGeometry]] = {}
    seen = visible(_instances(collection), {})
    for some in batched(ids, CHUNK):
        statement = select(dataset.c.record_id, dataset.c.footprint).where(dataset.c.record_id.in_(some), seen)
        for record_id, footprint in connection.execute(statement):
            # Most datasets of a record have the very same footprint: union it once.
            parts.setdefault(record_id, {})[shapely.to_wkb(footprint)] = footprint
    return {record_id: _union(list(distinct.values())) for record_id, distinct in parts.items()}


def _union(footprints: list[Any]) -> MultiPolygon:
    if len(footprints) == 1 and isinstance(footprints[0], MultiPolygon):
        return footprints[0]
    union = shapely.union_all(footprints)
    polygons = getattr(union, "geoms", [union])
    return MultiPolygon([*polygons])


def _instances(collection: Collection) -> set[int]:
    return {one.instance_id for one in collection.stored_fields}


def _record(row: Any) -> Record:
    return Record(name=row.name, time=row.time, tags=MappingProxyType(row.tags), aoi_id=row.aoi_id, id=row.id)


def record_key(wanted: Record) -> dict[str, Any]:
    """What makes a record unique. Raises InvalidInput for text that can't be stored."""
    for text in (wanted.name, *wanted.tags, *wanted.tags.values()):
        _check_text(text)
    return {"name": wanted.name, "time": utc(wanted.time), "tags": dict(wanted.tags)}


def _check_text(text: str) -> None:
    """Refuse what a database can't keep as text: NUL, and the halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("record", f"{text!r} is not valid Unicode") from error
    if "\0" in text:
        raise InvalidInput("record", f"{text!r} holds a NUL character")
