"""The schema: what migrations make is what tables.py says, also when several processes start at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from prismcube.catalogue import Catalogue, current_revision, is_current, migrate
from prismcube.catalogue.engine import PooledSession, create_engine
from prismcube.catalogue.job_tables import job_callback
from prismcube.catalogue.migrations import _config, newest_revision
from prismcube.catalogue.tables import metadata
from prismcube.errors import CatalogueUnavailable, ConfigurationError
from prismcube.jobs.definitions import Definition
from prismcube.jobs.entities import NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import simple_machine

DATABASE_ONLY = ("dataset_rtree", "aoi_rtree", "cell_rtree", "record_tag", "alembic_version", "spatial_ref_sys")
"""Tables that triggers keep, Alembic's and PostGIS's own."""


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    migrate(empty_url)
    catalogue = Catalogue(empty_url)
    assert catalogue.ready()
    assert current_revision(catalogue.engine) == newest_revision() == "0011"
    catalogue.close()


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_schema_is_that_of_tables_py(catalogue: Catalogue) -> None:
    def ours(object: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
        of_the_other = kind == "index" and catalogue.engine.dialect.name == "sqlite" and _is_for_postgresql(object)
        return not (kind == "table" and (name or "").startswith(DATABASE_ONLY)) and not of_the_other

    with catalogue.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, metadata) == []


def _is_for_postgresql(index: sa.Index) -> bool:
    return bool(index.dialect_options["postgresql"].get("using"))


def test_not_ready_before_it_is_migrated(empty_url: str, tmp_path: Path) -> None:
    catalogue = Catalogue(empty_url)  # not even the folder is there
    assert not catalogue.ready()
    catalogue.close()
    empty = create_engine(f"sqlite:///{tmp_path}/empty.db" if empty_url.startswith("sqlite") else empty_url)
    assert current_revision(empty) is None
    assert not is_current(empty)
    empty.dispose()


def test_processes_that_start_at_once(empty_url: str) -> None:
    program = "import sys; from prismcube.catalogue import Catalogue, migrate; migrate(sys.argv[1]); "
    program += "c = Catalogue(sys.argv[1]); assert c.ready(); c.collections.list()"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, empty_url], stderr=subprocess.PIPE, cwd=Path(__file__).parents[3]
        )
        for _ in range(4)
    ]
    for process in started:
        _, problem = process.communicate(timeout=120)
        assert process.returncode == 0, problem.decode()


def test_catalogue_of_a_newer_version_is_refused(url: str) -> None:
    engine = create_engine(url)
    with PooledSession(engine).write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert not is_current(engine)
    engine.dispose()
    with pytest.raises(ConfigurationError, match="another version"):
        migrate(url)


def test_jobs_keep_what_they_were_asked(url: str) -> None:
    """0008 moves it to a table of its own, and back."""
    ledger = Ledger(create_engine(url), {"simple": Definition(machine=simple_machine("one", meaning="It works."))})
    one, _ = ledger.submit(NewJob(process="simple", inputs={"a": [1, "ö"]}, request={"response": "raw"}))
    config = _config()
    for where, names in (("0007", {"inputs", "request", "results"}), ("head", set[str]())):
        with PooledSession(ledger.engine).write() as connection:
            config.attributes["connection"] = connection
            (command.downgrade if where == "0007" else command.upgrade)(config, where)
            columns = {column["name"] for column in sa.inspect(connection).get_columns("job")}
            assert columns & {"inputs", "request", "results"} == names
    whole = ledger.whole(one.id)
    assert (whole.inputs, whole.request, whole.results) == ({"a": [1, "ö"]}, {"response": "raw"}, {})
    ledger.engine.dispose()


def test_collections_span_what_they_did(archive: Any, make: Any) -> None:
    """0010 gives each dataset all of its grid as the part that holds data; only columns go when it is taken back."""
    catalogue, config, grid = archive.catalogue, _config(), make.grid()
    archive.collection("c")
    archive.add("whole", grid=make.grid(500_030, pixel=0.1))
    archive.add("some", grid=grid, part=make.part(grid, slice(20, 60), slice(10, 90)))
    before = catalogue.collections.get("c").extent
    for where in ("0009", "head"):
        with PooledSession(catalogue.engine).write() as connection:
            config.attributes["connection"] = connection
            (command.downgrade if where == "0009" else command.upgrade)(config, where)
        assert catalogue.collections.get("c").extent == before
    assert [one.part for one in catalogue.datasets.list()] == [None, None]
    after = catalogue.collections.rebuild("c").extent
    assert after.native.bounds.contains(grid.bounds)


def test_callbacks_that_wait_tell_what_is_known(url: str) -> None:
    """0011 keeps what is told; of those before it only what had come to pass."""
    ledger = Ledger(create_engine(url), {"simple": Definition(machine=simple_machine("one", meaning="It works."))})
    one, _ = ledger.submit(NewJob(process="simple"))
    config = _config()
    events = ("running", "failed", "successful")
    row = {"job_id": one.id, "url": "http://a.example/", "attempt": 0, "due": one.created}
    with PooledSession(ledger.engine).write() as connection:
        connection.execute(job_callback.insert(), [{**row, "event": name} for name in events])
        config.attributes["connection"] = connection
        command.downgrade(config, "0010")
        command.upgrade(config, "head")
        found = connection.execute(sa.select(job_callback.c.event, job_callback.c.content)).all()
    known = {"type": "process", "jobID": one.id}
    assert {row.event: row.content for row in found} == {
        "running": {**known, "status": "running"},
        "failed": {
            **known, "status": "failed", "exception": {"type": "about:blank", "title": "The job is failed"}
        },
        "successful": None,
    }  # fmt: skip
    ledger.engine.dispose()


def test_downgrade_leaves_nothing(url: str) -> None:
    engine = create_engine(url)
    config = _config()
    with PooledSession(engine).write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(sa.inspect(engine).get_table_names()) <= {"alembic_version", "sqlite_sequence", "spatial_ref_sys"}
    engine.dispose()


def test_database_that_can_not_keep_every_name_is_refused(postgresql: Any) -> None:
    latin = postgresql.empty("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(ConfigurationError, match="in LATIN1; make one with ENCODING 'UTF8'"):
        migrate(latin)


def test_user_who_may_not_make_extensions_is_told_what_to_do(postgresql: Any) -> None:
    empty = postgresql.empty()
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE plain LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
        connection.execute("GRANT ALL ON SCHEMA public TO plain")
    plain = empty.replace("//postgres@", "//plain@")
    with pytest.raises(ConfigurationError, match="administrator run CREATE EXTENSION postgis"):
        migrate(plain)


def test_server_that_does_not_answer(free_port: Any) -> None:
    url = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/none"
    with pytest.raises(CatalogueUnavailable) as caught:
        migrate(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("mysql://host/db", "not supported"),
        ("not a url", "not a database URL"),
    ],
)
def test_url_that_can_hold_no_catalogue(wrong: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Catalogue(wrong)
