"""The time steps of a collection: its records with what their datasets cover, by any order, page by page.

page      -> which records, in which order, from where on; one query
          -> footprints     of the records of the page
count     -> how many there are, where that is cheap to know
has_key, keys               which tags the records have
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import batched
from typing import Any

import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, literal_column, or_, select, true, tuple_
from sqlalchemy import Select as Statement

from prismcube.catalogue.bulk import CHUNK
from prismcube.catalogue.filters import INDEXED, few_have, has_tags, in_order_of_index, name_fits, visible, within
from prismcube.catalogue.spatial import ALWAYS, has_many, of_instances, row_intersects
from prismcube.catalogue.tables import dataset, record
from prismcube.model.collection import Collection
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period

SAMPLE = 500
"""Records at each end of a collection's time that are looked at for their keys."""


class SortKey(StrEnum):
    """What items are sorted by; each has an index."""

    DATETIME = "datetime"
    NAME = "name"
    ID = "id"


@dataclass(frozen=True)
class Sort:
    """One key of an order."""

    key: SortKey
    descending: bool = False


Order = tuple[Sort, ...]
BY_TIME: Order = (Sort(SortKey.DATETIME), Sort(SortKey.ID))

Place = tuple[Any, ...]
"""The values of an order's keys at which a page begins or ends."""


@dataclass(frozen=True, kw_only=True)
class ItemFilter:
    """Which time steps are meant; all that is given must hold."""

    period: Period = ALWAYS
    """Its limits included."""
    area: BaseGeometry | None = None
    """Longitude, latitude; a dataset's footprint has a point in common with it."""
    name: Pattern | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    """Patterns by key."""


def complete(order: Order) -> Order:
    """The order with the id at its end, which makes places unique; it runs as the key before it does."""
    keys = [one.key for one in order]
    if SortKey.ID in keys:
        return order[: keys.index(SortKey.ID) + 1]
    return (*order, Sort(SortKey.ID, order[-1].descending if order else False))


def turned(order: Order) -> Order:
    """The order from its end to its begin."""
    return tuple(Sort(one.key, not one.descending) for one in order)


def page(
    connection: Connection, collection: Collection, wanted: ItemFilter, *, order: Order, after: Place | None, limit: int
) -> list[Any]:
    """Rows of records in a complete order, from the place `after` on."""
    instances = instances_of(collection)
    few = bool(wanted.tags) and few_have(connection, wanted.tags)
    near = wanted.area is not None and not has_many(connection, wanted.area, instances, wanted.period)
    statement = select(record).where(
        within(record.c.time, wanted.period),
        has_tags(collection.record_tags),
        has_tags(wanted.tags, lead=few),
        true() if wanted.name is None else name_fits(wanted.name),
        _has_dataset(instances, wanted.period, wanted.area, near=near),
    )
    terms = [term for one in order for term in _terms(one)]
    if after is not None:
        statement = statement.where(_beyond(terms, _values(order, after)))
    statement = statement.order_by(*(one.desc() if descending else one.asc() for one, descending in terms))
    # Where nothing leaves few records, all would be sorted for one page, or found by their tag first.
    unlike_time = wanted.period == ALWAYS and order[0].key is not SortKey.DATETIME
    many = not few and not near and wanted.name is None and (bool(wanted.tags) or unlike_time)
    with in_order_of_index(connection) if many else nullcontext():
        return [*connection.execute(statement.limit(limit))]


def count(connection: Connection, collection: Collection, wanted: ItemFilter, *, most: int) -> int | None:
    """How many time steps are meant; None when more than `most` datasets would have to be looked at.

    Datasets are counted in their index first (10^4: 1 ms), so that a large archive costs no more than that; looking at
    as many takes 10 ms. Those of an area have no such index, and counting them takes longer than the page: None.
    """
    if wanted.area is not None:
        return None
    instances = instances_of(collection)
    theirs = and_(of_instances(instances, led_by_place=False), within(dataset.c.time, wanted.period))
    some: Statement[Any] = select(literal_column("1")).select_from(dataset).where(theirs).limit(most + 1)
    if (connection.scalar(select(func.count()).select_from(some.subquery())) or 0) > most:
        return None
    meant = select(func.count(dataset.c.record_id.distinct())).where(visible(instances, {}, period=wanted.period))
    if collection.record_tags or wanted.tags or wanted.name is not None:
        meant = meant.join(record, record.c.id == dataset.c.record_id).where(
            has_tags(collection.record_tags),
            has_tags(wanted.tags),
            true() if wanted.name is None else name_fits(wanted.name),
        )
    return connection.scalar(meant) or 0


