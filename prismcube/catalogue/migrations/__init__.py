"""Schema migrations (Alembic), run by `migrate` at start; users never call alembic themselves.

tests/integration/catalogue/test_migrations.py compares what they make with `tables.metadata`.
"""

from __future__ import annotations

import threading
from functools import lru_cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from prismcube.catalogue.dialects import POSTGRESQL
from prismcube.catalogue.engine import PooledSession, create_engine, database_file
from prismcube.errors import ConfigurationError

EXTENSIONS = ("postgis", "btree_gist")
"""What a PostgreSQL database needs; `btree_gist` comes with the server."""

_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps its context in module globals."""


def migrate(url: str) -> None:
    """Bring the catalogue to this version's schema; creates the file, and its folder, when there is none.

    A database of PostgreSQL must exist, in UTF8, with the extensions postgis and btree_gist, or the right to make them.

    Safe when several processes start at once: the whole upgrade is one transaction that holds the write lock, and those
    who wait find nothing left to do. Raises ConfigurationError when the catalogue is of another version of Prismcube or
    the database can't hold one, CatalogueUnavailable when a server does not answer.
    """
    file = database_file(url)
    if file is not None:
        file.absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    try:
        if is_current(engine):  # without waiting for a writer
            return
        with _ONE_AT_A_TIME, PooledSession(engine).write() as connection:
            if connection.dialect.name == POSTGRESQL:
                _prepare(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        reason = (
            f"{engine.url} is of another version of Prismcube than this one ({error}); use that version, or name an "
            "empty place and index the archive again"
        )  # the engine's URL hides a password
        raise ConfigurationError("catalogue", [("url", reason)]) from error
    finally:
        engine.dispose()


def _prepare(connection: Connection) -> None:
    """Check a PostgreSQL database and create the extensions that it lacks."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":  # anything else can't keep every name
        reason = f"the database is in {encoding}; make one with ENCODING 'UTF8'"
        raise ConfigurationError("catalogue", [("url", reason)])
    present = {*connection.exec_driver_sql("SELECT extname FROM pg_extension").scalars()}
    for name in EXTENSIONS:
        if name not in present:
            try:
                connection.exec_driver_sql(f"CREATE EXTENSION {name}")
            except DatabaseError as error:
                told = str(error.orig).partition("\n")[0]
                advice = f"let an administrator run CREATE EXTENSION {name} in this database"
                raise ConfigurationError("catalogue", [("url", f"{told}; {advice}")]) from error


def current_revision(engine: Engine) -> str | None:
    """The schema revision of the catalogue; None when it has none."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_current(engine: Engine) -> bool:
    """True when the catalogue can be reached and has this version's schema."""
    try:
        return current_revision(engine) == newest_revision()
    except DatabaseError:
        return False


@lru_cache(maxsize=1)
def newest_revision() -> str | None:
    """The schema revision this version needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "prismcube.catalogue:migrations")
    return config
