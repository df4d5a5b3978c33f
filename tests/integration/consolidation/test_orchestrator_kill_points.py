"""The orchestrator is killed at every move of a job that it makes: just before it is committed, and just after.

A move is recorded with what has ended. Before, this is lost with it: what it held is done again, at no cost. After,
nothing is done again. Each job is killed at twice, and started again twice.

make test     one move of each machine with several stages: by `done`, `failed` and `cancel`
make chaos    (PRISMCUBE_CHAOS) all moves, on both databases; by `done` on both engines as well
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from dask_cluster import DaskCluster
from killed_tasks import MACHINES, SIMPLE
from killing import (
    LONG,
    TAKEN_BACK_FROM,
    Archive,
    Way,
    check_end,
    check_tasks,
    check_untidy,
    stages_on,
    way_of,
)
from sqlalchemy import update

from prismcube.catalogue.job_tables import job_leader
from prismcube.jobs.entities import Task
from prismcube.model.machine import Event, Level, Stage
from prismcube.model.task_states import TaskState

FULL = "PRISMCUBE_CHAOS" in os.environ
PROGRAM = Path(__file__).with_name("killed_program.py")

Move = tuple[str, Stage, Event, str]
"""Process, stage, event, and the stage that it leads to."""

MOVES: list[Move] = [
    (process, *move) for process, machine in MACHINES.items() for move in machine.walk() if move[1] is not Event.RETRY
]
"""All that the orchestrator makes; it is the API that lets a job go on by `retry`."""
WHEN = ("before", "after")
SHORT = {
    ("consolidate", "consolidate", Event.DONE),
    ("delete-datasets", "delete-files", Event.FAILED),
    ("export-cube", "write", Event.CANCEL),
}
CHOSEN = [move for move in MOVES if FULL or (move[0], move[1].name, move[2]) in SHORT]
CASES = [("local", move) for move in CHOSEN] + [("dask", move) for move in MOVES if FULL and move[2] is Event.DONE]
"""By dask those that follow from what a cluster has told to be done: of the others it knows nothing."""


def name_of(case: tuple[str, Move]) -> str:
    engine, (process, stage, event, _) = case
    return f"{engine}-{process}-{stage.name}-{event}"


def test_number_of_kill_points() -> None:
    """A move that is added to a machine is one at which the orchestrator is killed: these numbers then change."""
    assert Counter(process for process, *_ in MOVES) == {
        "consolidate": 2 * 6 + 4 + 4,
        "delete-datasets": 2 * 6 + 3 + 2,
        "export-cube": 2 * 5 + 4 + 4,
        **dict.fromkeys(SIMPLE, 2 + 2),
    }
    assert Counter(event for _, _, event, _ in MOVES) == {Event.DONE: 22, Event.FAILED: 22, Event.CANCEL: 31}
    assert len(MOVES) * len(WHEN) == 150
    assert {(process, stage.name, event) for process, stage, event, _ in MOVES} >= SHORT


class Program:
    """The orchestrator, in a program of its own with one process that executes tasks, or with a cluster."""

    def __init__(self, archive: Archive, url: str, folder: Path, cluster: DaskCluster | None) -> None:
        self._archive = archive
        where = "1" if cluster is None else cluster.address
        arguments = [url, archive.bench.managed.as_uri(), str(archive.orders), str(folder / "scratch-of-jobs"), where]
        self._command = [sys.executable, str(PROGRAM), *arguments]
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._running = subprocess.Popen(self._command)

    def wait_until_killed(self, order: str) -> None:
        """It was the program itself that took the order, and all of it is gone."""
        program = self._running
        assert program is not None
        children = psutil.Process(program.pid).children()
        assert program.wait(LONG) == -signal.SIGKILL
        assert self._archive.killed()[-1] == (program.pid, order)
        assert order not in self._archive.open_orders()
        assert psutil.wait_procs(children, timeout=LONG)[1] == []

    def start_again(self) -> None:
        """The lease of the one that was killed is over: test_killed.py waits for the end of one, this need not."""
        with self._archive.ledger.write() as connection:
            connection.execute(update(job_leader).values(until=0.0))
        self.start()

    def stop(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.terminate()
            assert self._running.wait(LONG) in (
                0,
                -signal.SIGTERM,
            )  # when there was nothing left to do it is still loading


@pytest.fixture
def program(archive: Archive, url: str, tmp_path: Path, cluster: DaskCluster | None) -> Iterator[Program]:
    made = Program(archive, url, tmp_path, cluster)
    made.start()
    yield made
    made.stop()


class Scene:
    """A job that is about to make a move, and what it has come to when it has made it."""

    def __init__(self, archive: Archive, move: Move) -> None:
        self.archive = archive
        self.process, self.stage, self.event, target = move
        self.machine = MACHINES[self.process]
        self.target = self.machine.stage(target)
        self.fails = self._failing()
        self.way = self._way()
        self.blocked = archive.block_a_file() if self.way is Way.UNTIDY else None
        if self.fails:
            archive.order(f"{self.fails} fails")

    def _failing(self) -> str:
        """The kind of tasks that fail, other than by a file that can't be deleted."""
        if self.event is Event.FAILED and not self.target.task:
            return self.stage.task
        if not self.stage.task:  # it rests because it has failed
            return self.machine.stage(self.stage.moves[Event.RETRY]).task
        return ""

    def _way(self) -> Way:
        if self.event is Event.CANCEL:
            return Way.CANCELLED
        return way_of(self.machine, self.target if self.event is Event.FAILED and self.target.task else self.stage)

    @property
    def stages(self) -> list[str]:
        """Those of which tasks are done or have failed when the job has come to its end, or rests."""
        whole = [stage.name for stage in stages_on(self.machine, self.way)]
        if self.way is Way.CANCELLED:
            done = [stage.name for stage in stages_on(self.machine, Way.DONE)]
            cancelled = self.stage.name if self.event is Event.CANCEL else TAKEN_BACK_FROM[self.process]
            rests = not self.machine.stage(cancelled).task
            before = self.machine.stage(cancelled).moves[Event.RETRY] if rests else cancelled
            return done[: done.index(before) + rests] + whole
        rests = self.event is Event.FAILED and not self.target.task
        return whole[: whole.index(self.stage.name) + 1] if rests else whole

    def begin(self) -> str:
        """Let the job come to its move. Its id."""
        archive = self.archive
        if self.way is not Way.CANCELLED:
            return archive.begin(self.process)
        if not self.stage.task:
            id = archive.begin(self.process)
            assert archive.wait(id).stage == self.stage.name
            archive.ledger.cancel(id)
            return id
        id = archive.begin(self.process, level=Level.ALL)
        archive.bring_to(id, self.stage.name if self.event is Event.CANCEL else TAKEN_BACK_FROM[self.process])
        archive.ledger.cancel(id)
        return id

    @property
    def moves(self) -> str:
        return f"{self.process} {self.stage.name} {self.target.name}"


