"""What becomes of a task after an attempt: a function of values, the clock among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from prismcube.jobs.entities import End, Outcome, TaskState

MOST_LOSSES = 3
"""Processes that a task may take with it before it is parked: the fault is likely its own."""

MOST_MOVES = 10
"""As often a task may change hands, with its orchestrator or cluster, before it is parked: it may have killed them."""

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=5)
"""Between attempts: doubled after each failure, from the first to the longest."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Where a task goes after an attempt."""

    task: int
    state: TaskState
    failures: int
    losses: int
    due: datetime | None
    message: str


def judge(outcome: Outcome, *, failures: int, losses: int, attempts: int, now: datetime) -> Verdict:
    """What becomes of a task that had failed and been lost so often before; it may fail `attempts` times in all.

    A loss is not a failure, but a task that is lost with its process three times is parked.
    """
    match outcome.end:
        case End.DONE:
            return _verdict(outcome, TaskState.DONE, failures, losses)
        case End.CANCELLED:
            return _verdict(outcome, TaskState.CANCELLED, failures, losses)
        case End.LOST if losses + 1 >= MOST_LOSSES:
            reason = f"parked: its process died {losses + 1} times; the last time: {outcome.message}"
            return _verdict(outcome, TaskState.PARKED, failures, losses + 1, message=reason)
        case End.LOST:
            return _verdict(outcome, TaskState.READY, failures, losses + 1)
        case End.DISTURBED:
            return _verdict(outcome, TaskState.DELAYED, failures, losses, due=now + FIRST_DELAY)
        case End.TEMPORARY if failures + 1 < attempts:
            delay = min(FIRST_DELAY * 2**failures, LONGEST_DELAY)
            return _verdict(outcome, TaskState.DELAYED, failures + 1, losses, due=now + delay)
        case _:
            return _verdict(outcome, TaskState.FAILED, failures + 1, losses)


def moved(task: int, *, failures: int, losses: int) -> Verdict:
    """What becomes of a task whose orchestrator is gone."""
    outcome = Outcome(task=task, attempt=0, end=End.LOST, message="its orchestrator is gone")
    if losses + 1 >= MOST_MOVES:
        reason = f"parked: it was lost {losses + 1} times, with its process or its orchestrator"
        return _verdict(outcome, TaskState.PARKED, failures, losses + 1, message=reason)
    return _verdict(outcome, TaskState.READY, failures, losses + 1, message="")


def _verdict(
    outcome: Outcome,
    state: TaskState,
    failures: int,
    losses: int,
    *,
    due: datetime | None = None,
    message: str | None = None,
) -> Verdict:
    told = outcome.message if message is None else message
    return Verdict(task=outcome.task, state=state, failures=failures, losses=losses, due=due, message=told)
