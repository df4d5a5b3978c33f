"""Tasks are killed at points that the tables of the machines give: nothing is lost, nothing done twice with effect.

make test     each stage is killed at one of its points
make chaos    (PRISMCUBE_CHAOS) each stage at each of its points, on both databases and engines
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

sys.path.append(str(Path(__file__).parent))  # processes that execute tasks import it as well
sys.path.append(str(Path(__file__).parents[1] / "jobs"))

import killed_tasks
from dask_cluster import DaskCluster

from prismcube.jobs.engine import Engine
from prismcube.jobs.engines.dask import DaskEngine
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.entities import NewJob, TaskState
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from prismcube.model.entities import DatasetStatus
from prismcube.model.grid import Grid
from prismcube.model.machine import Level, Stage, Status
from prismcube.model.machines import CONSOLIDATE, DELETE_DATASETS

HERE = Path(__file__).parent
LONG = 180
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
FULL = "PRISMCUBE_CHAOS" in os.environ
GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 60)


def stages(machine: Any) -> list[Stage]:
    """Those on the way from the beginning to the end, and the one that takes all back."""
    return [stage for stage in machine.stages if stage.task and stage.name != "remove-rest"]


KILLS = [
    (process, stage, point)
    for process, machine in (("consolidate", CONSOLIDATE), ("delete-datasets", DELETE_DATASETS))
    for stage in stages(machine)
    for point in killed_tasks.POINTS
]
NOWHERE = {(stage.task, "publish") for _, stage, _ in KILLS if stage.task != "consolidate.slab"} | {
    ("consolidate.slab", "commit"),
    ("delete.files", "commit"),
}
"""Points that are on no way of a task: those that publish no file, those that commit nothing."""
SHORT = {
    ("consolidate.prepare", "commit"),
    ("consolidate.slab", "publish"),
    ("consolidate.index", "end"),
    ("consolidate.swap", "commit"),
    ("consolidate.clean", "end"),
    ("consolidate.rollback", "commit"),
    ("delete.prepare", "end"),
    ("delete.mark", "commit"),
    ("delete.files", "begin"),
    ("delete.remove", "commit"),
    ("delete.rollback", "end"),
}
BY_DASK = {("consolidate.slab", "end")}
CHOSEN = [one for one in KILLS if FULL or (one[1].task, one[2]) in SHORT]
CASES = [("local", *one) for one in CHOSEN] + [
    ("dask", *one) for one in KILLS if FULL or (one[1].task, one[2]) in BY_DASK
]


def test_number_of_kill_points() -> None:
    """A stage that is added to a machine is killed as well: this number then changes."""
    assert len(KILLS) == 4 * (6 + 5)
    assert {stage.task for _, stage, _ in CHOSEN} == {stage.task for _, stage, _ in KILLS}
    assert not SHORT & NOWHERE


class Line:
    """An archive, a ledger on its catalogue, and an orchestrator with one process, its own or a cluster's."""

    def __init__(self, bench: Any, url: str, folder: Path, cluster: DaskCluster | None) -> None:
        self.bench = bench
        self.ledger = Ledger(bench.catalogue.engine, killed_tasks.DEFINITIONS)
        self.order = folder / "order"
        runtime = partial(killed_tasks.runtime, url, bench.managed.as_uri(), str(self.order))
        engine: Engine = (
            LocalEngine(runtime, processes=1, scratch=folder / "scratch-of-jobs")
            if cluster is None
            else DaskEngine(runtime, scheduler=cluster.address, url=url)
        )
        self.orchestrator = Orchestrator(self.ledger, engine, windows=Windows(by_kind={}))
        self.thread = threading.Thread(target=self.orchestrator.run)
        self.thread.start()

    def submit(self, process: str, *, level: Level = Level.NONE, most_bytes: int | None = None, **inputs: Any) -> str:
        return self.ledger.submit(NewJob(process=process, inputs=inputs, level=level, most_bytes=most_bytes))[0].id

    def wait(self, id: str, *, paused: bool = False) -> Any:
        deadline = time.monotonic() + LONG
        while True:
            job = self.ledger.get(id)
            if job.paused if paused else (job.finished and not job.stopping):
                return job
            assert time.monotonic() < deadline, (job, self.ledger.tasks(id))
            time.sleep(0.02)

    def wait_for_all(self) -> None:
        for job in self.ledger.jobs():
            self.wait(job.id)

    def killed(self) -> int | None:
        """The process that was killed."""
        found = [*self.order.parent.glob("order.*")]
        return int(found[0].suffix[1:]) if found else None


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory, free_port: Any) -> Iterator[DaskCluster]:
    """Of one worker."""
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"), free_port(), workers=1, code=HERE)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> DaskCluster | None:
    """None for tasks that are executed by a process of the orchestrator's own."""
    found: DaskCluster | None = None
    if getattr(request, "param", "local") == "dask":
        found = request.getfixturevalue("dask_cluster")
    return found


@pytest.fixture
def line(bench: Any, url: str, tmp_path: Path, pixels: Any, cluster: DaskCluster | None) -> Iterator[Line]:
    bench.variable()
    for day in range(3):
        bench.add(pixels(60, 100, seed=day, empty=[(slice(0, 20), slice(0, 30))]), day=day)
    made = Line(bench, url, tmp_path, cluster)
    yield made
    made.orchestrator.stop()
    made.thread.join(LONG)
    assert not made.thread.is_alive()


