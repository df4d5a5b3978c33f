"""Whoever works is killed in the middle of many tasks: nothing is lost, nothing done twice with effect.

make test     some hundred tasks, by processes of this machine; test_dask.py has some by dask
make chaos    (PRISMCUBE_CHAOS=1000) so many tasks, by both engines
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import ledger_toys
import psutil
import pytest
from dask_cluster import DaskCluster
from dask_cluster import kill as kill_program
from running import begun, is_gone

from prismcube.catalogue.engine import create_engine
from prismcube.errors import CatalogueUnavailable
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.entities import Job, NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState
from server.bench.jobs.own_postgres import PostgresServer

LONG = 600
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
CHAOS = os.environ.get("PRISMCUBE_CHAOS")
TASKS = int(CHAOS or 150)
KILLS = max(2, TASKS // 100 if CHAOS else 2)
ENGINES = ["local", "dask"] if CHAOS else ["local"]
SECONDS = 0.05
PROGRAM = Path(__file__).with_name("ledger_program.py")


class Company:
    """A ledger, and a program that executes its tasks with two processes; started again when it is killed.

    The processes are the program's own, or workers of a cluster.
    """

    def __init__(self, url: str, folder: Path, cluster: DaskCluster | None = None) -> None:
        self.url = url
        self.cluster = cluster
        self.folder = folder
        self.effects = folder / "effects"
        self.effects.mkdir()
        self.ledger = Ledger(create_engine(url), ledger_toys.DEFINITIONS)
        self.program: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.cluster is not None and not self.cluster.workers:
            self.cluster.start()
        where = "2" if self.cluster is None else self.cluster.address
        self.program = subprocess.Popen([sys.executable, str(PROGRAM), self.url, str(self.folder / "scratch"), where])

    def submit(self, number: int = TASKS) -> Job:
        inputs = {"number": number, "seconds": SECONDS, "folder": str(self.effects)}
        return self.ledger.submit(NewJob(process="many", inputs=inputs))[0]

    def workers(self) -> list[psutil.Process]:
        """The program's processes that execute tasks: its children, but for the one that watches over semaphores."""
        assert self.program is not None
        found = psutil.Process(self.program.pid).children()
        return [one for one in found if "spawn_main" in " ".join(one.cmdline())]

    def kill_one(self, chance: random.Random) -> int:
        """Kill a process that executes tasks, or dask's worker whose child it is; its id."""
        while True:
            at_work = sorted({pid for _, pid in begun(self.effects) if not is_gone(pid)})
            victim = chance.choice(at_work) if at_work else 0
            try:
                if self.cluster is None:
                    kill(victim)
                    return victim
                worker = self.cluster.worker_of(victim)
            except (psutil.NoSuchProcess, StopIteration):
                continue
            kill_program(worker)
            self.cluster.workers.remove(worker)
            self.cluster.start_worker()
            return victim

    def wait(self, one: Job, until: Callable[[Job], object]) -> Job:
        deadline = time.monotonic() + LONG
        while True:
            try:
                job = self.ledger.get(one.id)
                if until(job):
                    return job
            except CatalogueUnavailable:
                pass  # the database is being started again
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def check(self, one: Job, *, workers: int = 0, orchestrators: int = 0, others: int = 0) -> None:
        """Every task is done once with effect, none has failed, and attempts are those that were killed, and one more.

        So many were killed: of workers, each of which had one task; of orchestrators, each of which had some; of
        others, of which a task tells nothing but its number of attempts.
        """
        job = self.wait(one, lambda job: job.finished)
        assert job.status is Status.SUCCESSFUL, job.message
        tasks = self.ledger.tasks(one.id, limit=2 * TASKS)
        assert {task.state for task in tasks} == {TaskState.DONE}
        assert {task.failures for task in tasks} == {0}
        work = [task for task in tasks if task.stage == "work"]
        assert [task.result for task in work] == [{"square": n**2} for n in range(len(work))]
        found = {path.name: path.read_text() for path in self.effects.glob("effect-*")}
        assert found == {f"effect-{n}": str(n**2) for n in range(len(work))}
        ends = Counter(line.split()[1] for line in self.lines() if line.startswith("end"))
        assert len(ends) == len(work)
        assert sum(task.losses for task in tasks) <= workers
        assert max(task.orphaned for task in tasks) <= orchestrators
        for task in tasks:
            assert 0 <= task.attempt - 1 - task.losses - task.orphaned <= others, task
        begins = Counter(line.split()[1] for line in self.lines() if line.startswith("begin"))
        assert all(1 <= begins[str(task.id)] <= task.attempt for task in work)

    def stop_between_transactions(self, program: subprocess.Popen[bytes]) -> None:
        """Let a program stand still. SQLite knows no way to take its lock from one that does so while it writes."""
        while True:
            program.send_signal(signal.SIGSTOP)
            if not self.url.startswith("sqlite"):
                return
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=1)) as probe:
                try:
                    probe.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError:
                    program.send_signal(signal.SIGCONT)

    def lines(self) -> list[str]:
        return (self.effects / "log").read_text().splitlines()

    def close(self) -> None:
        if self.program is not None and self.program.poll() is None:
            self.program.terminate()
            assert self.program.wait(LONG) == 0
        if self.cluster is not None:
            self.cluster.stop()
        self.ledger.engine.dispose()


