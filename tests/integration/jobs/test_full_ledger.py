"""The disk of the ledger itself is full, on SQLite: jobs wait, who submits one is told why, and all goes on by itself.

make test     a small disk, where one may be mounted; else the file of the database may not grow
make chaos    (PRISMCUBE_CHAOS) both
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import ledger_toys
import pytest
from running import Running, many, wait_for
from small_disk import SmallDisk, mount, unmount, works
from sqlalchemy import Engine, event

from prismcube.catalogue import migrate
from prismcube.catalogue.engine import create_engine
from prismcube.errors import CatalogueUnavailable
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.entities import Job, NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState

FULL = "PRISMCUBE_CHAOS" in os.environ
TASKS = int(os.environ.get("PRISMCUBE_CHAOS", 0)) or 100
SIZE = 16 * 2**20
MOST_PAGES = 2**32 - 2
"""That SQLite knows of."""
INPUTS = {"do": "echo", "text": "x" * 2000}


class FewPages:
    """SQLite takes its file to be as long as it may be; what fits into it is still written."""

    def __init__(self, engine: Engine) -> None:
        self._most = MOST_PAGES
        event.listen(engine, "checkout", self._limit)

    def _limit(self, connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self._most}")

    def fill(self) -> None:
        self._most = 1  # it takes that for as many as there are

    def make_room(self) -> None:
        self._most = MOST_PAGES


@pytest.fixture(params=["disk", "pages"] if FULL else ["disk"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "home"
    folder.mkdir()
    if request.param == "disk" and works(*mount(SIZE), folder):
        yield "disk"
        unmount(folder)
    else:
        yield "pages"


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/home/catalogue.db"
    migrate(made)
    return made


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    made = Ledger(create_engine(url), ledger_toys.DEFINITIONS)
    yield made
    made.engine.dispose()


def submit_until_refused(ledger: Ledger) -> list[Job]:
    """The jobs that were still taken; the first that is not is told why."""
    taken: list[Job] = []

    def submit() -> NoReturn:
        while True:
            one = NewJob(process="toy", inputs=INPUTS, key=f"order-{len(taken)}")
            taken.append(ledger.submit(one)[0])

    with pytest.raises(CatalogueUnavailable, match="database or disk is full"):
        submit()
    return taken


def test_jobs_wait_until_there_is_room(
    ledger: Ledger, url: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = SmallDisk(tmp_path / "home", left=0) if kind == "disk" else FewPages(ledger.engine)
    effects = tmp_path / "effects"
    effects.mkdir()
    engine = LocalEngine(partial(ledger_toys.runtime, url), processes=2, scratch=tmp_path / "scratch")
    with Running(ledger, engine) as running:
        one = many(ledger, effects, TASKS, 0.02)
        wait_for(lambda: ledger.get(one.id).done > TASKS // 10)
        disk.fill()
        taken = submit_until_refused(ledger)
        if kind == "disk":  # else tasks may end whose rows are as long as before
            wait_for(lambda: "the ledger does not answer, trying again: " in caplog.text)
            assert "database or disk is full" in caplog.text
            assert ledger.get(one.id).status is Status.RUNNING
        assert running.thread.is_alive()
        assert ledger.get(one.id).failed == 0

        disk.make_room()
        refused = NewJob(process="toy", inputs=INPUTS, key=f"order-{len(taken)}")
        assert ledger.submit(refused)[1]  # nothing of it had been kept
        for submitted in (one, *taken):
            wait_for(lambda id=submitted.id: ledger.get(id).finished)
        wait_for(lambda: all(found.finished for found in ledger.jobs(limit=10_000)))
    found = ledger.jobs(limit=10_000)
    assert len(found) == 1 + len(taken) + 1
    assert {job.status for job in found} == {Status.SUCCESSFUL}
    tasks = ledger.tasks(one.id, limit=2 * TASKS)
    assert len(tasks) == 1 + TASKS
    assert {(task.state, task.failures, task.losses) for task in tasks} == {(TaskState.DONE, 0, 0)}
    assert {path.name for path in effects.glob("effect-*")} == {f"effect-{n}" for n in range(TASKS)}
    assert all(task.attempt <= 2 + task.orphaned for task in tasks)
