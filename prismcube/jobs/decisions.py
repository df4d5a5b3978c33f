"""What becomes of a task after an attempt: a function of values, the clock among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prismcube.jobs.entities import End, Outcome
from prismcube.model.task_states import TaskEvent, TaskState, after

MOST_LOSSES = 3
"""Processes that a task may take with it before it is parked: the fault is likely its own."""

MOST_MOVES = 10
"""As often a task may change hands, with its orchestrator or cluster, before it is parked: it may have killed them."""

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=5)
"""Between attempts: doubled after each failure, from the first to the longest."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """What has come of a task's attempts that did not end well; each kind is counted by itself."""

    failures: int = 0
    """By its own fault."""
    losses: int = 0
    """That took their process with them."""
    orphaned: int = 0
    """Whose orchestrator was gone."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Where a task goes after an attempt."""

    task: int
    state: TaskState
    past: Past
    due: datetime | None
    message: str


def judge(outcome: Outcome, past: Past, *, attempts: int, now: datetime) -> Verdict:
    """What becomes of a task of such a past; it may fail `attempts` times in all.

    A loss is not a failure, but a task that is lost with its process three times is parked.
    """
    failed, lost = replace(past, failures=past.failures + 1), replace(past, losses=past.losses + 1)
    match outcome.end:
        case End.DONE:
            return _verdict(outcome, TaskEvent.DONE, past)
        case End.CANCELLED:
            return _verdict(outcome, TaskEvent.STOPPED, past)
        case End.LOST if lost.losses >= MOST_LOSSES:
            reason = f"parked: its process died {lost.losses} times; the last time: {outcome.message}"
            return _verdict(outcome, TaskEvent.LOST_TOO_OFTEN, lost, message=reason)
        case End.LOST:
            return _verdict(outcome, TaskEvent.LOST, lost)
        case End.DISTURBED:
            return _verdict(outcome, TaskEvent.PUT_OFF, past, due=now + FIRST_DELAY)
        case End.TEMPORARY if failed.failures < attempts:
            delay = min(FIRST_DELAY * 2**past.failures, LONGEST_DELAY)
            return _verdict(outcome, TaskEvent.PUT_OFF, failed, due=now + delay)
        case _:
            return _verdict(outcome, TaskEvent.FAILED, failed)


def moved(task: int, past: Past) -> Verdict:
    """What becomes of a task whose orchestrator is gone."""
    outcome = Outcome(task=task, attempt=0, end=End.LOST, message="its orchestrator is gone")
    now = replace(past, orphaned=past.orphaned + 1)
    if now.orphaned >= MOST_MOVES:
        reason = f"parked: its orchestrator was gone {now.orphaned} times while it ran"
        return _verdict(outcome, TaskEvent.LOST_TOO_OFTEN, now, message=reason)
    return _verdict(outcome, TaskEvent.LOST, now, message="")


def _verdict(
    outcome: Outcome, event: TaskEvent, past: Past, *, due: datetime | None = None, message: str | None = None
) -> Verdict:
    told = outcome.message if message is None else message
    state = after(TaskState.RUNNING, event)
    return Verdict(task=outcome.task, state=state, past=past, due=due, message=told)
