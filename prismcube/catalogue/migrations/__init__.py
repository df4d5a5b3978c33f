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
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from prismcube.catalogue.engine import PooledSession, create_engine, database_file
from prismcube.errors import ConfigurationError

_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps its context in module globals."""


def migrate(url: str) -> None:
    """Bring the catalogue to this version's schema; creates the file, and its folder, when there is none.

    Safe when several processes start at once: the whole upgrade is one transaction that holds the write lock, and those
    who wait find nothing left to do. Raises ConfigurationError when the catalogue is newer than this program.
    """
    database_file(url).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    try:
        with _ONE_AT_A_TIME, PooledSession(engine).write() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        reason = f"{url} is of another version of Prismcube than this one ({error})"
        raise ConfigurationError("catalogue", [("url", reason)]) from error
    finally:
        engine.dispose()


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
