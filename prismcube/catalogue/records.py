"""Records, and the time steps of a collection that they make."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import batched
from types import MappingProxyType
from typing import Any

from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from prismcube.catalogue.aois import ids_of as ids_of_areas
from prismcube.catalogue.bulk import CHUNK, insert_with_ids
from prismcube.catalogue.changes import publish, seen
from prismcube.catalogue.engine import Change
from prismcube.catalogue.filters import few_have, has_tags, in_order_of_index, name_fits, within
from prismcube.catalogue.items import (
    BY_TIME,
    ItemFilter,
    Order,
    Place,
    count,
    fields_of,
    footprints,
    has_key,
    keys,
    page,
)
from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.spatial import ALWAYS, aoi_intersects
from prismcube.catalogue.tables import aoi, dataset, record
from prismcube.catalogue.types import canonical
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.collection import Collection
from prismcube.model.entities import AOI, Record
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period, format_instant, utc
from prismcube.model.text import check_text

BY_IDS = select(record).where(record.c.id.in_(bindparam("ids", expanding=True)))
BY_DIGEST = select(record).where(record.c.digest == bindparam("digest"))
IDS_BY_DIGEST = select(record.c.id, record.c.digest).where(record.c.digest.in_(bindparam("digests", expanding=True)))
INSERT = insert(record).returning(record.c.id)
SET_KEY = (
    update(record)
    .where(record.c.id == bindparam("key"))
    .values(name=bindparam("new_name"), tags=bindparam("new_tags"), digest=bindparam("new_digest"))
)
DATASETS_OF = select(dataset.c.id).where(dataset.c.record_id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, kw_only=True)
class RecordFilter:
    """Which records are meant; all that is given must hold."""

    ids: tuple[int, ...] | None = None
    name: Pattern | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    """Patterns by key; an empty one asks for the key only."""
    period: Period = ALWAYS
    """Its limits included."""
    area: BaseGeometry | None = None
    """Longitude, latitude; the record's AOI has a point in common with it."""

    def by_tags_alone(self) -> bool:
        """True when nothing but tags, and perhaps a period, narrows the search."""
        return bool(self.tags) and self.ids is None and self.name is None and self.area is None

    def conditions(self, *, lead: bool) -> list[ColumnElement[bool]]:
        """`lead`: few records have the tags, so it is best to begin with these."""
        found = [within(record.c.time, self.period), has_tags(self.tags, lead=lead)]
        if self.ids is not None:
            found.append(record.c.id.in_(sorted(set(self.ids))))
        if self.name is not None:
            found.append(name_fits(self.name))
        if self.area is not None:
            found.append(record.c.aoi_id.in_(select(aoi.c.id).where(aoi_intersects(self.area))))
        return found


Stored = list[Record]
Items = list[tuple[Record, MultiPolygon]]
"""Records with the union of their datasets' footprints. (Inside the class, `list` is the method.)"""