@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("cluster", "process", "stage", "point"),
    CASES,
    ids=[f"{engine}-{stage.task}-{point}" for engine, _, stage, point in CASES],
    indirect=["cluster"],
)
def test_killed_at(line: Line, process: str, stage: Stage, point: str, same_cubes: Any) -> None:
    before = line.bench.cube(GRID)
    sources = sorted(line.bench.sources.iterdir())
    layout = line.bench.layout()
    if process == "delete-datasets" or stage.name == "clean":  # of old files that are ours
        line.wait(line.submit("consolidate", instances=["v/i"], layout=layout))
        line.wait_for_all()
    line.order.write_text(f"{stage.task} {point}")
    cancelled = stage.name == "rollback"
    level = Level.CRITICAL if cancelled else Level.NONE
    if process == "consolidate":
        settings = {"compression": "none"}
        id = line.submit("consolidate", level=level, instances=["v/i"], layout=layout, consolidation=settings)
    else:
        id = line.submit("delete-datasets", level=level, instances=["v/i"], status="active")
    if cancelled:
        _begin(line, id, process)
        line.ledger.cancel(id)
    job = line.wait(id)
    line.wait_for_all()

    attempts = [task for task in line.ledger.tasks(id, limit=1000) if task.stage == stage.name]
    passed = line.order.exists()
    assert passed == ((stage.task, point) in NOWHERE)
    if passed:
        line.order.unlink()
    else:
        assert line.killed() is not None
        with pytest.raises(ProcessLookupError):
            os.kill(line.killed() or 0, 0)
        assert [task.losses for task in attempts if task.losses] == [1]
    assert all(task.failures == 0 for task in attempts)
    assert all(task.state is TaskState.DONE for task in attempts)

    assert job.status is (Status.DISMISSED if cancelled else Status.SUCCESSFUL), job.message
    active = line.bench.datasets(DatasetStatus.ACTIVE)
    assert line.bench.datasets(DatasetStatus.INACTIVE) == []
    assert line.bench.catalogue.datasets.locks(one.id for one in line.bench.datasets(None)) == {}
    assert sorted(line.bench.sources.iterdir()) == sources
    written = {path.as_uri() for path in line.bench.files()}
    if process == "consolidate":
        same_cubes(before, line.bench.cube(GRID))
        assert len(active) == (3 if cancelled else 2 * 3)
        assert written == (set() if cancelled else {one.uri for one in active})
    elif cancelled:
        same_cubes(before, line.bench.cube(GRID))
        assert written == {one.uri for one in active}
    else:
        assert active == []
        assert written == set()


def _begin(line: Line, id: str, process: str) -> None:
    """As far as there is something to take back: all files are indexed, or datasets are marked."""
    line.wait(id, paused=True)
    if process == "consolidate":
        assert len(line.bench.datasets(DatasetStatus.INACTIVE)) == 2 * 3
    else:
        line.ledger.resume(id)
        line.wait(id, paused=True)
        assert line.bench.datasets(DatasetStatus.ACTIVE) == []


def test_cube_is_always_whole_while_it_is_swapped(line: Line, same_cubes: Any) -> None:
    """It is asked for in a loop during swap and deletion: never an error, never a mixture."""
    before = line.bench.cube(GRID)
    stop, seen, wrong = threading.Event(), 0, []

    def read() -> None:
        nonlocal seen
        while not stop.is_set():
            try:
                same_cubes(before, line.bench.cube(GRID))
                seen += 1
            except Exception as error:
                wrong.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for name in ("one", "two", "three"):
            line.wait(line.submit("consolidate", instances=["v/i"], layout=line.bench.layout(name)))
            line.wait_for_all()
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert seen > 3
    assert np.unique([one.uri for one in line.bench.datasets()]).size == 2


def test_second_job_on_the_same_datasets_is_refused(line: Line) -> None:
    new = NewJob(
        process="consolidate", inputs={"instances": ["v/i"], "layout": line.bench.layout()}, level=Level.CRITICAL
    )
    first = line.ledger.submit(new)[0].id
    line.wait(first, paused=True)  # before the swap, with its locks
    second = line.wait(line.submit("consolidate", instances=["v/i"], layout=line.bench.layout("other")))
    assert (second.status, second.stage) == (Status.FAILED, "prepare-failed")
    assert f"is locked by job '{first}'" in second.message
    line.ledger.resume(first)
    assert line.wait(first).status is Status.SUCCESSFUL
    line.ledger.retry(second.id)
    assert line.wait(second.id).status is Status.SUCCESSFUL


def test_a_job_that_reads_too_much_is_stopped_and_keeps_what_it_has(line: Line, same_cubes: Any) -> None:
    before = line.bench.cube(GRID)
    id = line.submit("consolidate", most_bytes=1000, instances=["v/i"], layout=line.bench.layout())
    stops = 0
    while (job := line.wait(id)).status is not Status.SUCCESSFUL:
        stops += 1
        assert (job.stage, job.status) == ("consolidate-failed", Status.FAILED)
        assert "read more than 1,000 bytes" in job.message
        assert job.bytes > 1000
        assert len(line.bench.files()) == sum(task.stage == "consolidate" and task.state is TaskState.DONE
                                              for task in line.ledger.tasks(id))  # fmt: skip
        same_cubes(before, line.bench.cube(GRID))
        assert stops <= 2, "each retry does a task at least, and there are two"
        line.ledger.retry(id)
    assert stops > 0
    same_cubes(before, line.bench.cube(GRID))
    enough = line.submit("consolidate", most_bytes=10**9, instances=["v/i"], layout=line.bench.layout("other"))
    assert (done := line.wait(enough)).status is Status.SUCCESSFUL
    assert 3 * 60 * 100 * 2 <= done.bytes < 10**6  # three dates of 60 x 100 pixels
