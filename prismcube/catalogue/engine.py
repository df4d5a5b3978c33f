"""Connections: engines, sessions and what a connection is told when it opens.

Each process makes its own engine, after it was forked. Threads share one: every read and every write takes its own
connection from the pool. Readers see one snapshot and never wait. Writers take turns on both databases
(docs/adr/0004): on SQLite, in WAL mode, they queue for the file's lock from their first statement on
(`BEGIN IMMEDIATE`), since one that begins as a reader can't become a writer without the risk of failing; on PostgreSQL
they take an advisory lock, so that what a writer has checked stays true until it commits, and the ids of the outbox
rise in the order of the commits.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, OperationalError, ProgrammingError

from prismcube.catalogue.dialects import POSTGRESQL, SQLITE
from prismcube.catalogue.spatial import register_functions
from prismcube.errors import LARGEST, CatalogueUnavailable, ConfigurationError, InvalidInput

BUSY_SECONDS = 60
"""How long a writer waits for another one; a batch of the indexer holds the lock for about a tenth of a second."""


IDLE_SECONDS = 60
"""How long PostgreSQL lets a transaction rest: one whose process stands still must not hold others up for ever."""

CACHE_BYTES = 32 * 2**20
"""Of a connection to SQLite, at most; with its default of 2 MB the indexes of 10^5 records are read over and over."""

_WRITES = "prismcube_writes"
_WRITERS_TURN = text(  # the key is any number that no other program is likely to use
    "SELECT set_config('lock_timeout', :wait, true), pg_advisory_xact_lock(:key)"
).bindparams(wait=f"{BUSY_SECONDS}s", key=0x7072_6973_6D)
_NO_SUCH_TABLE = ("42P01", "42703")  # SQLSTATE of an undefined table or column: not migrated


class Change(StrEnum):
    """What storing an entity did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Session(Protocol):
    """Where repositories get their connections from."""

    def read(self) -> AbstractContextManager[Connection]:
        """A connection on a consistent snapshot."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """A connection in a transaction that commits when the block ends without an error."""
        ...


class PooledSession:
    """A transaction of its own for every call."""

    def __init__(self, engine: Engine, *, turns: bool = True) -> None:
        """Without `turns`, writers on PostgreSQL wait for each other's rows only: the ledger's do."""
        self._engine = engine
        self._turns = turns

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _translated(), self._engine.connect() as connection:
            if connection.dialect.name == POSTGRESQL:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with (
            _translated(),
            self._engine.connect().execution_options(**{_WRITES: True}) as connection,
            connection.begin(),
        ):
            if connection.dialect.name == POSTGRESQL and self._turns:
                connection.execute(_WRITERS_TURN)
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    """A database that can't be used becomes an error of ours; violated constraints and the like stay SQLAlchemy's."""
    try:
        yield
    except DataError as error:  # what no check before has caught
        raise InvalidInput("value", f"the database can't keep it ({str(error.orig).partition(chr(10))[0]})") from error
    except DatabaseError as error:
        not_migrated = isinstance(error, ProgrammingError) and getattr(error.orig, "sqlstate", "") in _NO_SUCH_TABLE
        if type(error) not in (DatabaseError, OperationalError) and not not_migrated:
            raise
        raise CatalogueUnavailable(str(error.orig)) from error
    except sqlalchemy.exc.TimeoutError as error:  # no connection of the pool became free
        raise CatalogueUnavailable("too many requests wait for a connection") from error


class BoundSession:
    """All calls within one transaction that somebody else began."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        yield self._connection


def create_engine(url: str, *, idle_seconds: float = IDLE_SECONDS) -> Engine:
    """An engine for a catalogue URL: `sqlite:////var/lib/prismcube/catalogue.db`, `postgresql://user@host/name`.

    On PostgreSQL a transaction ends in which nothing has happened for `idle_seconds`.

    Opens nothing yet. Raises ConfigurationError for a URL that can't hold a catalogue.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == SQLITE:
        engine = sqlalchemy.create_engine(
            parsed,
            pool_size=8,
            max_overflow=56,  # connections are cheap; a thread of the server must never wait for one
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        return engine
    return sqlalchemy.create_engine(
        parsed,
        pool_size=4,
        max_overflow=12,  # a server takes 100 in all unless told otherwise
        pool_pre_ping=True,  # a restarted server costs nobody a request
        json_deserializer=partial(json.loads, parse_int=_number),
        connect_args={
            "connect_timeout": 10,
            "application_name": "prismcube",
            # A plan made for any area fits none; and poolers between us and the server lose prepared statements.
            "prepare_threshold": None,
            # Compiling a query of some milliseconds takes longer than running it.
            "options": f"-c timezone=UTC -c jit=off -c idle_in_transaction_session_timeout={idle_seconds:.0f}s",
        },
    )


def _number(digits: str) -> int | float:
    """A number that jsonb wrote without a point: it writes out 1e23, which is a double, as all of its digits."""
    number = int(digits)
    return number if abs(number) <= LARGEST else float(digits)


def parse_url(url: str) -> URL:
    """Raises ConfigurationError for a URL that can't hold a catalogue."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _wrong_url("is not a database URL") from error
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise _wrong_url(f"{parsed.drivername!r} is not supported; use sqlite:///file or postgresql://host/name")
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        # In memory, every connection would see a database of its own.
        raise _wrong_url("must name a file, as sqlite:////path/to/catalogue.db")
    return parsed


def _wrong_url(reason: str) -> ConfigurationError:
    return ConfigurationError("catalogue", [("url", reason)])  # the URL itself may hold a password


def database_file(url: str) -> Path | None:
    """The file behind a catalogue URL; None when a server holds it."""
    parsed = parse_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == SQLITE else None


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions itself, see _on_begin
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA cache_size = {-CACHE_BYTES // 1024}")
        _use_wal(cursor)
        # In WAL mode a power cut may then lose the last commits, never the file.
        cursor.execute("PRAGMA synchronous = NORMAL")
    finally:
        cursor.close()
    register_functions(connection)


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch the file to WAL mode. The switch ignores busy_timeout, so processes that start at once would fail."""
    deadline = time.monotonic() + BUSY_SECONDS
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _on_begin(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES) else "BEGIN")
