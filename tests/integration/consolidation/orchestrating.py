"""The moves of jobs that an orchestrator makes, a program that makes them, and a job that is about to make one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from dask_cluster import DaskCluster
from killed_tasks import MACHINES
from killing import LONG, TAKEN_BACK_FROM, Archive, Way, check_end, check_tasks, check_untidy, stages_on, way_of
from sqlalchemy import update

from prismcube.catalogue.job_tables import job_leader
from prismcube.errors import CatalogueUnavailable
from prismcube.jobs.entities import Task
from prismcube.model.machine import Event, Level, Stage
from prismcube.model.task_states import TaskState

PROGRAM = Path(__file__).with_name("killed_program.py")

Move = tuple[str, Stage, Event, str]
"""Process, stage, event, and the stage that it leads to."""

MOVES: list[Move] = [
    (process, *move) for process, machine in MACHINES.items() for move in machine.walk() if move[1] is not Event.RETRY
]
"""All that the orchestrator makes; it is the API that lets a job go on by `retry`."""
WHEN = ("before", "after")


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

    @property
    def is_running(self) -> bool:
        """Whether the one that was started last still is."""
        return self._running is not None and self._running.poll() is None

    def stop(self) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.terminate()
            assert self._running.wait(LONG) in (
                0,
                -signal.SIGTERM,
            )  # when there was nothing left to do it is still loading


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
            self._cancel(id)
            return id
        id = archive.begin(self.process, level=Level.ALL)
        archive.bring_to(id, self.stage.name if self.event is Event.CANCEL else TAKEN_BACK_FROM[self.process])
        self._cancel(id)
        return id

    def _cancel(self, id: str) -> None:
        with suppress(CatalogueUnavailable):  # it is written, and the database killed for what came of it at once
            self.archive.ledger.cancel(id)

    def is_failing(self, task: Task) -> bool:
        """Whether a task fails by what was ordered, or by a file that can't be deleted."""
        failing = {self.fails, "delete.files" if self.blocked is not None else ""}
        return self.machine.stage(task.stage).task in failing

    @property
    def moves(self) -> str:
        return f"{self.process} {self.stage.name} {self.target.name}"


def wait_for_kill(archive: Archive, number: int) -> None:
    """Until so many have been killed."""
    deadline = time.monotonic() + LONG
    while len(archive.killed()) < number:
        assert time.monotonic() < deadline, archive.open_orders()
        time.sleep(0.01)


def recorded(scene: Scene, id: str) -> dict[int, int]:
    """Attempts of the tasks of the stage that the job has left, all of which have ended."""
    tasks = [task for task in scene.archive.tasks(id) if task.stage == scene.stage.name]
    assert all(task.state in (TaskState.DONE, TaskState.FAILED) for task in tasks)
    return {task.id: task.attempt for task in tasks}


def check(scene: Scene, id: str, same_cubes: Callable[..., None], kept: Mapping[int, int] | None = None) -> None:
    """The job goes on to its end, no attempt has failed but by what was ordered, and none was charged.

    `kept`: what `recorded` told when a move was committed; these are not made again.
    """
    archive = scene.archive
    archive.wait(id)
    check_tasks(archive, id, scene.stages)
    for task in archive.tasks(id):
        fails = scene.is_failing(task)
        assert task.state is (TaskState.FAILED if fails else TaskState.DONE)
        assert (task.failures, task.losses) == (int(fails), 0)
        # Of one that could not tell its end, of each of the two kills.
        assert task.attempt - 1 <= 2
    attempts = {task.id: task.attempt for task in archive.tasks(id)}
    assert {task: attempts[task] for task in kept or ()} == dict(kept or {})
    check_goal(scene, id, same_cubes)


def check_goal(scene: Scene, id: str, same_cubes: Callable[..., None]) -> None:
    """The job has come to the end of its way; one that failed by what was ordered, when that is revoked."""
    archive = scene.archive
    job = archive.wait(id)
    if scene.fails and scene.event is Event.FAILED:
        assert job.stage == scene.target.name
        assert "are to fail" in job.message
        archive.revoke(f"{scene.fails} fails")
        archive.ledger.retry(id)
    check_end(archive, id, scene.way, same_cubes)
    if scene.blocked is not None:
        check_untidy(archive, id, scene.blocked)
