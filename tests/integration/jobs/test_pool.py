"""Workers that come and go with the backlog, and are started again when they die."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import ledger_toys
import psutil
import pytest
from dask_cluster import DaskCluster
from running import Running, is_gone, many, wait_for

from prismcube.catalogue import Catalogue, migrate
from prismcube.errors import PrismcubeError
from prismcube.jobs.engines.dask import DaskEngine
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.pool import KubernetesWorkers, LocalWorkers, WorkerPool
from prismcube.jobs.scaling import Scaling
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState


@pytest.fixture
def scheduler(tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A scheduler of dask without workers; those that are started find what the tests' processes need."""
    folder = tmp_path / "dask"
    folder.mkdir()
    cluster = DaskCluster(folder, free_port())
    monkeypatch.setenv("PYTHONPATH", cluster.path)
    cluster.start_scheduler()
    yield cluster.address
    cluster.stop()


def test_workers_follow_the_backlog(scheduler: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/home/catalogue.db"
    migrate(url)
    catalogue = Catalogue(url)
    ledger = Ledger(catalogue.engine, ledger_toys.DEFINITIONS)
    engine = DaskEngine(partial(ledger_toys.runtime, url), scheduler=scheduler, url=url)
    workers = LocalWorkers(scheduler, costs=engine.costs, expect=engine.expect, folder=tmp_path / "workers")
    pool = WorkerPool(workers, Scaling(most=2, ratio=1), backlog=ledger.backlog, every_seconds=1)
    with Running(ledger, engine, every_second=pool.beat):
        pool.start()
        time.sleep(1.5)
        assert workers.pids() == {}
        job = many(ledger, tmp_path, 8, 1.0)
        wait_for(lambda: engine.about()["workers"] == 2)
        first, second = workers.pids().values()
        wait_for(lambda: ledger.get(job.id).done > 1)
        os.kill(first, signal.SIGKILL)  # it is started again
        wait_for(lambda: len(found := set(workers.pids().values())) == 2 and second in found and first not in found)
        wait_for(lambda: ledger.get(job.id).finished)
        assert ledger.get(job.id).status is Status.SUCCESSFUL
        pids = [*workers.pids().values()]
        wait_for(lambda: workers.pids() == {} and all(map(is_gone, pids)))
        tasks = ledger.tasks(job.id, stage="work")
        assert {(task.state, task.failures) for task in tasks} == {(TaskState.DONE, 0)}
        assert sum(task.losses for task in tasks) <= 1  # to the one that was killed; none to the pool
    pool.close()
    catalogue.close()


def test_a_worker_that_is_taken_away_costs_nothing(scheduler: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/home/catalogue.db"
    migrate(url)
    catalogue = Catalogue(url)
    ledger = Ledger(catalogue.engine, ledger_toys.DEFINITIONS)
    engine = DaskEngine(partial(ledger_toys.runtime, url), scheduler=scheduler, url=url)
    workers = LocalWorkers(scheduler, costs=engine.costs, expect=engine.expect, folder=tmp_path / "workers")
    try:
        with Running(ledger, engine):
            workers.scale(1)
            job = many(ledger, tmp_path, 1, waits=True)
            (name,) = workers.pids()
            wait_for(lambda: engine.costs().get(name, 0.0) > 0 and (tmp_path / "log").exists())
            workers.scale(0)
            workers.scale(1)
            assert name not in workers.pids()
            (tmp_path / "go").touch()
            wait_for(lambda: ledger.get(job.id).finished)
            assert [(task.losses, task.failures) for task in ledger.tasks(job.id, stage="work")] == [(0, 0)]
    finally:
        workers.rest()
        catalogue.close()


def test_the_cheapest_worker_is_taken_away(tmp_path: Path) -> None:
    expected: list[str] = []
    costs: dict[str, float] = {}
    workers = LocalWorkers("tcp://127.0.0.1:1", costs=lambda: costs, expect=expected.append, folder=tmp_path)
    try:
        workers.scale(3)
        first, second, third = workers.pids()
        costs |= {first: 60.0, second: 0.5}  # of the third nothing is known: it has just begun
        workers.scale(1)
        assert (list(workers.pids()), expected) == ([first], [third, second])
    finally:
        workers.rest()
    assert (workers.pids(), expected) == ({}, [third, second, first])


def test_workers_end_with_the_process_that_started_them(scheduler: str, tmp_path: Path) -> None:
    script = f"""
import time
from pathlib import Path
from prismcube.jobs.pool import LocalWorkers
workers = LocalWorkers({scheduler!r}, costs=dict, expect=print, folder=Path({str(tmp_path)!r}))
workers.scale(1)
print(*workers.pids().values(), flush=True)
time.sleep(600)
"""
    with psutil.Popen([sys.executable, "-c", script], stdout=-1) as parent:
        worker = int(parent.stdout.readline())
        # It watches from the moment when dask has loaded it.
        wait_for(lambda: [one for one in psutil.Process(worker).net_connections() if one.status == psutil.CONN_LISTEN])
        parent.kill()
        assert parent.wait(120) == -signal.SIGKILL
    wait_for(lambda: is_gone(worker))


class FakeCluster:
    """Remembers what it was asked for."""

    asked: list[Any]

    @classmethod
    def from_name(cls, name: str, **options: Any) -> FakeCluster:
        cls.asked.append((name, options))
        made = cls()
        made.n_workers = 3
        return made

    n_workers = 0

    def scale(self, number: int) -> None:
        if number == 13:
            raise ConnectionError("the API does not answer")
        self.asked.append(number)

    def close(self) -> None:
        self.asked.append("close")


def test_kubernetes_is_asked_for_changes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCluster.asked = asked = []
    module: Any = SimpleNamespace(KubeCluster=FakeCluster)
    monkeypatch.setitem(sys.modules, "dask_kubernetes", ModuleType("dask_kubernetes"))
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", module)
    workers = KubernetesWorkers("prismcube", namespace="eo")
    assert (asked, workers.count()) == ([("prismcube", {"namespace": "eo", "quiet": True})], 3)
    workers.scale(3)
    workers.scale(5)
    assert (asked[1:], workers.count()) == ([5], 5)
    with pytest.raises(ConnectionError):
        workers.scale(13)
    assert workers.count() == 3  # it is asked anew
    workers.rest()
    assert asked[2:] == ["close", asked[0], "close"]


def test_kubernetes_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", None)
    with pytest.raises(PrismcubeError, match="dask-kubernetes"):
        KubernetesWorkers("prismcube")


class CountedWorkers:
    """Counts what a pool does with it."""

    def __init__(self) -> None:
        self.number = self.rests = 0

    def count(self) -> int:
        return self.number

    def tend(self) -> None:
        pass

    def scale(self, number: int) -> None:
        self.number = number

    def rest(self) -> None:
        self.rests += 1


def test_pool_works_only_while_its_orchestrator_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prismcube.jobs.pool.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("prismcube.jobs.pool.BEAT_SECONDS", 0.2)
    workers = CountedWorkers()
    pool = WorkerPool(workers, Scaling(most=100), backlog=lambda: {"a": 1_000}, every_seconds=0.01)
    pool.start()
    time.sleep(0.2)
    assert (workers.number, workers.rests) == (0, 0)
    pool.beat()
    wait_for(lambda: workers.number > 0)
    wait_for(lambda: workers.rests == 1)  # there was no other beat
    number = workers.number
    time.sleep(0.1)
    assert workers.number == number
    pool.close()
    assert workers.rests == 2
