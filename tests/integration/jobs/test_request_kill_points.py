"""Who submits a job is killed, and who asks for a retry, a cancellation or a continuation at all stages that know it.

Just before the request is committed nothing has come of it, and it can be made again. Just after, all has come of it:
made again, it changes nothing. Either way the job goes on to its end. No task is executed here: the tests claim them,
and tell what came of them.

make test     the stages of one machine on SQLite
make chaos    (PRISMCUBE_CHAOS) those of all machines, on both databases
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from prismcube.catalogue import Catalogue
from prismcube.errors import Conflict
from prismcube.jobs.attempt import Attempt
from prismcube.jobs.claims import Claims
from prismcube.jobs.entities import End, Job, NewJob, Order, Outcome, Task
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Event, Level, Machine, Stage, Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import NewTask
from server.jobs.registry import PROCESSES, definitions

FULL = "PRISMCUBE_CHAOS" in os.environ
PROGRAM = Path(__file__).with_name("request_program.py")
WHEN = ("before", "after")
REQUESTS = ("retry", "cancel", "resume")
LOGGED = {"retry": "retried", "cancel": "cancelled by a person", "resume": "continued"}
SHORT = "index"


def stages_for(request: str, machine: Machine) -> list[Stage]:
    """Where it can be made."""
    if request == "resume":
        return [stage for stage in machine.stages if stage.task and Level.ALL.pauses_at(stage.pause)]
    return [stage for stage in machine.stages if Event(request) in stage.moves]


SUBMISSIONS = [(process, when) for process in PROCESSES for when in WHEN]
POINTS = [
    (request, process, stage, when)
    for request in REQUESTS
    for process, one in PROCESSES.items()
    for stage in stages_for(request, one.machine)
    for when in WHEN
]


def test_number_of_kill_points() -> None:
    """A request that a stage is added for is one whose process is killed: these numbers then change."""
    assert Counter(request for request, *_ in POINTS) == {"retry": 2 * 22, "cancel": 2 * 31, "resume": 2 * 19}
    assert len(POINTS) == 144
    assert len(SUBMISSIONS) == 16


class Requests:
    """The program that makes them."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def make(self, request: str, when: str, id: str, url: str) -> None:
        """One, and see that its process was killed for it."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        print(request, when, id, url, file=self._program.stdin, flush=True)
        pid, signal_ = map(int, self._program.stdout.readline().split())
        assert signal_ == signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def close(self) -> None:
        self._program.communicate()
        assert self._program.returncode == 0


@pytest.fixture(scope="module")
def requests() -> Iterator[Requests]:
    made = Requests()
    yield made
    made.close()


class Walk:
    """A job, and an orchestrator that is told what comes of its tasks."""

    def __init__(self, ledger: Ledger, folder: Path, job: Job) -> None:
        self.ledger = ledger
        self.machine = PROCESSES[job.process].machine
        self.id = job.id
        self.claimed = Counter[int]()
        self._folder = folder
        self._leader = Claims(ledger, "me")

    @property
    def _claims(self) -> Claims:
        """Its lease begins anew, however slow the machine is."""
        assert self._leader.lead({})
        return self._leader

    @property
    def job(self) -> Job:
        return self.ledger.get(self.id)

    @property
    def tasks(self) -> list[Task]:
        return self.ledger.tasks(self.id)

    def claim(self) -> list[Order]:
        orders = self._claims.claim(self.machine.stage(self.job.stage).task, 100)
        self.claimed.update(order.task for order in orders)
        return orders

    def end(self, orders: list[Order], end: End) -> None:
        for order in orders:
            if order.stage == self.machine.first.name and end is End.DONE:
                self._hand_over(order)
        self._claims.finish([Outcome(task=one.task, attempt=one.attempt, end=end, message="told so") for one in orders])
        self._claims.tend()

    def _hand_over(self, order: Order) -> None:
        for stage in self.machine.stages:
            if stage.fans_out:
                Attempt(order, self.ledger, self._folder).hand_over(stage.name, [NewTask(name="a"), NewTask(name="b")])

    def move(self, event: Event) -> None:
        """By an event, as the table says."""
        target = self.machine.after(self.job.stage, event)
        assert target is not None
        with suppress(Conflict):  # it waits for nobody
            self.ledger.resume(self.id)
        match event:
            case Event.DONE | Event.FAILED:
                self.end(self.claim(), End.DONE if event is Event.DONE else End.FAILED)
            case Event.CANCEL:
                self.ledger.cancel(self.id)
                self._claims.tend()
            case Event.RETRY:
                self.ledger.retry(self.id)
        assert self.job.stage == target.name

    def go_to(self, stage: str) -> None:
        """By the shortest way."""
        for event in way_to(self.machine, stage):
            self.move(event)

    def go_to_end(self) -> Job:
        while not self.job.finished or self.job.stopping:
            if self.job.stopping:
                self._claims.tend()
            else:
                self.move(Event.DONE)
        return self.job

    def state(self) -> Any:
        """All that a request may change."""
        return self.job, self.tasks, self.ledger.log(self.id, limit=1000)

    def logged(self, request: str) -> int:
        return sum(line.message == LOGGED[request] for line in self.ledger.log(self.id, limit=1000))


def way_to(machine: Machine, stage: str) -> list[Event]:
    ways: dict[str, list[Event]] = {machine.first.name: []}
    while stage not in ways:
        for source, event, target in machine.walk():
            if source.name in ways and target not in ways:
                ways = {**ways, target: [*ways[source.name], event]}
    return ways[stage]


@pytest.fixture
def ledger(catalogue: Catalogue) -> Ledger:
    return Ledger(catalogue.engine, definitions(1))


@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
@pytest.mark.parametrize("process", PROCESSES if FULL else [SHORT])
@pytest.mark.parametrize("request_", REQUESTS)
def test_killed_at(ledger: Ledger, url: str, requests: Requests, request_: str, process: str, tmp_path: Path) -> None:
    for stage in stages_for(request_, PROCESSES[process].machine):
        for when in WHEN:
            wanted = NewJob(process=process, level=Level.ALL if request_ == "resume" else Level.NONE)
            walk = Walk(ledger, tmp_path, ledger.submit(wanted)[0])
            walk.go_to(stage.name)
            _check(walk, stage, request_, when, url, requests)


@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
@pytest.mark.parametrize(("process", "when"), SUBMISSIONS if FULL else [(SHORT, when) for when in WHEN])
def test_submission_killed_at(
    ledger: Ledger, url: str, requests: Requests, process: str, when: str, tmp_path: Path
) -> None:
    """Who submits again with the same key gets the one job there is."""
    requests.make("submit", when, process, url)
    made = [job.id for job in ledger.jobs()]
    assert len(made) == (when == "after")
    for number in range(2):
        job, is_new = ledger.submit(NewJob(process=process, key=when))
        assert is_new == (when == "before" and number == 0)
        assert made in ([], [job.id])
    assert len(list(ledger.jobs())) == 1
    walk = Walk(ledger, tmp_path, job)
    assert walk.go_to_end().status is Status.SUCCESSFUL
    assert {task.id: task.attempt for task in walk.tasks if task.attempt} == dict(walk.claimed)
    assert set(Counter((task.stage, task.name) for task in walk.tasks).values()) == {1}


def _check(walk: Walk, stage: Stage, request: str, when: str, url: str, requests: Requests) -> None:
    running = walk.claim() if request == "cancel" and stage.task else []
    before, made = walk.state(), walk.logged(request)
    requests.make(request, when, walk.id, url)
    if when == "before":
        assert walk.state() == before
        getattr(walk.ledger, request)(walk.id)
    _check_made(walk, stage, request)
    assert walk.logged(request) == made + 1

    after = walk.state()
    if request == "cancel":  # to cancel twice is to cancel once
        walk.ledger.cancel(walk.id)
    else:
        with pytest.raises(Conflict):
            getattr(walk.ledger, request)(walk.id)
    assert walk.state() == after

    walk.end(running, End.CANCELLED)
    _check_end(walk, stage, request)


def _check_made(walk: Walk, stage: Stage, request: str) -> None:
    job = walk.job
    match request:
        case "retry":
            assert (job.stage, job.status) == (stage.moves[Event.RETRY], Status.RUNNING)
            assert {task.state for task in walk.tasks if task.stage == job.stage} <= {TaskState.READY, TaskState.DONE}
        case "cancel":
            assert (job.stage, job.stopping) == (stage.name, stage.moves[Event.CANCEL])
            assert job.status is Status.DISMISSED
        case "resume":
            assert (job.stage, job.paused) == (stage.name, False)


def _check_end(walk: Walk, stage: Stage, request: str) -> None:
    """Its tasks were made once, and tried as often as they were claimed."""
    cancelled = request == "cancel" or Event.CANCEL in way_to(walk.machine, stage.name)
    assert walk.go_to_end().status is (Status.DISMISSED if cancelled else Status.SUCCESSFUL)
    tasks = walk.tasks
    assert set(Counter((task.stage, task.name) for task in tasks).values()) == {1}
    assert {task.id: task.attempt for task in tasks if task.attempt} == dict(walk.claimed)
    assert {(task.losses, task.orphaned) for task in tasks} == {(0, 0)}
