"""The dask engine when parts of its cluster are killed, go away, or were never there.

make test     on one database and the other in turn
make chaos    (PRISMCUBE_CHAOS) all on both
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ledger_toys
import psutil
import pytest
from dask_cluster import DaskCluster, end, kill
from running import LONG, Running, begun, is_gone, many, wait_for

from prismcube.catalogue import Catalogue
from prismcube.jobs.decisions import MOST_LOSSES
from prismcube.jobs.engines.dask import Cluster, DaskEngine, took_leave
from prismcube.jobs.engines.dask_worker import TOLD_TO_END
from prismcube.jobs.entities import Job, NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState


def on(database: str) -> pytest.MarkDecorator:
    """On this one in `make test`."""
    names = ["sqlite", "postgresql"] if "PRISMCUBE_CHAOS" in os.environ else [database]
    return pytest.mark.parametrize("url", names, indirect=True)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    catalogue = Catalogue(url)
    yield Ledger(catalogue.engine, ledger_toys.DEFINITIONS)
    catalogue.close()


@pytest.fixture
def cluster(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[DaskCluster]:
    """Of two workers, once it is started; killed at the end."""
    folder = tmp_path / "dask"
    folder.mkdir()
    made = DaskCluster(folder, free_port())
    yield made
    made.stop()


@pytest.fixture
def start(ledger: Ledger, url: str, cluster: DaskCluster) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(**options: Any) -> Running:
        engine = DaskEngine(partial(ledger_toys.runtime, url), scheduler=cluster.address, url=url, **options)
        running.append(Running(ledger, engine))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


def ended(ledger: Ledger, job: Job) -> Job:
    return wait_for(lambda: (found := ledger.get(job.id)).finished is not None and found)


def deaf(ledger: Ledger, file: Path) -> tuple[Job, int]:
    """A task that never asks whether it is wanted, and the process that works on it."""
    job = ledger.submit(NewJob(process="toy", inputs={"do": "deaf", "file": str(file), "seconds": LONG}))[0]
    wait_for(lambda: file.exists() and file.read_text())
    return job, int(file.read_text())


def times_ended(folder: Path) -> Counter[str]:
    """How often each task came to its end."""
    lines = (folder / "log").read_text().splitlines()
    return Counter(line.split()[1] for line in lines if line.startswith("end"))


def listens(pid: int, port: int) -> bool:
    """A process takes connections there; no other can."""
    return any(
        one.status == psutil.CONN_LISTEN and one.laddr == ("127.0.0.1", port)
        for one in psutil.Process(pid).net_connections("tcp")
    )


@on("sqlite")
def test_killed_worker_costs_its_task_no_attempt(
    ledger: Ledger, cluster: DaskCluster, start: Any, tmp_path: Path
) -> None:
    cluster.start()
    start()
    job = many(ledger, tmp_path, 6, waits=True)
    task, pid = wait_for(lambda: begun(tmp_path))[0]
    worker = cluster.worker_of(pid)
    kill(worker)
    wait_for(lambda: is_gone(pid))  # the child ends with its worker
    (tmp_path / "go").touch()
    assert ended(ledger, job).status is Status.SUCCESSFUL
    tasks = {one.id: one for one in ledger.tasks(job.id, stage="work")}
    assert {one.id: one.losses for one in tasks.values() if one.losses} == {task: 1}
    assert {(one.state, one.failures) for one in tasks.values()} == {(TaskState.DONE, 0)}
    assert tasks[task].attempt == 2
    assert {path.name for path in tmp_path.glob("effect-*")} == {f"effect-{n}" for n in range(6)}
    assert times_ended(tmp_path)[str(task)] == 1


def works_on(cluster: DaskCluster, folder: Path) -> tuple[int, int, Any]:
    """The task that is under way, its process and its worker."""
    task, pid = wait_for(lambda: [one for one in begun(folder) if not is_gone(one[1])])[0]
    return task, pid, cluster.worker_of(pid)


@on("postgresql")
def test_workers_that_are_told_to_end_cost_their_task_nothing(
    ledger: Ledger, cluster: DaskCluster, start: Any, tmp_path: Path
) -> None:
    cluster.start()
    start()
    job = many(ledger, tmp_path, 1, waits=True)
    for _ in range(MOST_LOSSES + 1):
        _, pid, worker = works_on(cluster, tmp_path)
        cluster.start_worker()  # in its place
        end(worker)
        assert is_gone(pid)  # its worker did not leave it behind
    (tmp_path / "go").touch()
    assert ended(ledger, job).status is Status.SUCCESSFUL
    (task,) = ledger.tasks(job.id, stage="work")
    assert (task.state, task.failures, task.losses) == (TaskState.DONE, 0, 0)
    assert task.attempt == MOST_LOSSES + 2
    assert times_ended(tmp_path)[str(task.id)] == 1


@on("sqlite")
def test_task_whose_workers_are_killed_is_parked(
    ledger: Ledger, cluster: DaskCluster, start: Any, tmp_path: Path
) -> None:
    cluster.start()
    start()
    job = many(ledger, tmp_path, 1, LONG)
    for _ in range(MOST_LOSSES):
        _, pid, worker = works_on(cluster, tmp_path)
        cluster.start_worker()
        kill(worker)
        wait_for(partial(is_gone, pid))
    assert f"parked: its process died {MOST_LOSSES} times; " in ended(ledger, job).message
    (task,) = ledger.tasks(job.id, stage="work")
    assert (task.state, task.failures, task.losses) == (TaskState.PARKED, 0, MOST_LOSSES)


@on("postgresql")
def test_killed_scheduler_loses_nothing(ledger: Ledger, cluster: DaskCluster, start: Any, tmp_path: Path) -> None:
    cluster.start()
    one = start()
    job = many(ledger, tmp_path, 16, 0.5)
    wait_for(lambda: ledger.get(job.id).done > 3 and begun(tmp_path))
    assert cluster.scheduler is not None
    assert listens(cluster.scheduler.pid, cluster.port)
    kill(cluster.scheduler)
    wait_for(lambda: not one.engine.about()["connected"])
    assert one.engine.room("many.work") == 0
    cluster.stop()
    cluster.start()
    assert ended(ledger, job).status is Status.SUCCESSFUL
    assert one.engine.about()["connected"]
    tasks = ledger.tasks(job.id, stage="work")
    assert {(task.state, task.failures, task.losses) for task in tasks} == {(TaskState.DONE, 0, 0)}
    assert {path.name for path in tmp_path.glob("effect-*")} == {f"effect-{n}" for n in range(16)}
    assert max(task.attempt for task in tasks) == 2  # those that were under way, and no others


@on("sqlite")
def test_work_of_a_dead_orchestrator_is_stopped(
    ledger: Ledger, url: str, cluster: DaskCluster, start: Any, tmp_path: Path
) -> None:
    cluster.start()
    first = start()
    job, pid = deaf(ledger, tmp_path / "pid")
    first.stop()  # it gives the task back, and nobody else is there to stop it
    wait_for(lambda: is_gone(pid))
    assert (tmp_path / "pid").read_text() == str(pid)
    assert ledger.get(job.id).status is Status.RUNNING


@on("postgresql")
def test_tasks_wait_for_a_scheduler_and_for_workers(ledger: Ledger, cluster: DaskCluster, start: Any) -> None:
    one = start()
    job = ledger.submit(NewJob(process="toy", inputs={"do": "echo", "text": "late"}))[0]
    told = wait_for(lambda: (about := one.engine.about()).get("trouble") and about)
    assert (told["connected"], told["workers"], one.engine.room("toy")) == (False, 0, 0)
    cluster.start_scheduler()
    wait_for(lambda: one.engine.about()["connected"])
    assert ledger.get(job.id).status is Status.ACCEPTED
    cluster.start_worker()
    assert ledger.whole(ended(ledger, job).id).results == {"echo": "late"}


@on("sqlite")
def test_kinds_run_where_their_resource_is(ledger: Ledger, cluster: DaskCluster, start: Any, tmp_path: Path) -> None:
    cluster.start_scheduler()
    plain, equipped = cluster.start_worker(), cluster.start_worker("--resources", "process=1")
    one = start(resources={"many.work": "process"})
    wait_for(lambda: one.engine.about()["workers"] == 2)
    assert (one.engine.room("many.work"), one.engine.room("many.prepare")) == (1, 2)
    job = many(ledger, tmp_path, 4, 0.2)
    workers = set()
    while ledger.get(job.id).finished is None:
        for _, pid in begun(tmp_path):
            if not is_gone(pid):
                workers.add(psutil.Process(pid).ppid())
        time.sleep(0.02)
    assert workers == {equipped.pid}
    assert plain.poll() is None


def test_what_a_scheduler_tells() -> None:
    told = {"status": "running", "nthreads": 2, "resources": {"process": 3.0}}
    identity = {
        "workers": {
            "tcp://a": {"name": "a", **told},
            "tcp://b": {"name": 7, **told, "resources": {}},
            "tcp://c": {"name": "c", **told, "status": "closing_gracefully"},
        }
    }
    cluster = Cluster.of(identity, {"tcp://a": ["x"]})
    assert (cluster.threads, cluster.resource("process"), cluster.resource("other")) == (4, 2, 0)
    assert [(worker.name, worker.keys) for worker in cluster.workers] == [("a", {"x"}), ("7", set())]


def test_who_took_leave() -> None:
    added = {"action": "add-worker"}
    told = {"action": "closing-worker", "reason": TOLD_TO_END}
    failed = {"action": "closing-worker", "reason": "worker-handle-scheduler-connection-broken"}
    gone = {"action": "remove-worker", "processing-tasks": {"x"}}
    assert took_leave([added, told, gone], "x")
    assert took_leave([added, told, gone, added], "x")
    assert not took_leave([added, told, gone], "another")
    assert not took_leave([added, failed, gone], "x")
    assert not took_leave([added, gone, told], "x")
    assert not took_leave([added, told, {**gone, "processing-tasks": set()}, added, gone], "x")
    assert not took_leave(["something else", added, gone], "x")
