"""Conditions that several queries share: which datasets and records are meant."""

from __future__ import annotations

from collections.abc import Collection as Sized
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, literal_column, select, true
from sqlalchemy import Text as TextType
from sqlalchemy.sql.expression import ColumnClause, TableClause

from prismcube.catalogue.dialects import POSTGRESQL, SQLITE, Condition
from prismcube.catalogue.spatial import ALWAYS, footprint_intersects, of_instances
from prismcube.catalogue.tables import dataset, record
from prismcube.catalogue.types import Json
from prismcube.model.entities import DatasetStatus
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period

MANY = 5000
"""Records with a tag beyond which a page is found sooner by going through the records in their order."""

INDEXED = 100
"""Characters of a record's name that its index holds."""


_ONE: ColumnElement[int] = literal_column("1")
_TAG = TableClause("record_tag", *(ColumnClause(name, TextType()) for name in ("key", "value", "record_id")))


class _Fits(Condition):
    """Operands: the text, the pattern of GLOB, the one of LIKE."""

    sqlite = "{0} GLOB {1}"
    postgresql = "{0} LIKE {2}"


class _FitsIgnoringCase(Condition):
    sqlite = "{0} LIKE {2} ESCAPE '\\'"  # of A to Z, SQLite's LIKE always ignores the case
    postgresql = 'lower({0} COLLATE "C") LIKE {2}'


class _HasTag(Condition):
    """Operands: the record's id, its tags, the key, the value, both as an object."""

    sqlite = "EXISTS (SELECT 1 FROM record_tag WHERE key = {2} AND value = {3} AND record_id = {0})"
    postgresql = "{1} @> {4}"


class _IsAmongTagged(_HasTag):
    """The same; SQLite begins with the tag, not with the record."""

    sqlite = "{0} IN (SELECT record_id FROM record_tag WHERE key = {2} AND value = {3})"


class _HasKey(Condition):
    """Operands: the record's id, its tags, the key."""

    sqlite = "EXISTS (SELECT 1 FROM record_tag WHERE key = {2} AND record_id = {0})"
    postgresql = "{1} ? {2}"


class _IsAmongKeyed(_HasKey):
    sqlite = "{0} IN (SELECT record_id FROM record_tag WHERE key = {2})"


class _TagFits(Condition):
    """Operands: the record's id, its tags, the key, the pattern of GLOB, the one of LIKE."""

    sqlite = "EXISTS (SELECT 1 FROM record_tag WHERE key = {2} AND record_id = {0} AND value GLOB {3})"
    postgresql = "{1} ? {2} AND ({1} ->> {2}) LIKE {4}"


class _TagFitsIgnoringCase(_TagFits):
    sqlite = "EXISTS (SELECT 1 FROM record_tag WHERE key = {2} AND record_id = {0} AND value LIKE {4} ESCAPE '\\')"
    postgresql = '{1} ? {2} AND lower(({1} ->> {2}) COLLATE "C") LIKE {4}'


def visible(
    instances: Sized[int],
    tags: Mapping[str, str],
    *,
    period: Period = ALWAYS,
    area: BaseGeometry | None = None,
) -> ColumnElement[bool]:
    """True for active datasets of these instances, of records with these tags, in the period, touching the area."""
    return and_(
        of_instances(instances, led_by_place=area is not None),
        dataset.c.status == DatasetStatus.ACTIVE.value,
        within(dataset.c.time, period),
        true() if not tags else exists().where(record.c.id == dataset.c.record_id, has_tags(tags)),
        true() if area is None else footprint_intersects(area, period),
    )


def within(time: ColumnElement[datetime], period: Period) -> ColumnElement[bool]:
    """True for times in the period, its limits included."""
    return and_(
        true() if period.start is None else time >= period.start,
        true() if period.end is None else time <= period.end,
    )