class Records(Repository[Record]):
    """The repository of records."""

    kind = "record"
    table = record
    select = select(record)
    order = ("time", "id")

    def get(self, id: int) -> Record:
        """Raises NotFound."""
        return self.get_by_id(id)

    def list(self, wanted: RecordFilter | None = None, *, after: Key | None = None, limit: int = 100) -> list[Record]:
        """By (time, id)."""
        with self._session.read() as connection:
            asked = wanted or RecordFilter()
            few = bool(asked.tags) and few_have(connection, asked.tags)
            where = asked.conditions(lead=few)
            with in_order_of_index(connection) if asked.by_tags_alone() and not few else nullcontext():
                return self._page(connection, *where, after=after, limit=limit)

    def find(self, wanted: Record) -> Record | None:
        """The stored record of this name, time and tags; None when there is none."""
        with self._session.read() as connection:
            row = connection.execute(BY_DIGEST, {"digest": record_values(wanted)["digest"]}).one_or_none()
        return None if row is None else self._entity(row)

    def create(self, wanted: Record) -> Record:
        """Raises Conflict, with the id, when this name, time and tags are stored; NotFound for an unknown AOI."""
        return self.create_many([wanted])[0]

    def create_many(self, wanted: Sequence[Record]) -> Sequence[Record]:
        """Store records, all or none; any number of them. Raises as `create` does, and for two that are the same."""
        stored: Stored = []
        with self._session.write() as connection:
            for some in batched(wanted, CHUNK):
                _check_areas(connection, some)
                values = [record_values(one) for one in some]
                digests = [one["digest"] for one in values]
                for row in connection.execute(IDS_BY_DIGEST, {"digests": digests}):
                    twice = some[digests.index(row.digest)]
                    raise Conflict("record", row.id, f"{_told(twice)} is stored already")
                if len(set(digests)) < len(digests):
                    raise InvalidInput("records", "two have the same name, time and tags")
                ids = insert_with_ids(connection, record, values)
                stored += [replace(one, time=utc(one.time), id=id) for one, id in zip(some, ids, strict=True)]
        return stored

    def get_or_create(self, wanted: Record) -> tuple[Record, Change]:
        """The stored record of this name, time and tags; stores it when it is new. A stored record keeps its AOI."""
        values = record_values(wanted)
        with self._session.write() as connection:
            row = connection.execute(BY_DIGEST, {"digest": values["digest"]}).one_or_none()
            if row is not None:
                return self._entity(row), Change.UNCHANGED
            _check_areas(connection, [wanted])
            id = connection.scalar(INSERT, values)
        return replace(wanted, time=utc(wanted.time), tags=MappingProxyType(dict(wanted.tags)), id=id), Change.CREATED

    def update(self, wanted: Record) -> Record:
        """Replace what is stored under its id: name, tags and AOI; the time never changes, datasets carry it.

        Raises NotFound, and Conflict for another time or when another record has this name, time and tags.
        """
        with self._session.write() as connection:
            stored = self._one(connection, wanted.id or 0)
            if utc(wanted.time) != stored.time:
                reason = f"its time is {format_instant(stored.time)} and can't change; make another record"
                raise Conflict("record", wanted.id, reason)
            _check_areas(connection, [wanted])
            self._set_keys(connection, [(stored, wanted)])
            connection.execute(update(record).where(record.c.id == wanted.id).values(aoi_id=wanted.aoi_id))
        return wanted

    def add_tags(self, ids: Iterable[int], tags: Mapping[str, str]) -> int:
        """Give records these tags, in place of those of the same key; how many have changed.

        All or none: raises NotFound, and Conflict when a record would become the same as another.
        """
        return self._retag(ids, lambda old: {**old, **tags})

    def remove_tags(self, ids: Iterable[int], keys: Iterable[str]) -> int:
        """Take the tags of these keys from records; how many have changed. Raises as `add_tags` does."""
        gone = set(keys)
        return self._retag(ids, lambda old: {key: value for key, value in old.items() if key not in gone})

    def _retag(self, ids: Iterable[int], change: Callable[[Mapping[str, str]], dict[str, str]]) -> int:
        wanted = list(dict.fromkeys(ids))
        changed = 0
        with self._session.write() as connection:
            for some in batched(wanted, CHUNK):
                found = {row.id: self._entity(row) for row in connection.execute(BY_IDS, {"ids": some})}
                for id in some:
                    if id not in found:
                        raise NotFound("record", id)
                pairs = [(one, replace(one, tags=change(one.tags))) for one in found.values()]
                pairs = [(old, new) for old, new in pairs if dict(old.tags) != dict(new.tags)]
                self._set_keys(connection, pairs)
                changed += len(pairs)
        return changed

    def _set_keys(self, connection: Connection, pairs: Sequence[tuple[Record, Record]]) -> None:
        """Give stored records a new name and new tags; the collections that they leave or join hear of it."""
        pairs = [(old, new) for old, new in pairs if (old.name, dict(old.tags)) != (new.name, dict(new.tags))]
        if not pairs:
            return
        datasets = [*connection.scalars(DATASETS_OF, {"ids": [old.id for old, _ in pairs]})]
        before = seen(connection, datasets)
        values = {old.id: record_values(new) for old, new in pairs}
        digests = [one["digest"] for one in values.values()]
        for row in connection.execute(IDS_BY_DIGEST, {"digests": digests}):
            if row.id not in values:
                raise Conflict("record", row.id, "has the same name, time and tags")
        if len(set(digests)) < len(digests):
            raise Conflict("record", pairs[0][0].id, "would have the same name, time and tags as another")
        # First out of each other's way: two may exchange their keys.
        aside = [
            {"key": old.id, "new_name": old.name, "new_tags": dict(old.tags), "new_digest": b"%d" % (old.id or 0)}
            for old, _ in pairs
        ]
        connection.execute(SET_KEY, aside)
        connection.execute(
            SET_KEY,
            [
                {"key": id, **{f"new_{name}": one[name] for name in ("name", "tags", "digest")}}
                for id, one in values.items()
            ],
        )
        publish(connection, removed=before, added=seen(connection, datasets))

    def items(
        self,
        collection: Collection,
        wanted: ItemFilter | None = None,
        *,
        order: Order = BY_TIME,
        after: Place | None = None,
        limit: int = 100,
    ) -> Items:
        """Time steps of a collection with the union of their active datasets' footprints.

        `order` must be complete. The next page begins after the place (`place`) of the last item of this one.
        """
        with self._session.read() as connection:
            rows = page(connection, collection, wanted or ItemFilter(), order=order, after=after, limit=limit)
            found = footprints(connection, collection, [row.id for row in rows])
        return [(self._entity(row), found[row.id]) for row in rows]

    def count_items(self, collection: Collection, wanted: ItemFilter | None = None, *, most: int) -> int | None:
        """How many time steps `items` would give; None when more than `most` datasets would have to be looked at."""
        with self._session.read() as connection:
            return count(connection, collection, wanted or ItemFilter(), most=most)

    def item(self, collection: Collection, id: int) -> tuple[Record, MultiPolygon]:
        """One time step of a collection. Raises NotFound when the record is none of it."""
        with self._session.read() as connection:
            row = connection.execute(BY_IDS, {"ids": [id]}).one_or_none()
            found = footprints(connection, collection, [id])
        if row is None or id not in found or not collection.has_record(self._entity(row)):
            raise NotFound("record", id)
        return self._entity(row), found[id]

    def fields_of(self, collection: Collection, id: int) -> tuple[str, ...]:
        """Names of the stored fields that a time step has, in the collection's order."""
        with self._session.read() as connection:
            return fields_of(connection, collection, id)

    def has_key(self, collection: Collection, key: str) -> bool:
        """True when a time step of the collection has a tag of this key."""
        with self._session.read() as connection:
            return has_key(connection, collection, key)

    def keys(self, collection: Collection) -> tuple[str, ...]:
        """Keys of the tags of the collection's first and last time steps, sorted; see `items.SAMPLE`."""
        with self._session.read() as connection:
            return keys(connection, collection)

    @staticmethod
    def _entity(row: Any) -> Record:
        return record_of(row)


