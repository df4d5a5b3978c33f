"""What the ledger keeps, and what goes between it, the orchestrator and the engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from prismcube.model.machine import Level, Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job as it is submitted; its inputs have been checked."""

    process: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    """What the client wants done with the outputs: `outputs`, `response`, `subscriber` of the standard."""
    owner: str = ""
    """Who submits it; empty: anybody."""
    key: str | None = None
    """An idempotency key: to submit it twice is to submit it once."""
    priority: int = 0
    """Higher ones first, within a kind of tasks."""
    level: Level = Level.NONE
    most_bytes: int | None = None
    """That its tasks may read; more stops the job, what is done stays."""
    seconds: float | None = None
    """That it may run for."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it is."""

    id: str
    process: str
    owner: str
    priority: int
    level: Level
    stage: str
    """Of the process's machine."""
    status: Status
    paused: bool
    """It waits for `continue` before this stage."""
    stopping: str
    """The stage that it goes to when what runs has stopped; empty: it goes on."""
    message: str
    created: datetime
    started: datetime | None
    updated: datetime
    finished: datetime | None
    tasks: int
    """Of the stage."""
    open: int
    """Those that have not ended."""
    failed: int
    """Those that ended badly."""
    done: int
    """Of all stages."""
    bytes: int
    """Read by its tasks so far."""
    unreadable: tuple[str, ...] = ()
    """What of its row nobody can read: these have stand-ins here, and the message says why."""


@dataclass(frozen=True, kw_only=True)
class WholeJob(Job):
    """A job with what it was asked, and what it has answered: megabytes, perhaps."""

    inputs: Mapping[str, Any]
    request: Mapping[str, Any]
    """Outputs, response and subscriber, as they were asked for."""
    results: Mapping[str, Any]
    """Outputs by their ids."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as it is."""

    id: int
    job_id: str
    stage: str
    state: TaskState
    name: str
    payload: Mapping[str, Any]
    bytes: int
    attempt: int
    failures: int
    losses: int
    orphaned: int
    started: datetime | None
    finished: datetime | None
    due: datetime | None
    progress: float
    """0 to 1."""
    message: str
    result: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line of a job's log."""

    id: int
    job_id: str
    task_id: int | None
    time: datetime
    level: LogLevel
    stage: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Order:
    """An attempt of a task, as an engine gets it; it is pickled on its way to another process."""

    task: int
    attempt: int
    """With the owner, what makes a result count: a later attempt has taken its place otherwise."""
    owner: str
    """The orchestrator."""
    job: str
    kind: str
    stage: str
    name: str
    payload: Mapping[str, Any]
    inputs: Mapping[str, Any]
    """Of the job."""
    left_bytes: int | None = None
    """Of the job's budget when the attempt was given out; None: it has none."""


class End(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"  # for good: to try again would end the same way
    TEMPORARY = "temporary"  # it may well succeed later
    DISTURBED = "disturbed"  # the database was away, it was too early, or the like; it had no part in it
    LOST = "lost"  # its process or machine is gone; it may not have been its fault
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an attempt."""

    task: int
    attempt: int
    end: End
    result: Mapping[str, Any] = field(default_factory=dict)
    """Of a task that is done: small. Its members `outputs` (the job's results) and `read_bytes` are the ledger's."""
    message: str = ""
    """Why it did not end well; of a task that did, what people are told of a job that ends with it."""
