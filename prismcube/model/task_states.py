"""States of tasks, as a table: what each means, and what leads from one to another.

    waiting ── ready ── running ── done
                 │         └─ delayed, failed, parked, cancelled
                 └──────────── and from there ready again, by itself or by a person

Whoever writes the state of a task takes it from here. A task can't tell by its state alone whether it may be claimed:
its job has to be in its stage (`prismcube.model.machine`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class TaskState(StrEnum):
    """Where a task is; `TASK_STATES` says what each means."""

    WAITING = "waiting"
    DELAYED = "delayed"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    PARKED = "parked"
    CANCELLED = "cancelled"

    @property
    def is_bad(self) -> bool:
        """It has ended, and what it was for has not been done."""
        return self in (TaskState.FAILED, TaskState.PARKED, TaskState.CANCELLED)

    @property
    def meaning(self) -> str:
        """What is true of a task in it; shown to people."""
        return TASK_STATES[self].meaning


class TaskEvent(StrEnum):
    """What moves a task from state to state; `TASK_EVENTS` says what each means."""

    FREED = "freed"
    BEREFT = "bereft"
    CLAIMED = "claimed"
    DONE = "done"
    PUT_OFF = "put off"
    FAILED = "failed"
    LOST_TOO_OFTEN = "lost too often"
    STOPPED = "stopped"
    LOST = "lost"
    FORCED = "forced"
    DUE = "due"
    RETRIED = "retried"
    RETRIED_IN_TURN = "retried in turn"


TASK_EVENTS: Mapping[TaskEvent, str] = {
    TaskEvent.FREED: "The last of the tasks that it comes after is done.",
    TaskEvent.BEREFT: "One of the tasks that it comes after has ended badly.",
    TaskEvent.CLAIMED: "The orchestrator gives it to an engine.",
    TaskEvent.DONE: "An attempt went well.",
    TaskEvent.PUT_OFF: "An attempt failed in a way that may pass, or was disturbed: the database was away, say.",
    TaskEvent.FAILED: "An attempt failed in a way that will not pass, or it was one of too many.",
    TaskEvent.LOST_TOO_OFTEN: "Its process or its orchestrator was gone once too often.",
    TaskEvent.STOPPED: "Its job was cancelled, or has used up a budget.",
    TaskEvent.LOST: "Its process or its orchestrator is gone.",
    TaskEvent.FORCED: "A person takes it from whoever has it, by a forced retry.",
    TaskEvent.DUE: "Its delay is over.",
    TaskEvent.RETRIED: "A person retries the job.",
    TaskEvent.RETRIED_IN_TURN: "A person retries the job, and tasks that it comes after have to be done before.",
}


@dataclass(frozen=True, kw_only=True)
class StateRow:
    """A row of the table."""

    meaning: str
    moves: Mapping[TaskEvent, TaskState] = field(default_factory=lambda: MappingProxyType({}))
    """The state that each event leads to; an event that is not listed can't happen here."""


TASK_STATES: Mapping[TaskState, StateRow] = {
    TaskState.WAITING: StateRow(
        meaning="It comes after other tasks of its stage, and not all of them are done.",
        moves={TaskEvent.FREED: TaskState.READY, TaskEvent.BEREFT: TaskState.CANCELLED},
    ),
    TaskState.READY: StateRow(
        meaning="It can be claimed as soon as its job is in its stage and waits for nobody.",
        moves={TaskEvent.CLAIMED: TaskState.RUNNING},
    ),
    TaskState.RUNNING: StateRow(
        meaning="It is claimed: an engine has it, and carries it out as soon as a process is free.",
        moves={
            TaskEvent.DONE: TaskState.DONE,
            TaskEvent.PUT_OFF: TaskState.DELAYED,
            TaskEvent.FAILED: TaskState.FAILED,
            TaskEvent.LOST_TOO_OFTEN: TaskState.PARKED,
            TaskEvent.STOPPED: TaskState.CANCELLED,
            TaskEvent.LOST: TaskState.READY,
            TaskEvent.FORCED: TaskState.READY,
        },
    ),
    TaskState.DONE: StateRow(meaning="What it was for is done."),
    TaskState.DELAYED: StateRow(
        meaning="It failed in a way that may pass, or was disturbed; it is tried again when it is `due`.",
        moves={TaskEvent.DUE: TaskState.READY, TaskEvent.RETRIED: TaskState.READY},
    ),
    TaskState.FAILED: StateRow(
        meaning="It failed in a way that will not pass, or as often as it may be tried; its message says why.",
        moves={TaskEvent.RETRIED: TaskState.READY},
    ),
    TaskState.PARKED: StateRow(
        meaning="Its processes, or its orchestrators, were gone so often that it may be what kills them.",
        moves={TaskEvent.RETRIED: TaskState.READY},
    ),
    TaskState.CANCELLED: StateRow(
        meaning="It was stopped with its job, or one of those that it waited for has ended badly.",
        moves={TaskEvent.RETRIED: TaskState.READY, TaskEvent.RETRIED_IN_TURN: TaskState.WAITING},
    ),
}


def beginning(waits: int) -> TaskState:
    """Where a task begins that comes after so many others."""
    return TaskState.WAITING if waits else TaskState.READY


def after(state: TaskState, event: TaskEvent) -> TaskState:
    """Where the event leads from there. Raises ValueError when it can't happen."""
    target = TASK_STATES[state].moves.get(event)
    if target is None:
        raise ValueError(f"a task that is {state} can't be {event}")
    return target


def happens_in(event: TaskEvent) -> tuple[TaskState, ...]:
    """The states in which it can happen."""
    return tuple(state for state, one, _ in walk() if one is event)


def leads_to(event: TaskEvent) -> TaskState:
    """Where the event leads: to one state, wherever it happens, so that one statement moves any number of tasks."""
    (target,) = {target for _, one, target in walk() if one is event}
    return target


def walk() -> Iterator[tuple[TaskState, TaskEvent, TaskState]]:
    """Every move of the table."""
    for state, row in TASK_STATES.items():
        for event, target in row.moves.items():
            yield state, event, target


def table_of_task_states() -> str:
    """The states, and what moves tasks between them, as tables of Markdown, for the docs."""
    lines = ["| state | meaning | then |", "| --- | --- | --- |"]
    for state, row in TASK_STATES.items():
        moves = ", ".join(f"{event}: `{target}`" for event, target in row.moves.items())
        lines.append(f"| `{state}` | {row.meaning} | {moves} |")
    lines += ["", "| by | what has happened |", "| --- | --- |"]
    lines += [f"| {event} | {meaning} |" for event, meaning in TASK_EVENTS.items()]
    return "\n".join(lines)