@pytest.fixture(params=ENGINES)
def cluster(request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]) -> DaskCluster | None:
    """None for tasks that are executed by the program's own processes."""
    if request.param == "local":
        return None
    folder = tmp_path / "dask"
    folder.mkdir()
    return DaskCluster(folder, free_port())


@pytest.fixture
def company(url: str, tmp_path: Path, cluster: DaskCluster | None) -> Iterator[Company]:
    made = Company(url, tmp_path, cluster)
    made.start()
    yield made
    made.close()


def kill(pid: int) -> None:
    """Kills a process, and sees that it is gone."""
    process = psutil.Process(pid)
    process.kill()
    gone, _ = psutil.wait_procs([process], timeout=LONG)
    assert gone


def test_workers_are_killed(company: Company) -> None:
    one, chance, killed = company.submit(), random.Random(1), []
    for n in range(KILLS):
        company.wait(one, lambda job, n=n: job.done > 1 + (n + 1) * TASKS // (2 * KILLS))
        time.sleep(chance.uniform(0, 2 * SECONDS))
        killed.append(company.kill_one(chance))
    # What a cluster had given to a worker that had not begun it may have to be given to another.
    company.check(one, workers=KILLS, others=0 if company.cluster is None else KILLS)
    seen = {int(line.split()[2]) for line in company.lines()}
    assert set(killed) <= seen  # they had worked for us
    hit = Counter(task for task, pid in begun(company.effects) if pid in killed)  # before it could end
    losses = {task.id: task.losses for task in company.ledger.tasks(one.id, limit=2 * TASKS)}
    assert sum(losses.values()) > 0
    assert all(number <= losses[task] for task, number in hit.items())


def test_the_orchestrator_is_killed(company: Company) -> None:
    one, chance = company.submit(), random.Random(2)
    for n in range(KILLS):
        company.wait(one, lambda job, n=n: job.done > 1 + (n + 1) * TASKS // (2 * KILLS))
        time.sleep(chance.uniform(0, 2 * SECONDS))
        assert company.program is not None
        children = company.workers()
        company.program.kill()
        assert company.program.wait(LONG) == -signal.SIGKILL
        psutil.wait_procs(children, timeout=LONG)
        assert not any(child.is_running() for child in children)  # they end with it
        company.start()
    company.check(one, orchestrators=KILLS)


@pytest.mark.skipif(
    "dask" not in ENGINES, reason="test_dask.py kills the scheduler of a few tasks; this is its long form"
)
@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
def test_the_scheduler_is_killed(company: Company) -> None:
    one = company.submit()
    assert company.cluster is not None
    for n in range(2):
        company.wait(one, lambda job, n=n: job.done > 1 + (n + 1) * TASKS // 4)
        assert company.cluster.scheduler is not None
        kill_program(company.cluster.scheduler)
        company.cluster.stop()
        company.cluster.start()
    company.check(one, others=2)


def test_one_that_stood_still_does_no_harm(company: Company) -> None:
    """Its lease ends while it is stopped; when it goes on, another leads, and what it says counts no more."""
    one = company.submit()
    company.wait(one, lambda job: job.done > 5)
    first = company.program
    assert first is not None
    company.stop_between_transactions(first)
    company.start()
    company.wait(one, lambda job: job.done > TASKS // 2)
    first.send_signal(signal.SIGCONT)
    company.check(one, orchestrators=1)
    first.terminate()
    assert first.wait(LONG) == 0


def test_the_disk_is_full(url: str, tmp_path: Path) -> None:
    """Where a task may write no more its job fails and says so, and leaves nothing behind."""
    ledger = Ledger(create_engine(url), ledger_toys.DEFINITIONS)
    engine = LocalEngine(partial(ledger_toys.runtime, url), processes=1, scratch=tmp_path / "scratch")
    orchestrator = Orchestrator(ledger, engine, windows=Windows(by_kind={}))
    thread = threading.Thread(target=orchestrator.run)
    thread.start()
    try:
        inputs = {"do": "write", "file": str(tmp_path / "large"), "limit": 4096, "bytes": 100_000}
        one = ledger.submit(NewJob(process="toy", inputs=inputs))[0]
        deadline = time.monotonic() + LONG
        while not (job := ledger.get(one.id)).finished:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert job.status is Status.FAILED
        assert "File too large" in job.message
        assert not [*(tmp_path / "scratch").glob("*/*")]
        assert not (tmp_path / "large").exists()
    finally:
        orchestrator.stop()
        thread.join(LONG)
        ledger.engine.dispose()


@pytest.fixture
def postgres(postgresql: Any) -> Iterator[PostgresServer]:
    """Of this test alone."""
    made = PostgresServer()
    yield made
    made.stop()


def test_the_database_is_killed(postgres: PostgresServer, tmp_path: Path, cluster: DaskCluster | None) -> None:
    company = Company(postgres.database(), tmp_path, cluster)
    company.start()
    try:
        one = company.submit()
        company.wait(one, lambda job: job.done > TASKS // 4)
        postgres.kill()
        postgres.start_again()
        company.check(one, orchestrators=1, others=1)  # a lease may have ended meanwhile
        assert company.program is not None
        assert company.program.poll() is None  # it waited, and went on
    finally:
        company.close()
