"""Jobs run in the test's own process: a ledger that is a list, with the rules of the machines."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prismcube.errors import PrismcubeError
from prismcube.model.machine import Event, Stage
from prismcube.model.work import LogLevel, NewTask
from processes.process import Process
from processes.tools import Tools


class Killed(BaseException):
    """The process of a task is gone."""


@dataclass
class Task:
    """One of a job's tasks."""

    id: int
    stage: str
    name: str
    payload: Mapping[str, Any]
    result: Mapping[str, Any] | None = None
    error: Exception | None = None
    attempts: int = 0


@dataclass
class FakeWork:
    """An attempt of a task."""

    job: str
    task: int
    name: str
    payload: Mapping[str, Any]
    attempt: int
    inputs: Mapping[str, Any]
    scratch: Path
    of: FakeJob
    left_bytes: int | None = None
    handed: list[tuple[str, NewTask]] = field(default_factory=list)

    def progress(self, share: float, message: str = "") -> None:
        assert 0 <= share <= 1, message

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        self.of.messages.append(message)

    def hand_over(self, stage: str, tasks: Iterable[NewTask]) -> int:
        new = [(stage, one) for one in tasks]
        assert len({one.name for _, one in new}) == len(new), "names of tasks are unique"
        self.handed += new
        return len(new)

    def previous(self, stage: str) -> Iterable[Mapping[str, Any]]:
        return [task.result for task in self.of.tasks[stage] if task.result is not None]


class FakeJob:
    """A job, moved on by hand or to its end."""

    def __init__(self, process: Process, tools: Tools, inputs: Mapping[str, Any], scratch: Path, *, id: str) -> None:
        self.process = process
        self.tools = tools
        self.inputs = json.loads(json.dumps(inputs))
        self.scratch = scratch
        self.id = id
        self.stage: Stage = process.machine.first
        self.tasks: dict[str, list[Task]] = defaultdict(list)
        self.messages: list[str] = []
        self.left_bytes: int | None = None
        self._ids = itertools.count(1)
        self._enter()

    def _enter(self) -> None:
        if self.stage.task and not self.stage.fans_out and not self.open_tasks():
            self.tasks[self.stage.name].append(Task(next(self._ids), self.stage.name, self.stage.name, {}))

    def open_tasks(self) -> list[Task]:
        return [task for task in self.tasks[self.stage.name] if task.result is None]

    def attempt(self, task: Task) -> None:
        """Run a task once more; its result counts, with what it has handed over."""
        task.attempts += 1
        scratch = self.scratch / f"{task.id}-{task.attempts}"
        scratch.mkdir(parents=True)
        payload = json.loads(json.dumps(dict(task.payload)))
        work = FakeWork(self.id, task.id, task.name, payload, task.attempts, self.inputs, scratch, self)
        work.left_bytes = self.left_bytes
        body = self.process.bodies[self.process.machine.stage(task.stage).task]
        try:
            result = body(self.tools, work, payload)
        except PrismcubeError as error:
            task.error = error
            return
        finally:
            shutil.rmtree(scratch)
        task.result, task.error = json.loads(json.dumps(result)), None
        if work.handed:
            for stage in {stage for stage, _ in work.handed}:
                self.tasks[stage].clear()
            for stage, one in work.handed:
                self.tasks[stage].append(Task(next(self._ids), stage, one.name, dict(one.payload)))

    def move(self, event: Event) -> None:
        target = self.process.machine.after(self.stage.name, event)
        assert target is not None, f"{event} in {self.stage.name}"
        self.stage = target
        self._enter()

    def step(self) -> None:
        """All tasks of a stage, and on to the next."""
        for task in self.open_tasks():
            self.attempt(task)
        failed = any(task.error for task in self.tasks[self.stage.name])
        self.move(Event.FAILED if failed else Event.DONE)

    def run(self, *, until: str = "") -> FakeJob:
        """To a stage, or to where nothing goes on by itself."""
        while self.stage.task and self.stage.name != until:
            self.step()
        return self

    def retry(self) -> FakeJob:
        self.move(Event.RETRY)
        return self.run()

    def cancel(self) -> FakeJob:
        self.move(Event.CANCEL)
        return self.run()

    @property
    def results(self) -> Mapping[str, Any]:
        """Of the last stage with one task that has ended well."""
        done = [task for tasks in self.tasks.values() for task in tasks if task.result is not None]
        last = max((t for t in done if not self.process.machine.stage(t.stage).fans_out), key=lambda t: t.id)
        assert last.result is not None
        return last.result

    @property
    def error(self) -> str:
        return "; ".join(str(task.error) for tasks in self.tasks.values() for task in tasks if task.error)
