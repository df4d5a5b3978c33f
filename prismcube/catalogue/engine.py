"""Connections: engines, sessions and what a connection is told when it opens.

Each process makes its own engine, after it was forked. Threads share one: every read and every write takes its own
connection from the pool. SQLite runs in WAL mode, so readers never wait; writers queue for the lock from their first
statement on (`BEGIN IMMEDIATE`), since one that begins as a reader can't become a writer without the risk of failing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from prismcube.catalogue.spatial import register_functions
from prismcube.errors import CatalogueUnavailable, ConfigurationError

BUSY_SECONDS = 60
"""How long a writer waits for another one; a batch of the indexer holds the lock for about a tenth of a second."""

_WRITES = "prismcube_writes"


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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with (
            _translated(),
            self._engine.connect().execution_options(**{_WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    """A database that can't be used becomes an error of ours; violated constraints and the like stay SQLAlchemy's."""
    try:
        yield
    except DatabaseError as error:
        if type(error) not in (DatabaseError, OperationalError):
            raise
        raise CatalogueUnavailable(str(error.orig)) from error


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


def create_engine(url: str) -> Engine:
    """An engine for a catalogue URL such as `sqlite:////var/lib/prismcube/catalogue.db`.

    Opens nothing yet. Raises ConfigurationError for a URL that can't hold a catalogue.
    """
    engine = sqlalchemy.create_engine(
        parse_url(url),
        pool_size=8,
        max_overflow=56,  # connections are cheap; a thread of the server must never wait for one
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def parse_url(url: str) -> URL:
    """Raises ConfigurationError for a URL that can't hold a catalogue."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("catalogue", [("url", f"{url!r} is not a database URL")]) from error
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigurationError("catalogue", [("url", f"{parsed.drivername!r} is not supported; use sqlite:///file")])
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        # In memory, every connection would see a database of its own.
        raise ConfigurationError("catalogue", [("url", "must name a file, as sqlite:////path/to/catalogue.db")])
    return parsed


def database_file(url: str) -> Path:
    """The file behind a catalogue URL."""
    return Path(parse_url(url).database or "")


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions itself, see _on_begin
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
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
