"""Rows of the ledger as far as they can be read: one that was edited by hand, or is damaged, hurts nobody but its job.

    read ── all rows at once, as ever
         └─ one can't be read: by halves until it is found, then column by column

What can't be read has a stand-in in such a row, and its reason in `unreadable`. SQLite keeps anything in any column; on
PostgreSQL it is JSON of another shape, a word that means nothing here, or an instant that Python has no number for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType, SimpleNamespace
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Integer,
    Select,
    Table,
    select,
)
from sqlalchemy.exc import DataError, OperationalError

from prismcube.catalogue.job_tables import job, job_document, job_log, task
from prismcube.catalogue.types import Json, UTCDateTime
from prismcube.errors import UnreadableRow
from prismcube.model.machine import Level, Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = 80
"""Characters of a value that are told."""

_NO_TEXT = "Could not decode to UTF-8"
"""How Python's SQLite tells of it: as an error of the database, which it is not."""


@contextmanager
def reading(table: str, key: object = "") -> Iterator[None]:
    """To be put around the fetching of rows alone. Raises UnreadableRow for a value that can't be decoded."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:  # of a column's type: SQLAlchemy's own are none of these
        raise UnreadableRow(table, key, str(error)[:LONGEST]) from error
    except DataError as error:
        raise UnreadableRow(table, key, str(error.orig)[:LONGEST]) from error
    except OperationalError as error:
        if _NO_TEXT not in str(error.orig):
            raise
        raise UnreadableRow(table, key, "is no UTF-8") from error


class Readable:
    """A table whose rows are read one by one when they can't be read at once."""

    def __init__(self, table: Table, *, words: Mapping[str, type[StrEnum]], stand_ins: Mapping[str, Any]) -> None:
        """`words`: columns whose text is one of some; `stand_ins`: those that are not the plainest of their type."""
        self._table = table
        (self._key,) = table.primary_key.columns
        self._kinds = [_kind(column) for column in table.c]
        self._words = {name: (attrgetter(name), frozenset(one.value for one in of)) for name, of in words.items()}
        self._stand_ins = stand_ins

    def read(self, connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None) -> list[Any]:
        """The rows of a query for all columns of the table, in their order, each as `checked` gives it back."""
        result = connection.execute(query, values or {})
        try:
            with reading(self._table.name):
                return [self.checked(row) for row in result.all()]
        except UnreadableRow:
            result.close()
            keys = connection.scalars(query.with_only_columns(self._key), values or {}).all()
            found = self._by_keys(connection, keys)
            return [found[key] for key in keys]

    def checked(self, row: Any) -> Any:
        """The row itself; one with stand-ins, and reasons in `unreadable`, for one that has a value of another kind."""
        if all(map(isinstance, row, self._kinds)) and all(get(row) in words for get, words in self._words.values()):
            return row
        return self._with_stand_ins({column.name: getattr(row, column.name) for column in self._table.c}, {})

    def _by_keys(self, connection: Connection, keys: Sequence[Any]) -> dict[Any, Any]:
        try:
            result = connection.execute(select(self._table).where(self._key.in_(keys)))
            with reading(self._table.name):
                return {getattr(row, self._key.name): self.checked(row) for row in result.all()}
        except UnreadableRow:
            half = len(keys) // 2
            if half:
                return self._by_keys(connection, keys[:half]) | self._by_keys(connection, keys[half:])
            return {keys[0]: self._by_columns(connection, keys[0])}

    def _by_columns(self, connection: Connection, key: Any) -> Any:
        found: dict[str, Any] = {}
        reasons: dict[str, str] = {}
        for column in self._table.c:
            result = connection.execute(select(column).where(self._key == key))
            try:
                with reading(self._table.name, key):
                    found[column.name] = result.scalar_one()
            except UnreadableRow as error:
                found[column.name], reasons[column.name] = None, error.reason
        return self._with_stand_ins(found, reasons)

    def _with_stand_ins(self, found: dict[str, Any], reasons: Mapping[str, str]) -> Any:
        why: dict[str, str] = {}
        for column, kind in zip(self._table.c, self._kinds, strict=True):
            name = column.name
            if reason := reasons.get(name) or self._reason(name, found[name], kind):
                why[name] = reason
                found[name] = self._stand_ins.get(name, None if column.nullable else _plainest(kind))
        return SimpleNamespace(**found, unreadable=MappingProxyType(why))

    def _reason(self, name: str, value: Any, kind: tuple[type, ...]) -> str:
        """Why a value can't be used; empty for one that can."""
        if not isinstance(value, kind):
            return f"{_told(value)} is no {kind[0].__name__}"
        words = self._words.get(name)
        if words is not None and value not in words[1]:
            return f"{_told(value)} is none of {', '.join(sorted(words[1]))}"
        return ""


def unreadable(row: Any) -> Mapping[str, str]:
    """The columns of a checked row that can't be read, and why."""
    return getattr(row, "unreadable", None) or {}


def state_of(value: object) -> TaskState:
    """Of a task; one that can't be read counts as failed, so that a retry makes it anew."""
    return TaskState(value) if isinstance(value, str) and value in _STATES else TaskState.FAILED


def object_of(table: str, key: object, value: Any) -> Mapping[str, Any]:
    """What has to be one. Raises UnreadableRow."""
    if not isinstance(value, dict):
        raise UnreadableRow(table, key, "is no JSON object")
    return value


def told(table: str, reasons: Mapping[str, str]) -> str:
    """What people are told of them."""
    return "can't be read: " + ", ".join(f"{table}.{name} ({reason})" for name, reason in reasons.items())


def _told(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _kind(column: Column[Any]) -> tuple[type, ...]:
    """Of its values: the first is the one that is told."""
    kinds: list[tuple[type, type[Any]]] = [
        (datetime, UTCDateTime),
        (dict, Json),
        (bool, Boolean),
        (float, Double),
        (int, Integer),
    ]
    found = next((kind for kind, of in kinds if isinstance(column.type, of)), str)
    more = (int,) if found is float else ()
    return (found, *more, *((type(None),) if column.nullable else ()))


def _plainest(kind: tuple[type, ...]) -> Any:
    return EPOCH if kind[0] is datetime else kind[0]()


_STATES = frozenset(state.value for state in TaskState)

JOBS = Readable(
    job,
    words={"level": Level, "status": Status},
    stand_ins={"level": Level.ALL.value, "status": Status.FAILED.value},  # rather wait for a person than not
)
DOCUMENTS = Readable(job_document, words={}, stand_ins={})
TASKS = Readable(task, words={"state": TaskState}, stand_ins={"state": TaskState.FAILED.value})
LINES = Readable(job_log, words={"level": LogLevel}, stand_ins={"level": LogLevel.ERROR.value})
