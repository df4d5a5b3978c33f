"""The ledger moves tasks as their table says: all of its moves, and no others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from noted_moves import ALLOWED, noted_moves
from sqlalchemy import text

from prismcube.jobs.attempt import Attempt
from prismcube.jobs.entities import End, Job
from prismcube.model.task_states import TaskEvent, TaskState, leads_to
from prismcube.model.work import NewTask

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""

LATE = timedelta(hours=1)
ON_SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def state_of(driver: Driver, job: Job, name: str = "work") -> TaskState:
    (state,) = {task.state for task in driver.ledger.tasks(job.id) if task.name == name}
    return TaskState(state)


def tried(driver: Driver, *ends: End, **values: Any) -> Job:
    """A job of one task whose attempts have ended so."""
    job: Job = driver.submit(**values)
    for end in ends:
        (order,) = driver.claim("one")
        driver.end(order, end)
    return job


def two_in_turn(driver: Driver, end: End) -> Job:
    """A job with a task, which has ended so, and one after it."""
    job: Job = driver.submit("fan")
    (order,) = driver.claim("fan.prepare")
    tasks = [NewTask(name="a"), NewTask(name="b", after=("a",))]
    Attempt(order, driver.ledger, Path("unused")).hand_over("work", tasks)
    driver.end(order)
    assert state_of(driver, job, "b") is TaskState.WAITING
    (a,) = driver.claim("fan.work")
    driver.end(a, end)
    return job


def claimed(driver: Driver) -> TaskState:
    job = driver.submit()
    driver.claim("one")
    return state_of(driver, job)


def due(driver: Driver) -> TaskState:
    job = tried(driver, End.DISTURBED)
    driver.claims.tend(now=datetime.now(UTC) + LATE)
    return state_of(driver, job)


def forced(driver: Driver) -> TaskState:
    job = driver.submit()
    driver.claim("one")
    driver.ledger.retry(job.id, force=True)
    return state_of(driver, job)


def stopped(driver: Driver) -> Job:
    """A job that has used up its seconds."""
    job: Job = driver.submit(seconds=60)
    (order,) = driver.claim("one")
    driver.claims.tend(now=datetime.now(UTC) + LATE)
    driver.end(order, End.CANCELLED)
    return job


def retried(driver: Driver) -> TaskState:
    found = set()
    for ends in ([End.FAILED], [End.LOST] * 3, [End.CANCELLED], [End.TEMPORARY]):
        job = stopped(driver) if ends == [End.CANCELLED] else tried(driver, *ends)
        driver.ledger.retry(job.id, force=ends == [End.TEMPORARY])  # whose job has not failed
        found.add(state_of(driver, job))
        driver.ledger.cancel(job.id)
    (state,) = found
    return state


def retried_in_turn(driver: Driver) -> TaskState:
    job = two_in_turn(driver, End.FAILED)
    driver.ledger.retry(job.id)
    return state_of(driver, job, "b")


HOW: dict[TaskEvent, Callable[[Driver], TaskState]] = {
    TaskEvent.FREED: lambda driver: state_of(driver, two_in_turn(driver, End.DONE), "b"),
    TaskEvent.BEREFT: lambda driver: state_of(driver, two_in_turn(driver, End.FAILED), "b"),
    TaskEvent.CLAIMED: claimed,
    TaskEvent.DONE: lambda driver: state_of(driver, tried(driver, End.DONE)),
    TaskEvent.PUT_OFF: lambda driver: state_of(driver, tried(driver, End.TEMPORARY)),
    TaskEvent.FAILED: lambda driver: state_of(driver, tried(driver, End.FAILED)),
    TaskEvent.LOST_TOO_OFTEN: lambda driver: state_of(driver, tried(driver, *[End.LOST] * 3)),
    TaskEvent.STOPPED: lambda driver: state_of(driver, stopped(driver)),
    TaskEvent.LOST: lambda driver: state_of(driver, tried(driver, End.LOST)),
    TaskEvent.FORCED: forced,
    TaskEvent.DUE: due,
    TaskEvent.RETRIED: retried,
    TaskEvent.RETRIED_IN_TURN: retried_in_turn,
}
"""How the ledger is brought to each event, with the state in which it leaves the task."""


@pytest.mark.parametrize("event", TaskEvent)
def test_the_ledger_leads_where_the_table_says(driver: Driver, event: TaskEvent) -> None:
    assert HOW[event](driver) is leads_to(event)


@ON_SQLITE
def test_the_ledger_makes_every_move_of_the_table_and_no_other(driver: Driver) -> None:
    """No state and no move stands in the table that tasks never come to."""
    for drive in HOW.values():
        drive(driver)
        for job in driver.ledger.jobs():
            if not job.status.is_final:  # what is left of it would be claimed with the next
                driver.ledger.cancel(job.id)
    assert noted_moves(driver.ledger.engine) == ALLOWED


@ON_SQLITE
def test_a_move_that_the_table_does_not_have_is_noticed(driver: Driver) -> None:
    tried(driver, End.DONE)
    with driver.ledger.write() as connection:
        connection.execute(text("UPDATE task SET state = 'waiting'"))
    assert noted_moves(driver.ledger.engine) - ALLOWED == {(TaskState.DONE, TaskState.WAITING)}
    with driver.ledger.write() as connection:
        connection.execute(text("DELETE FROM noted_move"))