def fits(text: ColumnElement[str], pattern: Pattern) -> ColumnElement[bool]:
    """True for text that matches the pattern."""
    if pattern.exact is not None:
        return text == pattern.exact
    kind = _FitsIgnoringCase if pattern.ignores_case else _Fits
    return kind(text, _text(pattern.glob), _text(pattern.like))


def name_fits(pattern: Pattern) -> ColumnElement[bool]:
    """True for records whose name matches; by the index as far as the pattern begins with plain text."""
    indexed = func.substr(record.c.name, literal_column("1"), literal_column(str(INDEXED)), type_=record.c.name.type)
    if pattern.exact is not None:
        return and_(indexed == pattern.exact[:INDEXED], record.c.name == pattern.exact)
    prefix = pattern.prefix[:INDEXED]
    after = _after(prefix)
    return and_(
        true() if not prefix else indexed >= prefix,
        true() if not after else indexed < after,
        fits(record.c.name, pattern),
    )


def has_tags(tags: Mapping[str, str], *, lead: bool = False) -> ColumnElement[bool]:
    """True for records that have all these keys, each with a value that matches its pattern; empty: any value.

    `lead`: SQLite begins with the tags, which is right when few records have them.
    """
    return and_(true(), *(_has_tag(key, value, lead=lead) for key, value in sorted(tags.items())))


def _has_tag(key: str, value: str, *, lead: bool) -> ColumnElement[bool]:
    of_record = (record.c.id, record.c.tags, _text(key))
    if not value:
        return (_IsAmongKeyed if lead else _HasKey)(*of_record)
    pattern = Pattern(value)
    if pattern.exact is not None:
        wanted = bindparam(None, {key: pattern.exact}, type_=Json())
        return (_IsAmongTagged if lead else _HasTag)(*of_record, _text(pattern.exact), wanted)
    kind = _TagFitsIgnoringCase if pattern.ignores_case else _TagFits
    return kind(*of_record, _text(pattern.glob), _text(pattern.like))


def few_have(connection: Connection, tags: Mapping[str, str]) -> bool:
    """True when no more than `MANY` records have these tags."""
    some = (
        _tagged(tags) if connection.dialect.name == SQLITE else select(_ONE).select_from(record).where(has_tags(tags))
    )
    return (connection.scalar(select(func.count()).select_from(some.limit(MANY + 1).subquery())) or 0) <= MANY


def _tagged(tags: Mapping[str, str]) -> Select[Any]:
    """A row for each record with these tags, on SQLite: from the tags on, so that a limit ends the search."""
    (key, value), *others = sorted(tags.items())
    some = select(_ONE).select_from(_TAG).where(_TAG.c.key == key)
    if value:
        some = some.where(fits(_TAG.c.value, Pattern(value)))
    return some.join(record, record.c.id == _TAG.c.record_id).where(has_tags(dict(others))) if others else some


@contextmanager
def in_order_of_index(connection: Connection) -> Iterator[None]:
    """Keep PostgreSQL, within the block, from sorting what an index has in order.

    It does not know how many records have a tag, and would sort all of them for one page.
    """
    names = ("enable_sort", "enable_seqscan", "enable_bitmapscan") if connection.dialect.name == POSTGRESQL else ()
    for name in names:
        connection.exec_driver_sql(f"SET LOCAL {name} = off")
    yield
    for name in names:
        connection.exec_driver_sql(f"SET LOCAL {name} TO DEFAULT")


def _text(value: str) -> ColumnElement[Any]:
    return bindparam(None, value, type_=TextType())


def _after(prefix: str) -> str:
    """The least text that comes after all that begin with the prefix; empty when there is none."""
    while prefix:
        following = ord(prefix[-1]) + 1
        if following == 0xD800:  # the halves of surrogate pairs are no characters
            following = 0xE000
        if following <= 0x10FFFF:
            return prefix[:-1] + chr(following)
        prefix = prefix[:-1]
    return ""
