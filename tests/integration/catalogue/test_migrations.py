"""The schema: what migrations make is what tables.py says, also when several processes start at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from prismcube.catalogue import Catalogue, current_revision, is_current, migrate
from prismcube.catalogue.engine import PooledSession, create_engine
from prismcube.catalogue.migrations import _config, newest_revision
from prismcube.catalogue.tables import metadata
from prismcube.errors import ConfigurationError

DATABASE_ONLY = ("dataset_rtree", "record_tag", "alembic_version")
"""Tables that triggers keep."""


def test_migrating_twice_changes_nothing(url: str) -> None:
    migrate(url)
    migrate(url)
    catalogue = Catalogue(url)
    assert catalogue.ready()
    assert current_revision(catalogue.engine) == newest_revision() == "0001"
    catalogue.close()


def test_schema_is_that_of_tables_py(catalogue: Catalogue) -> None:
    def ours(object: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
        return not (kind == "table" and (name or "").startswith(DATABASE_ONLY))

    with catalogue.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, metadata) == []


def test_not_ready_before_it_is_migrated(url: str, tmp_path: Path) -> None:
    catalogue = Catalogue(url)  # not even the folder is there
    assert not catalogue.ready()
    catalogue.close()
    empty = create_engine(f"sqlite:///{tmp_path}/empty.db")
    assert current_revision(empty) is None
    assert not is_current(empty)
    empty.dispose()


def test_processes_that_start_at_once(url: str) -> None:
    program = "import sys; from prismcube.catalogue import Catalogue, migrate; migrate(sys.argv[1]); "
    program += "c = Catalogue(sys.argv[1]); assert c.ready(); c.collections.list()"
    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, cwd=Path(__file__).parents[3])
        for _ in range(4)
    ]
    for process in started:
        _, problem = process.communicate(timeout=120)
        assert process.returncode == 0, problem.decode()


def test_catalogue_of_a_newer_version_is_refused(url: str) -> None:
    migrate(url)
    engine = create_engine(url)
    with PooledSession(engine).write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert not is_current(engine)
    engine.dispose()
    with pytest.raises(ConfigurationError, match="another version"):
        migrate(url)


def test_downgrade_leaves_nothing(url: str) -> None:
    migrate(url)
    engine = create_engine(url)
    config = _config()
    with PooledSession(engine).write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(sa.inspect(engine).get_table_names()) <= {"alembic_version", "sqlite_sequence"}
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("postgresql://host/db", "not supported"),
        ("not a url", "not a database URL"),
    ],
)
def test_url_that_can_hold_no_catalogue(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Catalogue(url)