def _terms(one: Sort) -> list[tuple[ColumnElement[Any], bool]]:
    """What SQL sorts by for a key, each with True when it falls."""
    match one.key:
        case SortKey.DATETIME:
            return [(record.c.time, one.descending)]
        case SortKey.ID:
            return [(record.c.id, one.descending)]
        case SortKey.NAME:  # names may be longer than their index can hold
            return [(_begin_of_name(), one.descending), (record.c.name, one.descending)]


def _values(order: Order, place: Place) -> list[Any]:
    values: list[Any] = []
    for one, value in zip(order, place, strict=True):
        values += [value[:INDEXED], value] if one.key is SortKey.NAME else [value]
    return values


def _begin_of_name() -> ColumnElement[str]:
    return func.substr(record.c.name, literal_column("1"), literal_column(str(INDEXED)), type_=record.c.name.type)


def _beyond(terms: list[tuple[ColumnElement[Any], bool]], values: list[Any]) -> ColumnElement[bool]:
    """True for rows that come after these values."""
    bound = [bindparam(None, value, type_=one.type) for (one, _), value in zip(terms, values, strict=True)]
    columns = [one for one, _ in terms]
    first, falls = terms[0]
    lead = first <= bound[0] if falls else first >= bound[0]  # what an index can begin with
    if len({descending for _, descending in terms}) == 1:
        row, place = tuple_(*columns), tuple_(*bound)
        return and_(lead, row < place if falls else row > place)
    steps = [
        and_(
            *(columns[before] == bound[before] for before in range(at)),
            columns[at] < bound[at] if descending else columns[at] > bound[at],
        )
        for at, (_, descending) in enumerate(terms)
    ]
    return and_(lead, or_(*steps))


def _has_dataset(instances: set[int], period: Period, area: BaseGeometry | None, *, near: bool) -> ColumnElement[bool]:
    """SQL that is true for records with an active dataset of the instances that touches the area."""
    if near:
        # Few datasets touch the area: find them first, instead of asking every record.
        return record.c.id.in_(select(dataset.c.record_id).where(visible(instances, {}, period=period, area=area)))
    touches = true() if area is None else row_intersects(area)
    theirs = select(dataset.c.id).where(dataset.c.record_id == record.c.id, visible(instances, {}), touches)
    # The offset keeps PostgreSQL from finding all datasets of the area first, for every page (60 ms in place of 20).
    return theirs.correlate(record).offset(None if area is None else 0).exists()


def footprints(connection: Connection, collection: Collection, ids: Iterable[int]) -> dict[int, MultiPolygon]:
    """The union of the footprints of each record's active datasets in the collection."""
    parts: dict[int, dict[bytes, BaseGeometry]] = {}
    seen = visible(instances_of(collection), {})
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


def fields_of(connection: Connection, collection: Collection, id: int) -> tuple[str, ...]:
    """Names of the stored fields of which a record has an active dataset, in the collection's order."""
    theirs = select(dataset.c.instance_id).where(dataset.c.record_id == id, visible(instances_of(collection), {}))
    there = {*connection.scalars(theirs.distinct())}
    return tuple(one.name for one in collection.stored_fields if one.instance_id in there)


def has_key(connection: Connection, collection: Collection, key: str) -> bool:
    """True when a time step of the collection has a tag of this key."""
    few = few_have(connection, {key: ""})
    there = _of(collection, select(literal_column("1"))).where(has_tags({key: ""}, lead=few)).limit(1)
    return connection.scalar(there) is not None


def keys(connection: Connection, collection: Collection) -> tuple[str, ...]:
    """Keys of the tags of the collection's first and last time steps, sorted."""
    found: set[str] = set(collection.record_tags)
    by_time = (record.c.time, record.c.id)
    for order in (by_time, tuple(one.desc() for one in by_time)):
        some = _of(collection, select(record.c.tags)).order_by(*order).limit(SAMPLE)
        for tags in connection.scalars(some):
            found.update(tags)
    return tuple(sorted(found))


def _of(collection: Collection, some: Statement[Any]) -> Statement[Any]:
    """Those that are time steps of the collection."""
    theirs = _has_dataset(instances_of(collection), ALWAYS, None, near=False)
    return some.select_from(record).where(has_tags(collection.record_tags), theirs)


def instances_of(collection: Collection) -> set[int]:
    return {one.instance_id for one in collection.stored_fields}
