"""What becomes of a task after an attempt: always a move of the table of its states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.jobs.decisions import LONGEST_DELAY, MOST_LOSSES, MOST_MOVES, Past, judge, moved
from prismcube.jobs.entities import End, Outcome
from prismcube.model.task_states import TASK_STATES, TaskEvent, TaskState

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FROM_RUNNING = {
    target for event, target in TASK_STATES[TaskState.RUNNING].moves.items() if event is not TaskEvent.FORCED
}
"""By what attempts come to; a forced retry asks for none."""

pasts = st.builds(Past, failures=st.integers(0, 40), losses=st.integers(0, 5), orphaned=st.integers(0, 12))


def ended(end: End) -> Outcome:
    return Outcome(task=1, attempt=1, end=end)


@given(st.sampled_from(End), pasts, st.integers(1, 5))
def test_a_verdict_is_a_move_of_the_table(end: End, past: Past, attempts: int) -> None:
    verdict = judge(ended(end), past, attempts=attempts, now=NOW)
    assert verdict.state in FROM_RUNNING
    assert (verdict.due is not None) == (verdict.state is TaskState.DELAYED)
    if verdict.due is not None:
        assert timedelta(0) < verdict.due - NOW <= LONGEST_DELAY


@given(pasts)
def test_a_task_whose_orchestrator_is_gone_is_ready_or_parked(past: Past) -> None:
    assert moved(1, past).state is (TaskState.PARKED if past.orphaned + 1 >= MOST_MOVES else TaskState.READY)


@pytest.mark.parametrize(
    ("end", "past", "state"),
    [
        (End.DONE, Past(), TaskState.DONE),
        (End.FAILED, Past(), TaskState.FAILED),  # for good, whatever it may be tried
        (End.TEMPORARY, Past(), TaskState.DELAYED),
        (End.TEMPORARY, Past(failures=2), TaskState.FAILED),  # the third of three attempts
        (End.DISTURBED, Past(failures=2), TaskState.DELAYED),  # which is not counted
        (End.LOST, Past(), TaskState.READY),
        (End.LOST, Past(losses=MOST_LOSSES - 1), TaskState.PARKED),
        (End.CANCELLED, Past(), TaskState.CANCELLED),
    ],
)
def test_where_each_end_leads(end: End, past: Past, state: TaskState) -> None:
    assert judge(ended(end), past, attempts=3, now=NOW).state is state


def test_every_move_from_running_comes_of_some_attempt() -> None:
    found = {judge(ended(end), past, attempts=3, now=NOW).state for end in End for past in (Past(), Past(losses=9))}
    assert found == FROM_RUNNING
