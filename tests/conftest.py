"""What every tier of tests shares: real images, databases, a free port, markers by folder.

    PRISMCUBE_TEST_DATA      the folder of real test images; default: ../shared/data beside the repository
    PRISMCUBE_TEST_POSTGRES  a PostgreSQL server with PostGIS to make databases on, postgresql://user:password@host/name;
                             without it, one of our own is started from the programs that are installed
    CI=true                  what is missing is then a failure, never a skip

These are environment variables.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest

from prismcube.catalogue import Catalogue, migrate
from prismcube.catalogue.migrations import newest_revision
from prismcube.catalogue.tables import metadata
from server.kernels import complete

pytest.register_assert_rewrite("killing")  # whose asserts tell as much then as those of tests

# Shared machines stand still for a while now and then, which is no failure of an example.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

gc.set_threshold(50_000, 20, 50)  # thousands of tests are kept till the end; to go through them often takes a minute

ROOT = Path(__file__).resolve().parent.parent
# What one process of a run, or a program that it starts, has compiled serves all others, and the next run.
KERNELS = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "kernels")))

TIERS = ("unit", "integration", "http")
LOCKS = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
"""The folder of the locks of this run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parts = item.path.relative_to(ROOT / "tests").parts if item.path.is_relative_to(ROOT / "tests") else ()
        if parts and parts[0] in TIERS:
            item.add_marker(parts[0])
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")


@contextmanager
def _held(path: Path, *, alone: bool) -> Iterator[None]:
    """A lock on a file, shared with others or not; the file is made if need be."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # also for processes that were forked from this one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Where several processes run the tests, those marked `alone` run while the others wait.

    All are in the room together; who will be alone in it closes the door first, so that none come in while it empties.
    """
    if not hasattr(item.config, "workerinput"):
        return (yield)
    folder = Path(item.config.workerinput["locks"])
    alone = item.get_closest_marker("alone") is not None
    with ExitStack() as door:
        door.enter_context(_held(folder / "door", alone=True))
        with _held(folder / "room", alone=alone):
            if not alone:
                door.close()
            return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Before several processes share kernels, all are compiled, once: that takes a core more than a minute, and two
    that compile the same function at once can spoil its index."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        complete(KERNELS, threading.Event())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process that runs tests where the locks of this run are."""
    stash = node.config.stash
    if LOCKS not in stash:
        stash[LOCKS] = tempfile.TemporaryDirectory(prefix="prismcube-tests-")
        node.config.add_cleanup(stash[LOCKS].cleanup)
    node.workerinput["locks"] = stash[LOCKS].name


@pytest.fixture(scope="session")
def missing() -> Callable[[str], None]:
    """Call it with what is missing and how to get it: skips the test, or fails it when CI=true."""

    def report(reason: str) -> None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)

    return report


@pytest.fixture(scope="session")
def shared_data(missing: Callable[[str], None]) -> Path:
    """The folder of real test images; too large for the repository."""
    folder = Path(os.environ.get("PRISMCUBE_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        missing(f"no real test images: {folder} is not a folder; set PRISMCUBE_TEST_DATA to where they are")
    return folder


@pytest.fixture(scope="session")
def demo_data() -> Path:
    """The images of the demo, part of the repository; treat as read-only."""
    return ROOT / "examples" / "data"


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a TCP port of the loopback that was free a moment ago; each call another."""
    given: set[int] = set()

    def port() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                number = int(probe.getsockname()[1])
            if number not in given:
                given.add(number)
                return number

    return port


class PostgreSQL:
    """A server on which tests make databases; each new one is a copy of one that was migrated."""

    def __init__(self, admin: str) -> None:
        self._admin = admin
        self._prefix = f"prismcube_test_{os.getpid()}"
        self._numbers = count()
        self._made: list[str] = []
        self._spare: list[str] = []
        self._template = self.empty()
        migrate(self._template)

    def empty(self, options: str = "") -> str:
        """The URL of a new database with nothing in it."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} {options}")
        self._made.append(name)
        return self._url(name)

    def migrated(self) -> str:
        """The URL of a database with the tables of a catalogue, all of them empty."""
        if self._spare:
            return self._spare.pop()
        return self.empty(f"TEMPLATE {self._template.partition('?')[0].rpartition('/')[2]}")

    def give_back(self, url: str) -> None:
        """Empty a database for the next test, unless this one did more to it than use it: quicker than a new one."""
        with psycopg.connect(url, autocommit=True) as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            connection.execute(f"{others} AND pid <> pg_backend_pid()")
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            tables = sorted({name for (name,) in found} - {"alembic_version", "spatial_ref_sys"})
            if tables != sorted(one.name for one in metadata.sorted_tables):
                return
            if connection.execute("SELECT version_num FROM alembic_version").fetchall() != [(newest_revision(),)]:
                return
            connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
        self._spare.append(url)

    def drop_all(self) -> None:
        while self._made:
            self._run(f"DROP DATABASE {self._made.pop()} WITH (FORCE)")

    def _url(self, name: str) -> str:
        address, mark, options = self._admin.partition("?")
        return f"{address.rpartition('/')[0]}/{name}{mark}{options}"

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="session")
def postgresql(missing: Callable[[str], None]) -> Iterator[PostgreSQL]:
    """A PostgreSQL server with PostGIS."""
    given = os.environ.get("PRISMCUBE_TEST_POSTGRES")
    if given:
        server = PostgreSQL(given)
        yield server
        server.drop_all()
        return
    programs = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = shutil.which("initdb")
    if not programs and not found:
        missing("no PostgreSQL: install postgresql and its PostGIS, or set PRISMCUBE_TEST_POSTGRES to a server")
    folder = max(programs, default=Path(found or "").parent)
    home = Path(
        tempfile.mkdtemp(prefix="prismcube-postgresql-")
    )  # not below pytest's own folder, which only we may enter
    # The server refuses to run as root.
    owner: dict[str, Any] = {"user": "postgres", "cwd": home} if os.geteuid() == 0 else {"cwd": home}
    if owner.get("user"):
        shutil.chown(home, "postgres")
    initdb = [folder / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*initdb, "--locale=C.UTF-8"], check=True, capture_output=True, **owner)
    options = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")
    flags = [part for option in options for part in ("-c", option)]
    command = [folder / "postgres", "-D", home / "data", "-k", home, "-c", "listen_addresses=", *flags]
    with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, **owner) as process:
        try:
            admin = f"postgresql://postgres@/postgres?host={home}"
            _wait_for(admin, process, home / "log")
            yield PostgreSQL(admin)
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for connections left open
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
    shutil.rmtree(home)


def _wait_for(admin: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(admin).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL does not start:\n{log.read_text()}", pytrace=False)
            time.sleep(0.05)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a catalogue that has not been migrated; each test runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/catalogue.db"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.empty()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty catalogue; each test runs on both databases."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path}/home/catalogue.db"
        migrate(made)
        yield made
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    made = server.migrated()
    yield made
    server.give_back(made)


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    """An empty catalogue; each test runs on both databases."""
    opened = Catalogue(url)
    yield opened
    opened.close()