def record_of(row: Any) -> Record:
    return Record(name=row.name, time=row.time, tags=MappingProxyType(row.tags), aoi_id=row.aoi_id, id=row.id)


def record_values(wanted: Record) -> dict[str, Any]:
    """The row of a record; its digest is what makes it unique. Raises InvalidInput for text that can't be stored."""
    check_text("record.name", wanted.name)
    for key, value in wanted.tags.items():
        check_text("record.tags", key)
        check_text("record.tags", value)
    time, tags = utc(wanted.time), dict(wanted.tags)
    key = canonical([wanted.name, format_instant(time), tags])
    digest = hashlib.sha256(key.encode()).digest()
    return {"name": wanted.name, "time": time, "tags": tags, "digest": digest, "aoi_id": wanted.aoi_id}


def ids_of(connection: Connection, wanted: Sequence[Record], areas: Sequence[AOI]) -> list[int]:
    """Ids of records; those that are new are stored, each with its area."""
    values = [record_values(one) for one in wanted]
    digests = [one["digest"] for one in values]
    ids: dict[bytes, int] = {}
    for some in batched(dict.fromkeys(digests), CHUNK):
        ids.update((row.digest, row.id) for row in connection.execute(IDS_BY_DIGEST, {"digests": some}))
    new: dict[bytes, int] = {}
    for position, digest in enumerate(digests):
        if digest not in ids:
            new.setdefault(digest, position)
    if new:
        of_new = ids_of_areas(connection, [areas[position] for position in new.values()])
        rows = [{**values[at], "aoi_id": area} for at, area in zip(new.values(), of_new, strict=True)]
        ids.update(zip(new, insert_with_ids(connection, record, rows), strict=True))
    return [ids[digest] for digest in digests]


def _check_areas(connection: Connection, records: Sequence[Record]) -> None:
    wanted = sorted({one.aoi_id for one in records if one.aoi_id is not None})
    present = {*connection.scalars(select(aoi.c.id).where(aoi.c.id.in_(wanted)))} if wanted else set()
    for id in wanted:
        if id not in present:
            raise NotFound("aoi", id)


def _told(one: Record) -> str:
    tags = f" with tags {canonical(dict(one.tags))[:200]}" if one.tags else ""
    return f"{one.name[:200]!r} of {format_instant(one.time)}{tags}"
