"""Measures one database from end to end: makes the catalogue, fills it, asks it, and leaves it empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DatabaseError

from prismcube.catalogue import Catalogue, migrate
from prismcube.catalogue.dialects import POSTGRESQL
from prismcube.catalogue.engine import create_engine, database_file
from prismcube.catalogue.tables import metadata
from prismcube.errors import CatalogueUnavailable, ConfigurationError
from server.bench import data, indexing, mixed, peer, searches
from server.bench.figures import Figure, sqlite_version
from server.bench.progress import Progress

VERSIONS = text("SELECT split_part(version(), ' on ', 1) || ', PostGIS ' || postgis_lib_version()")


@contextmanager
def empty_catalogue(url: str) -> Iterator[Catalogue]:
    """A catalogue with nothing in it, left as empty at the end; a file of SQLite is removed.

    Raises ConfigurationError when the database has a catalogue with rows, or the file exists.
    """
    check_unused(url)
    file = database_file(url)
    catalogue = Catalogue(url)
    try:
        migrate(url)
        try:
            yield catalogue
        finally:
            if file is None:
                with catalogue.engine.begin() as connection:
                    names = ", ".join(f'"{name}"' for name in metadata.tables)
                    connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    finally:
        catalogue.close()
        if file is not None:
            for suffix in ("", "-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)


def check_unused(url: str) -> None:
    """Raises ConfigurationError when the database has a catalogue with rows, or the file of SQLite exists."""
    file = database_file(url)
    if file is not None:
        if file.exists():
            raise ConfigurationError("bench", [("--url", f"{file} exists; name a file that does not")])
        return
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            present = {*inspect(connection).get_table_names()} & {*metadata.tables}
            for name in sorted(present):
                rows = connection.scalar(select(func.count()).select_from(metadata.tables[name])) or 0
                if rows:
                    shown = engine.url.render_as_string(hide_password=True)
                    reason = f"{shown} has a catalogue, with {rows:,} rows in {name}; name an empty database"
                    raise ConfigurationError("bench", [("--url", reason)])
    except DatabaseError as error:
        raise CatalogueUnavailable(str(error.orig)) from error
    finally:
        engine.dispose()


def measure(url: str, size: data.Size, *, progress: Progress) -> tuple[str, str, list[Figure]]:
    """(name of the database, its version, the figures). Raises as `empty_catalogue` does."""
    with empty_catalogue(url) as catalogue:
        on_server = catalogue.engine.dialect.name == POSTGRESQL
        name = "PostgreSQL" if on_server else "SQLite"
        version = sqlite_version()
        if on_server:
            with catalogue.engine.connect() as connection:
                version = connection.scalar(VERSIONS) or name
        return name, version, list(_figures(catalogue, url, name, size, progress))


def _figures(catalogue: Catalogue, url: str, name: str, size: data.Size, progress: Progress) -> Iterator[Figure]:
    stored = data.collection(catalogue)
    instance_id = stored.stored_fields[0].instance_id

    tick = partial(progress, f"{name}: indexing", None)
    progress(f"{name}: indexing", size.datasets + size.records, 0)
    yield from indexing.figures(catalogue, name, instance_id=instance_id, datasets=size.datasets, tick=tick)
    refresh_statistics(catalogue)
    progress(f"{name}: searching", None, 0)
    found = searches.figures(catalogue, name, stored, datasets=size.datasets, repeats=size.repeats)
    yield found[0]
    if name == "PostgreSQL":
        repeats, ours = max(5, size.repeats // 10), found[0].value
        yield from peer.figures(catalogue, name, stored, datasets=size.datasets, repeats=repeats, ours=ours)
    yield from found[1:]
    tick(0)
    yield from indexing.record_figures(catalogue, name, records=size.records, tick=tick)
    progress(f"{name}: under load", None, 0)
    yield from mixed.figures(url, name, datasets=size.datasets, seconds=size.seconds)


def refresh_statistics(catalogue: Catalogue, *, every_row: bool = False) -> None:
    """Let PostgreSQL look at its tables now; by itself it does within a minute. On SQLite nobody ever does.

    It looks at rows that it draws by lot, and where two plans cost nearly the same, the draw decides between them. With
    `every_row` it looks at all, up to three million of a table.
    """
    if catalogue.engine.dialect.name != POSTGRESQL:
        return
    catalogue.engine.dispose()  # a connection tells what it changed when it ends: later, it would call for another look
    with catalogue.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if every_row:
            connection.exec_driver_sql("SET default_statistics_target = 10000")  # rows to draw: 300 times as many
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("RESET default_statistics_target")
