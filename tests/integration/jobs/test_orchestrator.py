"""The orchestrator with each engine: jobs run to their end, whatever is killed.

make test     most with each engine and each database once
make chaos    (PRISMCUBE_CHAOS) all with both engines on both databases
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ledger_toys
import pytest
from dask_cluster import DaskCluster
from running import wait_for
from sqlalchemy import update

from prismcube.catalogue import Catalogue
from prismcube.catalogue.job_tables import job_leader
from prismcube.errors import CatalogueUnavailable
from prismcube.jobs.claims import Claims
from prismcube.jobs.engine import Engine
from prismcube.jobs.engines.dask import DaskEngine
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.entities import Job, NewJob, Order, Outcome
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState

LONG = 120
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""

PAIRS = [("local", "sqlite"), ("dask", "postgresql")]
OTHERS = [("local", "postgresql"), ("dask", "sqlite")]
ON_ALL = pytest.mark.parametrize(("engine", "url"), [*PAIRS, *OTHERS], indirect=True)
ON_BOTH = (
    ON_ALL if "PRISMCUBE_CHAOS" in os.environ else pytest.mark.parametrize(("engine", "url"), PAIRS, indirect=True)
)
"""Each engine and each database, once at least."""
ON_ONE = pytest.mark.parametrize(("engine", "url"), PAIRS[:1], indirect=True)
"""What has nothing to do with either."""
_CLAIM, _FINISH = Claims.claim, Claims.finish


@pytest.fixture
def ledger(catalogue: Catalogue) -> Ledger:
    return Ledger(catalogue.engine, ledger_toys.DEFINITIONS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[DaskCluster]:
    """Two workers of dask, which tests share and leave as they are."""
    made = DaskCluster(tmp_path_factory.mktemp("dask"), free_port())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def engine(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Callable[[], Engine]:
    """Makes an engine of two processes, by the name that is the parameter of a test."""
    runtime = partial(ledger_toys.runtime, url)
    if request.param == "local":
        return lambda: LocalEngine(runtime, processes=2, scratch=tmp_path / "scratch")
    cluster: DaskCluster = request.getfixturevalue("cluster")
    return lambda: DaskEngine(runtime, scheduler=cluster.address, url=url)


@pytest.fixture
def start(ledger: Ledger, engine: Callable[[], Engine]) -> Iterator[Callable[..., Orchestrator]]:
    """Starts an orchestrator in a thread; all are stopped at the end."""
    running: list[tuple[Orchestrator, threading.Thread]] = []

    def begin(**windows: int) -> Orchestrator:
        orchestrator = Orchestrator(ledger, engine(), windows=Windows(by_kind=windows))
        thread = threading.Thread(target=orchestrator.run)
        thread.start()
        running.append((orchestrator, thread))
        return orchestrator

    yield begin
    for orchestrator, _ in running:
        orchestrator.stop()
    for _, thread in running:
        thread.join(LONG)
        assert not thread.is_alive()


def toy(ledger: Ledger, do: str, **inputs: Any) -> Job:
    return ledger.submit(NewJob(process="toy", inputs={"do": do, **inputs}))[0]


def wait(ledger: Ledger, one: Job, until: Callable[[Job], bool] = lambda job: job.status.is_final) -> Job:
    deadline = time.monotonic() + LONG
    while not until(job := ledger.get(one.id)):
        assert time.monotonic() < deadline, f"{job}, {ledger.tasks(one.id)}"
        time.sleep(0.02)
    return job


@ON_ALL
def test_jobs_run_to_their_end(ledger: Ledger, start: Any, tmp_path: Path) -> None:
    start()
    many = ledger.submit(NewJob(process="many", inputs={"number": 50, "folder": str(tmp_path)}))[0]
    assert ledger.whole(wait(ledger, toy(ledger, "echo", text="ö")).id).results == {"echo": "ö"}
    assert wait(ledger, many).status is Status.SUCCESSFUL
    assert {path.name for path in tmp_path.glob("effect-*")} == {f"effect-{n}" for n in range(50)}
    assert (tmp_path / "log").read_text().count("begin") == 50
    assert not [*(tmp_path / "scratch").glob("*/*")]


@ON_BOTH
def test_failures_say_why(ledger: Ledger, start: Any) -> None:
    start()
    refused, broken = toy(ledger, "refuse"), toy(ledger, "break")
    assert wait(ledger, refused).message == "do: is refused"
    (task,) = wait_for(lambda: ledger.tasks(broken.id, states=[TaskState.DELAYED]))
    assert wait(ledger, toy(ledger, "stumble")).status is Status.SUCCESSFUL
    assert task.message.startswith("RuntimeError: unforeseen (in ledger_toys.py, line ")


@ON_BOTH
def test_task_that_kills_its_process_is_parked_and_others_go_on(ledger: Ledger, start: Any, tmp_path: Path) -> None:
    start()
    many = ledger.submit(NewJob(process="many", inputs={"number": 20, "seconds": 0.05, "folder": str(tmp_path)}))[0]
    died = wait(ledger, toy(ledger, "die"))
    assert died.status is Status.FAILED
    assert died.message == (
        "parked: its process died 3 times; the last time: its process was ended by SIGKILL, perhaps for want of memory"
    )
    (task,) = ledger.tasks(died.id)
    assert (task.state, task.attempt, task.failures, task.losses) == (TaskState.PARKED, 3, 0, 3)
    assert wait(ledger, many).status is Status.SUCCESSFUL


@ON_BOTH
def test_cancel_kills_what_does_not_listen(ledger: Ledger, start: Any, tmp_path: Path) -> None:
    start()
    file = tmp_path / "pid"
    one = toy(ledger, "deaf", file=str(file), seconds=LONG)
    wait(ledger, one, lambda job: file.exists() and file.read_text() != "")
    pid = int(file.read_text())
    ledger.cancel(one.id)
    begun = time.monotonic()
    assert wait(ledger, one, lambda job: job.finished is not None).stage == "cancelled"
    assert time.monotonic() - begun < LONG / 2  # it has not slept to its end
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert file.read_text() == str(pid)


@ON_BOTH
def test_progress_is_seen_while_it_works(ledger: Ledger, start: Any) -> None:
    start()
    one = toy(ledger, "sleep", seconds=3)
    wait(ledger, one, lambda job: 0 < ledger.running(job.id) < 1)
    assert wait(ledger, one).status is Status.SUCCESSFUL


@ON_BOTH
def test_windows_bound_what_runs_at_once(ledger: Ledger, start: Any, tmp_path: Path) -> None:
    start(**{"many.work": 1})
    many = ledger.submit(NewJob(process="many", inputs={"number": 10, "seconds": 0.05, "folder": str(tmp_path)}))[0]
    wait(ledger, many)
    lines = (tmp_path / "log").read_text().split("\n")
    assert [line.split()[0] for line in lines if line] == ["begin", "end"] * 10


@ON_BOTH
def test_another_orchestrator_waits_and_takes_over(ledger: Ledger, start: Any, tmp_path: Path) -> None:
    first = start()
    wait(ledger, toy(ledger, "echo"))
    second = start()
    many = ledger.submit(NewJob(process="many", inputs={"number": 100, "seconds": 0.05, "folder": str(tmp_path)}))[0]
    wait(ledger, many, lambda job: job.done > 5)
    assert (first.about()["leads"], second.about()["leads"]) == (True, False)
    first.stop()
    assert wait(ledger, many).status is Status.SUCCESSFUL
    assert second.about()["leads"]
    assert len([*tmp_path.glob("effect-*")]) == 100


@ON_ONE
def test_claim_whose_answer_is_lost_is_given_back(ledger: Ledger, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has committed it, and was killed before it could say so."""
    lost: list[Order] = []

    def claim(self: Claims, kind: str, limit: int) -> list[Order]:
        orders = _CLAIM(self, kind, limit)
        if orders and not lost:
            lost.extend(orders)
            raise CatalogueUnavailable("the connection was lost")
        return orders

    monkeypatch.setattr(Claims, "claim", claim)
    start()
    one = toy(ledger, "echo", text="late")
    assert wait(ledger, one).status is Status.SUCCESSFUL
    (task,) = ledger.tasks(one.id)
    assert (task.id, task.attempt) == (lost[0].task, 2)
    assert (task.failures, task.losses, task.orphaned) == (0, 0, 0)


@ON_ONE
def test_lease_that_ends_unnoticed_costs_no_attempt(
    ledger: Ledger, start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction has waited for longer than that, and nobody else has come to lead."""
    ended: list[Outcome] = []

    def finish(self: Claims, outcomes: list[Outcome]) -> int:
        if not ended:
            ended.extend(outcomes)
            with ledger.write() as connection:
                connection.execute(update(job_leader).values(until=0.0))
        return _FINISH(self, outcomes)

    monkeypatch.setattr(Claims, "finish", finish)
    start()
    sleeps, file = toy(ledger, "sleep", seconds=3), tmp_path / "pid"
    wait_for(lambda: ledger.tasks(sleeps.id, states=[TaskState.RUNNING]))
    brief = toy(ledger, "deaf", file=str(file), seconds=0.1)
    for one in (brief, sleeps):
        assert wait(ledger, one).status is Status.SUCCESSFUL
        (task,) = ledger.tasks(one.id)
        assert (task.attempt, task.failures, task.losses, task.orphaned) == (2, 0, 0, 1)
