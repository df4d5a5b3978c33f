"""Jobs that are being stopped, by a limit or a person: what they tell meanwhile, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prismcube.errors import Conflict
from prismcube.jobs.attempt import Attempt
from prismcube.jobs.entities import End, Job
from prismcube.model.machine import Event, Machine, Stage, Status
from prismcube.model.machines import DELETE_DATASETS
from prismcube.model.work import NewTask

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""

LATE = timedelta(hours=1)


def late(driver: Driver) -> None:
    driver.claims.tend(now=datetime.now(UTC) + LATE)


def of_two(driver: Driver, process: str, first: str, stage: str, **values: Any) -> Job:
    """A job whose first stage has handed two tasks over."""
    one: Job = driver.submit(process, **values)
    (order,) = driver.claim(first)
    Attempt(order, driver.ledger, Path("unused")).hand_over(stage, [NewTask(name="a"), NewTask(name="b")])
    driver.end(order)
    return one


def test_a_job_has_failed_when_nothing_of_it_runs_and_can_then_be_retried(driver: Driver) -> None:
    one = driver.submit(seconds=60)
    (order,) = driver.claim("one")
    late(driver)
    stopping = driver.ledger.get(one.id)
    assert (stopping.status, stopping.stopping, stopping.finished) == (Status.RUNNING, "failed", None)
    assert "its 60 s are over: it is stopped" in stopping.message
    assert driver.claims.held() == {(order.task, order.attempt): True}
    late(driver)
    assert driver.ledger.get(one.id) == stopping
    driver.end(order, End.CANCELLED)
    failed = driver.ledger.get(one.id)
    assert (failed.status, failed.stopping, failed.message) == (Status.FAILED, "", stopping.message)
    assert failed.finished is not None
    assert driver.ledger.retry(one.id).status is Status.RUNNING
    (again,) = driver.claim("one")
    driver.end(again)
    assert driver.ledger.get(one.id).status is Status.SUCCESSFUL


@pytest.mark.parametrize("number", [1, 2])
def test_bytes_stop_a_job_in_the_same_way(driver: Driver, number: int) -> None:
    """Whether or not anything of it still runs."""
    one = of_two(driver, "fan", "fan.prepare", "work", most_bytes=100)
    first, *rest = driver.claim("fan.work", number)
    driver.end(first, result={"read_bytes": 101})
    assert driver.ledger.get(one.id).status is Status.RUNNING
    with pytest.raises(Conflict, match="is being stopped"):
        driver.ledger.retry(one.id)
    for order in rest:
        driver.end(order, End.CANCELLED)
    driver.claims.tend()
    assert driver.ledger.get(one.id).status is Status.FAILED
    assert driver.ledger.retry(one.id).open == 1


@pytest.mark.parametrize("by", ["limit", "person"])
def test_what_is_refused_while_a_job_is_being_stopped(driver: Driver, by: str) -> None:
    one = driver.submit(seconds=60)
    driver.claim("one")
    late(driver) if by == "limit" else driver.ledger.cancel(one.id)
    before = driver.ledger.get(one.id)
    for move in (driver.ledger.retry, driver.ledger.resume, driver.ledger.delete):
        with pytest.raises(Conflict, match="is being stopped; wait"):
            move(one.id)
    with pytest.raises(Conflict, match="is being stopped; wait"):
        driver.ledger.retry(one.id, force=True)
    assert driver.ledger.get(one.id) == before


def test_a_person_may_cancel_what_a_limit_stops(driver: Driver) -> None:
    one = driver.submit(seconds=60)
    (order,) = driver.claim("one")
    late(driver)
    assert driver.ledger.cancel(one.id).status is Status.DISMISSED
    driver.end(order, End.CANCELLED)
    assert (driver.ledger.get(one.id).stage, driver.ledger.get(one.id).failed) == ("cancelled", 1)


def test_a_cancel_is_not_undone_by_a_retry(driver: Driver) -> None:
    one = driver.submit()
    (order,) = driver.claim("one")
    driver.end(order, End.FAILED, message="no")
    driver.ledger.cancel(one.id)
    with pytest.raises(Conflict, match="is being stopped"):
        driver.ledger.retry(one.id)
    driver.claims.tend()
    assert driver.ledger.get(one.id).stage == "cancelled"


def test_what_is_taken_back_is_waited_for(driver: Driver) -> None:
    """To cancel it first, as others are told, would change nothing."""
    one = of_two(driver, "fan", "fan.prepare", "work")
    driver.ledger.cancel(one.id)
    driver.claims.tend()
    assert driver.ledger.get(one.id).stage == "rollback"
    with pytest.raises(Conflict, match="has not ended; wait"):
        driver.ledger.delete(one.id)


def test_what_a_limit_stops_rests_at_once(driver: Driver) -> None:
    """Also where the machine leads on when a stage fails: that would be done beyond the limit."""
    one = of_two(driver, "delete-datasets", "delete.prepare", "delete-files", seconds=60)
    driver.end(*driver.claim("delete.mark"))
    a, b = driver.claim("delete.files")
    driver.end(a)
    late(driver)
    driver.end(b, End.CANCELLED)
    assert driver.claim("delete.remove-rest") == []
    rests = driver.ledger.get(one.id)
    assert (rests.stage, rests.status, "60 s" in rests.message) == ("remove-rest-failed", Status.FAILED, True)
    driver.ledger.retry(one.id)
    driver.end(*driver.claim("delete.remove-rest"))
    assert driver.ledger.get(one.id).stage == "done-untidy"
    driver.ledger.retry(one.id)
    (again,) = driver.claim("delete.files")
    assert again.name == "b"


def test_where_a_machine_rests() -> None:
    rest = {stage.name: DELETE_DATASETS.rest_after(stage.name) for stage in DELETE_DATASETS.stages if stage.task}
    assert {name: stage.name for name, stage in rest.items() if stage} == {
        **{name: f"{name}-failed" for name in ("prepare", "mark", "remove", "remove-rest", "rollback")},
        "delete-files": "remove-rest-failed",
    }
    moves = {Event.DONE: "done"}
    circle = Machine(
        (
            Stage(name="a", meaning="", status=Status.RUNNING, task="a", moves={**moves, Event.FAILED: "b"}),
            Stage(name="b", meaning="", status=Status.RUNNING, task="b", moves={**moves, Event.FAILED: "a"}),
            Stage(name="done", meaning="", status=Status.SUCCESSFUL),
        )
    )
    assert circle.rest_after("a") is circle.rest_after("done") is None