@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
@pytest.mark.parametrize(("cluster", "move"), CASES, ids=map(name_of, CASES), indirect=["cluster"])
def test_killed_at(archive: Archive, program: Program, move: Move, same_cubes: Callable[..., None]) -> None:
    scene = Scene(archive, move)
    before, after = (f"{scene.moves} {when}" for when in WHEN)

    archive.order(before)
    id = scene.begin()
    program.wait_until_killed(before)
    assert archive.ledger.get(id).stage == scene.stage.name
    lost = {task.id for task in archive.tasks(id) if task.state is TaskState.RUNNING}
    assert bool(lost) == (scene.event is not Event.CANCEL)

    archive.order(after)
    program.start_again()
    program.wait_until_killed(after)
    assert archive.ledger.get(id).stage == scene.target.name
    then = archive.tasks(id)
    assert all(task.state in (TaskState.DONE, TaskState.FAILED) for task in then)
    _check_attempts(then, lost=lost, scene=scene)

    program.start_again()
    job = archive.wait(id)
    tasks = archive.tasks(id)
    check_tasks(archive, id, scene.stages)
    _check_attempts(tasks, lost=lost, scene=scene)
    if scene.fails and scene.event is Event.FAILED:
        assert job.stage == scene.target.name
        assert "are to fail" in job.message
        archive.revoke(f"{scene.fails} fails")
        archive.ledger.retry(id)
    check_end(archive, id, scene.way, same_cubes)
    if scene.blocked is not None:
        check_untidy(archive, id, scene.blocked)


def _check_attempts(tasks: list[Task], *, lost: set[int], scene: Scene) -> None:
    """What was lost was done once more, and that is counted as such; nothing else was, and all has ended as it must."""
    failing = {scene.fails, "delete.files" if scene.blocked is not None else ""}
    for task in tasks:
        fails = scene.machine.stage(task.stage).task in failing
        assert task.state is (TaskState.FAILED if fails else TaskState.DONE)
        assert (task.attempt, task.orphaned, task.losses, task.failures) == (
            1 + (task.id in lost), int(task.id in lost), 0, int(fails)
        ), task  # fmt: skip
