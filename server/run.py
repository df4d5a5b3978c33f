"""gunicorn with uvicorn workers, started from Python.

The master opens no database, starts no thread and does not touch GDAL: each worker has its own after the fork. What
only takes long to import it loads once for all of them (`preload`).
"""

from __future__ import annotations

import fcntl
import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from config.settings import Settings
from config.tree import EngineKind
from prismcube.jobs.parent import when_parent_ends
from server import kernels, logs
from server.files import allow_files
from server.heap import bound_heap
from server.jobs.arbiter import JobsArbiter
from server.worker import Log, Protocol

LOG = logging.getLogger("prismcube.server")

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""By this environment variable prometheus-client is told where the workers keep their figures."""
MEMORY = "/dev/shm"  # noqa: S108  # folders in it have names that nobody can guess, and modes of their own
"""Linux keeps what lies there in memory."""

FIGURES = "prismcube-metrics-"
"""Begins the names of such folders."""

PRELOADED = (
    "a2wsgi",
    "alembic.runtime.migration",
    "flask",
    "geoalchemy2",
    "numba",
    "providers.catalogue.documents",
    "psycopg",
    "pygeofilter.parsers.cql2_text",
    "pygeoapi.config",
    "server.opening",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "starlette.applications",
)
"""Modules that half of a worker's start went into: they only define things, and bring neither GDAL nor obstore."""

OTHER_FILES = 1_000
"""Files that a worker may have open beside its connections: images, temporary ones, the database."""

GRACEFUL_SECONDS = 10
"""How long a worker may finish its answers after a TERM."""


class Role(StrEnum):
    """What a server is."""

    SERVER = "server"  # a catalogue and all that is made of it
    DOWNLOADER = "downloader"  # cubes of plans, without a catalogue


def preload(role: Role = Role.SERVER) -> None:
    """Have the modules that all workers need, before the first fork."""
    for name in PRELOADED if role is Role.SERVER else ():
        importlib.import_module(name)


def preload_kernels(settings: Settings) -> None:
    """Have the kernels that all workers need, before the fork; best while another process works."""
    kernels.use(kernels.place_of(settings))
    if settings.engine.kind is EngineKind.AUTO:
        kernels.load_if_complete(kernels.place_of(settings))


class Application(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """The server of some settings; `run()` serves until a signal."""

    def __init__(
        self, settings: Settings, *, role: Role = Role.SERVER, when_ready: Callable[[], None] | None = None
    ) -> None:
        self._settings = settings
        self._role = role
        self._when_ready = when_ready
        super().__init__()

    def load_config(self) -> None:
        serve = self._settings.serve
        options: dict[str, Any] = {
            "bind": f"[{serve.host}]:{serve.port}" if ":" in serve.host else f"{serve.host}:{serve.port}",
            "workers": serve.workers,
            "worker_class": "server.worker.Worker",
            "logger_class": Log,
            "post_fork": _end_with_master,
            "child_exit": _forget,
            "timeout": serve.timeout,
            "graceful_timeout": GRACEFUL_SECONDS,
            "loglevel": "warning",
            "proc_name": "prismcube",
            "control_socket_disable": True,  # one way in is enough
        }
        if self._when_ready:
            tell = self._when_ready
            options["when_ready"] = lambda arbiter: tell()
        for name, value in options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        logs.configure(self._settings.log)
        bound_heap()
        preload(self._role)
        preload_kernels(self._settings)
        serve = self._settings.serve
        Protocol.header_seconds, Protocol.most = serve.header_seconds, serve.connections
        # Also those connections that are just being turned away.
        allow_files(2 * serve.connections + OTHER_FILES, needed_by="all connections")
        with figures_folder(figures_place(self._settings.home / "tmp")) as folder:
            os.environ[FOLDER] = str(folder)
            self._arbiter().run()

    def _arbiter(self) -> Arbiter:
        if self._role is not Role.SERVER or not self._settings.jobs.run:
            return Arbiter(self)
        settings = self._settings
        command = [sys.executable, "-m", "server.cli", "worker", "--config", str(settings.path)]
        return JobsArbiter(self, [*command, "--home", str(settings.home), "--with-parent", str(os.getpid()), "--signs"])

    def load(self) -> Any:
        # In the worker: they import GDAL, pygeoapi and the rest.
        from server.metrics import Metrics

        metrics = Metrics()
        Protocol.on_turned_away = metrics.refusals.labels("connections").inc
        if self._role is Role.DOWNLOADER:
            from server.downloader import create_downloader

            return create_downloader(self._settings, metrics)
        from server.asgi import create_app

        return create_app(self._settings, metrics)


def figures_place(temporary: Path) -> Path:
    """Where figures are kept: in memory if the system has a place for that, else in the home folder.

    Workers map these files; writing to one on a full disk ends the process (SIGBUS).
    """
    return Path(MEMORY) if os.access(MEMORY, os.W_OK | os.X_OK) else temporary


@contextmanager
def figures_folder(temporary: Path) -> Iterator[Path]:
    """A folder for the figures of this server's workers; those that killed servers left are removed.

    Whoever lives holds a lock in its own: it ends with the last of its processes, however they end.
    """
    temporary.mkdir(parents=True, exist_ok=True)
    for old in temporary.glob(f"{FIGURES}*"):
        with suppress(OSError), (old / "lock").open("rb+") as lock:  # another server holds it, or is sweeping too
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)
    folder, owner = Path(tempfile.mkdtemp(dir=temporary, prefix=FIGURES)), os.getpid()
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            if os.getpid() == owner:  # the workers, which are forked within the block, leave it too
                shutil.rmtree(folder, ignore_errors=True)


def _end_with_master(arbiter: Any, worker: Any) -> None:
    """In a worker: end when the master was killed. Its own class would notice after `timeout`, and hold the port till
    then."""
    when_parent_ends(worker.ppid, _end)


def _end() -> None:
    """As the master would: time for answers under way, and no more."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACEFUL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _forget(arbiter: Any, worker: Any) -> None:
    """A worker has ended: what it counted stays, what it held (threads, memory) is gone."""
    from prometheus_client.multiprocess import mark_process_dead  # in the master, which has no figures of its own

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # it carries no types
