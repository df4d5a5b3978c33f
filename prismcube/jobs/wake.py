"""Noticing at once that the ledger has changed: LISTEN on PostgreSQL, the version of the file on SQLite."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any, Self

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from prismcube.catalogue.dialects import POSTGRESQL
from prismcube.jobs.moves import CHANNEL

LOG = logging.getLogger("prismcube.jobs")

LOOK_SECONDS = 0.1
"""Between two looks at the version of SQLite's file: some microseconds each."""

AGAIN_SECONDS = 1.0
"""Before a connection that broke is tried again."""


class Wake:
    """An event that is set whenever the ledger may have changed; also by hand, from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._event = threading.Event()
        self._closed = threading.Event()
        watch = self._listen if engine.dialect.name == POSTGRESQL else self._look
        self._thread = threading.Thread(target=self._keep, args=[watch], daemon=True, name="ledger-watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join(5)

    def set(self) -> None:
        """Wake who waits."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait for a change, at most so long; False when none came."""
        came = self._event.wait(seconds)
        self._event.clear()
        return came

    def _keep(self, watch: Any) -> None:
        while not self._closed.is_set():
            try:
                watch()
            except (psycopg.Error, SQLAlchemyError) as error:  # the database is away: the orchestrator notices too
                LOG.info("the ledger can't be watched at the moment: %s", error)
                self._closed.wait(AGAIN_SECONDS)
            self._event.set()  # something may have happened meanwhile

    def _listen(self) -> None:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._event.set()
            while not self._closed.is_set():
                for _ in connection.notifies(timeout=AGAIN_SECONDS, stop_after=1):
                    self._event.set()

    def _look(self) -> None:
        with self._engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            last = None
            while not self._closed.wait(LOOK_SECONDS):
                version = raw.execute("PRAGMA data_version").fetchone()[0]
                if version != last:
                    last = version
                    self._event.set()
