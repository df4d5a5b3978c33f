"""Jobs as people see them, driven by hand: every move of their machines, counts, limits, pages, idempotency."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from running import LONG
from sqlalchemy import delete, select, text

from prismcube.catalogue import Catalogue
from prismcube.catalogue.job_tables import job, job_callback, job_document
from prismcube.errors import Cancelled, Conflict, NotFound, NotYet
from prismcube.jobs import moves
from prismcube.jobs.attempt import Attempt, execute
from prismcube.jobs.claims import Claims
from prismcube.jobs.entities import End, Job, NewJob, Order
from prismcube.jobs.job_filter import JobFilter
from prismcube.jobs.leader import NotLeader
from prismcube.jobs.ledger import BACKLOG, Ledger
from prismcube.model.machine import Level, Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel, NewTask, Work

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""


def hand_over(driver: Driver, order: Order, stage: str, *tasks: NewTask) -> None:
    Attempt(order, driver.ledger, Path("unused")).hand_over(stage, tasks)


def fanned_out(driver: Driver, *tasks: NewTask, **values: object) -> Job:
    """A job whose first stage has handed these tasks over."""
    one = driver.submit("fan", **values)
    (order,) = driver.claim("fan.prepare")
    hand_over(driver, order, "work", *tasks)
    driver.end(order)
    return driver.ledger.get(one.id)


def test_job_of_one_task(driver: Driver) -> None:
    one = driver.submit(inputs={"a": 1})
    assert (one.status, one.stage, one.tasks, one.open) == (Status.ACCEPTED, "work", 1, 1)
    (order,) = driver.claim("one")
    assert (order.inputs, order.attempt, order.kind, order.left_bytes) == ({"a": 1}, 1, "one", None)
    assert driver.ledger.get(one.id).status is Status.RUNNING
    assert driver.claim("one") == []
    driver.end(order, result={"outputs": {"o": {"value": 3}}, "read_bytes": 12, "more": True})
    ended = driver.ledger.whole(one.id)
    assert (ended.status, ended.stage, ended.done, ended.bytes) == (Status.SUCCESSFUL, "done", 1, 12)
    assert ended.results == {"o": {"value": 3}}
    assert ended.started is not None
    assert ended.finished is not None
    (task,) = driver.ledger.tasks(one.id)
    assert (task.state, task.result) == (TaskState.DONE, {"more": True})
    assert next(line.message for line in driver.ledger.log(one.id)) == "submitted"


def test_stages_follow_each_other(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a", payload={"n": 1}), NewTask(name="b"))
    assert (one.stage, one.tasks, one.open) == ("work", 2, 2)
    first, second = driver.claim("fan.work")
    assert [first.name, second.name, first.payload] == ["a", "b", {"n": 1}]
    driver.end(first)
    assert driver.ledger.get(one.id).stage == "work"
    driver.end(second, result={"x": 1})
    assert driver.ledger.get(one.id).stage == "publish"
    (order,) = driver.claim("fan.publish")
    attempt = Attempt(order, driver.ledger, Path("unused"))
    assert list(attempt.previous("work")) == [{}, {"x": 1}]
    driver.end(order)
    assert driver.ledger.get(one.id).status is Status.SUCCESSFUL


def test_what_is_done_again_comes_before_what_was_never_begun(driver: Driver) -> None:
    """Tasks of a job by id, whatever became of them before."""
    fanned_out(driver, *(NewTask(name=f"t{n}") for n in range(2_000)))
    first = driver.claim("fan.work", 10)
    for order in (first[7], first[2]):
        driver.end(order, End.LOST)
    for order in first[3:5]:
        driver.end(order)
    again = driver.claim("fan.work", 4)
    assert [(order.task, order.attempt) for order in again] == [
        (first[2].task, 2),
        (first[7].task, 2),
        (first[9].task + 1, 1),
        (first[9].task + 2, 1),
    ]


def test_stage_without_tasks_is_passed(driver: Driver) -> None:
    assert fanned_out(driver).stage == "publish"


def test_tasks_wait_for_those_before(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b", after=("a",)), NewTask(name="c", after=("a", "b")))
    (a,) = driver.claim("fan.work")
    driver.end(a)
    (b,) = driver.claim("fan.work")
    assert b.name == "b"
    driver.end(b)
    (c,) = driver.claim("fan.work")
    driver.end(c)
    assert driver.ledger.get(one.id).stage == "publish"


def test_what_waits_for_a_failed_task_is_cancelled_and_retried_with_it(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b", after=("a",)), NewTask(name="c", after=("b",)))
    (a,) = driver.claim("fan.work")
    driver.end(a, End.FAILED, message="broken")
    failed = driver.ledger.get(one.id)
    assert (failed.stage, failed.status, failed.failed, failed.open) == ("work-failed", Status.FAILED, 3, 0)
    assert failed.message == "3 of 3 tasks failed; the first: a: broken"
    driver.ledger.retry(one.id)
    for name in ("a", "b", "c"):
        (order,) = driver.claim("fan.work")
        assert order.name == name
        driver.end(order)
    assert driver.ledger.get(one.id).stage == "publish"


def test_what_may_be_large_is_not_in_the_rows_that_are_read_all_the_time(driver: Driver, catalogue: Catalogue) -> None:
    """SQLite reads rows whole, and so an orchestrator would, of all jobs twice a second."""
    long = "x" * 1_000_000
    one = driver.submit(inputs={"a": long}, request={"outputs": {"o": {}}})
    (order,) = driver.claim("one")
    assert order.inputs == {"a": long}
    driver.end(order, result={"outputs": {"o": long}})
    whole = driver.ledger.whole(one.id)
    assert (whole.inputs, whole.request, whole.results) == ({"a": long}, {"outputs": {"o": {}}}, {"o": long})
    with catalogue.engine.connect() as connection:
        assert len(str(connection.execute(select(job)).one())) < 2_000
        if connection.dialect.name == "sqlite":  # and those of jobs that have ended not at all
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {BACKLOG}"), {"work_1": "", "work_2": ""}).one()
            assert "SEARCH job USING INDEX ix_job_work (work>" in plan.detail


def test_a_job_that_has_lost_its_documents_holds_up_no_other(driver: Driver, catalogue: Catalogue) -> None:
    lost, other = driver.submit(inputs={"a": 1}), driver.submit(inputs={"b": 2})
    with catalogue.engine.begin() as connection:
        connection.execute(delete(job_document).where(job_document.c.job_id == lost.id))
    first, second = driver.claim("one")
    assert (first.inputs, second.inputs) == ({}, {"b": 2})
    for order in (first, second):
        driver.end(order, result={"outputs": {"o": 1}})
    assert driver.ledger.whole(other.id).results == {"o": 1}
    assert driver.ledger.get(lost.id).status is Status.SUCCESSFUL


def test_a_stage_that_is_come_to_again_is_done_again(driver: Driver) -> None:
    """A machine may lead round in a circle: what its stages have done the time before tells nothing of this one."""
    one = driver.submit("delete-datasets")
    (order,) = driver.claim("delete.prepare")
    hand_over(driver, order, "delete-files", NewTask(name="a"), NewTask(name="b"))
    driver.end(order)
    driver.end(*driver.claim("delete.mark"))
    a, b = driver.claim("delete.files")
    driver.end(a)
    driver.end(b, End.FAILED, message="b.tif stays")
    for left in (2, 1):
        (rest,) = driver.claim("delete.remove-rest")
        driver.end(rest, result={"outputs": {"left": {"value": left}}})
        ended = driver.ledger.whole(one.id)
        assert (ended.stage, ended.results) == ("done-untidy", {"left": {"value": left}})
        driver.ledger.retry(one.id)
        (b,) = driver.claim("delete.files")
        assert b.name == "b"
        driver.end(b, End.FAILED, message="b.tif stays")
    assert driver.ledger.get(one.id).stage == "remove-rest"


def test_plain_retry_does_only_what_failed(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"))
    a, b = driver.claim("fan.work")
    driver.end(a)
    driver.end(b, End.FAILED, message="b.tif is gone")
    failed = driver.ledger.get(one.id)
    assert (failed.status, failed.message) == (Status.FAILED, "b: b.tif is gone")
    assert [line.message for line in driver.ledger.log(one.id, least=LogLevel.ERROR)] == ["b: b.tif is gone"] * 2
    again = driver.ledger.retry(one.id)
    assert (again.status, again.stage, again.open, again.finished) == (Status.RUNNING, "work", 1, None)
    (order,) = driver.claim("fan.work")
    assert (order.name, order.attempt) == ("b", 2)
    with pytest.raises(Conflict, match="nothing to retry"):
        driver.ledger.retry(one.id)


def test_temporary_failures_wait_and_are_counted(driver: Driver) -> None:
    one = driver.submit()
    (order,) = driver.claim("one")
    driver.end(order, End.TEMPORARY, message="busy")
    (task,) = driver.ledger.tasks(one.id)
    assert (task.state, task.failures) == (TaskState.DELAYED, 1)
    assert driver.claim("one") == []
    driver.claims.tend(now=datetime.now(UTC) + timedelta(minutes=10))
    (order,) = driver.claim("one")
    driver.end(order, End.TEMPORARY, message="busy")
    assert driver.ledger.get(one.id).status is Status.FAILED


def test_losses_cost_no_attempt_until_the_task_is_parked(driver: Driver) -> None:
    one = driver.submit()
    for _ in range(2):
        (order,) = driver.claim("one")
        driver.end(order, End.LOST, message="killed")
        (task,) = driver.ledger.tasks(one.id)
        assert (task.state, task.failures) == (TaskState.READY, 0)
    (order,) = driver.claim("one")
    driver.end(order, End.LOST, message="killed by SIGKILL")
    (task,) = driver.ledger.tasks(one.id)
    assert task.state is TaskState.PARKED
    assert driver.ledger.get(one.id).message == "parked: its process died 3 times; the last time: killed by SIGKILL"


def test_orchestrators_that_were_gone_are_no_deaths_of_its_process(driver: Driver, ledger: Ledger) -> None:
    one, leader = driver.submit(), driver
    for number in range(2):
        leader.claim("one")
        leader.claims.resign()
        leader = type(driver)(ledger, f"other {number}")
        assert leader.claims.take_over() == 1
    (order,) = leader.claim("one")
    leader.end(order, End.LOST, message="killed")
    (task,) = driver.ledger.tasks(one.id)
    assert (task.state, task.failures, task.losses, task.orphaned) == (TaskState.READY, 0, 1, 2)


def test_disturbances_cost_nothing(driver: Driver) -> None:
    one = driver.submit()
    for minutes in range(1, 9):
        (order,) = driver.claim("one")
        driver.end(order, End.DISTURBED, message="database away")
        driver.claims.tend(now=datetime.now(UTC) + timedelta(minutes=minutes))
    (task,) = driver.ledger.tasks(one.id)
    assert (task.state, task.failures, task.losses) == (TaskState.READY, 0, 0)


def test_result_of_another_attempt_does_not_count(driver: Driver, ledger: Ledger) -> None:
    one = driver.submit()
    (old,) = driver.claim("one")
    driver.claims.resign()
    other = type(driver)(ledger, "other")
    assert other.claims.take_over() == 1
    assert "1 of its tasks begin again: " in driver.ledger.log(one.id)[-1].message
    (new,) = other.claim("one")
    assert new.attempt == 2
    with pytest.raises(NotLeader):
        driver.end(old)
    assert other.end(old) == 0
    assert driver.ledger.get(one.id).status is Status.RUNNING
    assert other.end(new) == 1
    assert other.end(new) == 0
    assert driver.ledger.get(one.id).done == 1


def test_one_leads_at_a_time(ledger: Ledger) -> None:
    first, second = Claims(ledger, "first"), Claims(ledger, "second")
    assert first.lead({"engine": "local"}, seconds=LONG)
    assert not second.lead({})
    assert first.lead({}, seconds=LONG)
    first.resign()
    assert second.lead({})
    with pytest.raises(NotLeader):
        first.claim("one", 1)


def test_what_an_attempt_handed_over_counts_only_when_it_ends_well(driver: Driver) -> None:
    one = driver.submit("fan")
    (order,) = driver.claim("fan.prepare")
    hand_over(driver, order, "work", NewTask(name="a"), NewTask(name="b"))
    driver.end(order, End.LOST)
    (order,) = driver.claim("fan.prepare")
    hand_over(driver, order, "work", NewTask(name="c"))
    driver.end(order)
    assert [task.name for task in driver.ledger.tasks(one.id, stage="work")] == ["c"]
    assert driver.ledger.get(one.id).tasks == 1


def test_lost_attempt_can_hand_nothing_over(driver: Driver) -> None:
    driver.submit("fan")
    (old,) = driver.claim("fan.prepare")
    driver.end(old, End.LOST)
    driver.claim("fan.prepare")
    with pytest.raises(Cancelled):
        hand_over(driver, old, "work", NewTask(name="a"))


def test_names_of_tasks_are_checked(driver: Driver) -> None:
    driver.submit("fan")
    (order,) = driver.claim("fan.prepare")
    with pytest.raises(ValueError, match="two tasks"):
        hand_over(driver, order, "work", NewTask(name="a"), NewTask(name="a"))
    with pytest.raises(ValueError, match="not handed over before"):
        hand_over(driver, order, "work", NewTask(name="b", after=("z",)))


@pytest.mark.parametrize(
    ("level", "stages"),
    [
        (Level.NONE, []),
        (Level.CRITICAL, ["publish"]),
        (Level.MAJOR, ["work", "publish"]),
        (Level.ALL, ["prepare", "work", "publish"]),
    ],
)
def test_levels_pause_before_stages(driver: Driver, level: Level, stages: list[str]) -> None:
    one = driver.submit("fan", level=level)
    paused = []
    for stage in ("prepare", "work", "publish"):
        now = driver.ledger.get(one.id)
        if now.paused:
            paused.append(now.stage)
            assert driver.claim(f"fan.{stage}") == []
            driver.ledger.resume(one.id)
        (order,) = driver.claim(f"fan.{stage}")
        if stage == "prepare":
            hand_over(driver, order, "work", NewTask(name="a"))
        driver.end(order)
    assert paused == stages
    assert driver.ledger.get(one.id).status is Status.SUCCESSFUL
    with pytest.raises(Conflict, match="waits for nobody"):
        driver.ledger.resume(one.id)


def test_cancel_waits_for_what_runs_and_then_rolls_back(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"))
    (running,) = driver.claim("fan.work", 1)
    cancelled = driver.ledger.cancel(one.id)
    assert (cancelled.status, cancelled.stopping) == (Status.DISMISSED, "rollback")
    assert driver.claim("fan.work") == []
    driver.claims.tend()
    assert driver.ledger.get(one.id).stage == "work"  # something of it still runs
    assert driver.claims.held() == {(running.task, running.attempt): True}
    with pytest.raises(Cancelled):
        Attempt(running, driver.ledger, Path("unused")).progress(0.5)
    driver.end(running, End.CANCELLED)
    assert driver.ledger.get(one.id).stage == "rollback"
    (order,) = driver.claim("fan.rollback")
    driver.end(order)
    ended = driver.ledger.get(one.id)
    assert (ended.stage, ended.status) == ("cancelled", Status.DISMISSED)
    assert driver.ledger.cancel(one.id) == ended


def test_cancel_of_what_has_not_begun(driver: Driver) -> None:
    one = driver.submit()
    assert driver.ledger.cancel(one.id).status is Status.DISMISSED
    assert driver.claim("one") == []
    driver.claims.tend()
    assert driver.ledger.get(one.id).stage == "cancelled"


def test_cancel_after_a_failure_rolls_back(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"))
    (order,) = driver.claim("fan.work")
    driver.end(order, End.FAILED, message="no")
    driver.ledger.cancel(one.id)
    driver.claims.tend()
    assert driver.ledger.get(one.id).stage == "rollback"


def test_what_has_ended_can_not_be_cancelled(driver: Driver) -> None:
    one = driver.submit()
    (order,) = driver.claim("one")
    driver.end(order)
    with pytest.raises(Conflict, match="can't be cancelled"):
        driver.ledger.cancel(one.id)


def test_forced_retry_takes_tasks_from_whoever_has_them(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"))
    a, b = driver.claim("fan.work")
    driver.end(a)
    driver.ledger.retry(one.id, force=True)
    assert driver.end(b) == 0
    assert driver.claims.held() == {}
    (again,) = driver.claim("fan.work")
    assert (again.task, again.attempt) == (b.task, 2)


def test_idempotency_key(driver: Driver) -> None:
    wanted = NewJob(process="one", inputs={"a": [1.5, None]}, owner="me", key="k")
    first, new = driver.ledger.submit(wanted)
    second, newer = driver.ledger.submit(wanted)
    assert (first.id, new, newer) == (second.id, True, False)
    with pytest.raises(Conflict, match="another request"):
        driver.ledger.submit(NewJob(process="one", inputs={"a": 2}, owner="me", key="k"))
    for other in ({"priority": 1}, {"most_bytes": 5}, {"level": Level.ALL}, {"request": {"response": "raw"}}):
        with pytest.raises(Conflict, match="another request"):
            driver.ledger.submit(replace(wanted, **other))
    assert driver.ledger.submit(replace(wanted, request={"base": "http://elsewhere"}))[0].id == first.id
    other, new = driver.ledger.submit(NewJob(process="one", inputs={}, owner="you", key="k"))
    assert new
    assert other.id != first.id


def test_unknown_process_and_job(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        ledger.submit(NewJob(process="none"))
    for call in (ledger.get, ledger.cancel, ledger.retry, ledger.resume, ledger.delete, ledger.tasks, ledger.log):
        with pytest.raises(NotFound):
            call("none")  # type: ignore[operator]  # all of them take an id first


def test_priority_then_age(driver: Driver) -> None:
    ids = [driver.submit(priority=priority).id for priority in (0, 5, 0, 9)]
    assert [order.job for order in driver.claim("one")] == [ids[3], ids[1], ids[0], ids[2]]


def test_time_budget_stops_and_keeps_what_is_done(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"), seconds=60)
    (a,) = driver.claim("fan.work", 1)
    driver.end(a)
    driver.claims.tend()
    assert driver.ledger.get(one.id).status is Status.RUNNING
    late = datetime.now(UTC) + timedelta(seconds=61)
    driver.claims.tend(now=late)
    driver.claims.tend(now=late)
    stopped = driver.ledger.get(one.id)
    assert (stopped.stage, stopped.status) == ("work-failed", Status.FAILED)
    assert "60 s are over" in stopped.message
    assert driver.claim("fan.work") == []
    driver.ledger.retry(one.id)
    (b,) = driver.claim("fan.work")
    assert b.name == "b"


@pytest.mark.parametrize("number", [1, 2])
def test_byte_budget_stops(driver: Driver, number: int) -> None:
    """Also after the last task of a stage: what follows is not begun."""
    one = fanned_out(driver, *(NewTask(name=name) for name in "ab"[:number]), most_bytes=100)
    (a,) = driver.claim("fan.work", 1)
    assert (a.left_bytes, Attempt(a, driver.ledger, Path("unused")).left_bytes) == (100, 100)
    driver.end(a, result={"read_bytes": 101})
    assert driver.claim("fan.work") == driver.claim("fan.publish") == []
    driver.claims.tend()
    stopped = driver.ledger.get(one.id)
    assert (stopped.stage, stopped.status, stopped.bytes) == ("work-failed", Status.FAILED, 101)
    assert "more than 100 bytes" in stopped.message
    driver.ledger.retry(one.id)  # what it may read, it may read again
    for order in driver.claim("fan.work"):
        assert order.left_bytes == 100
        driver.end(order, result={"read_bytes": 100})
    assert [order.left_bytes for order in driver.claim("fan.publish")] == [100 if number == 1 else 0]
    assert driver.ledger.get(one.id).stage == "publish"


def test_pages_and_filters(driver: Driver) -> None:
    ids = [driver.submit(owner="me" if n % 2 else "you").id for n in range(5)]
    first = driver.ledger.jobs(limit=2)
    rest = driver.ledger.jobs(after=driver.ledger.key(first[-1]), limit=10)
    assert [one.id for one in (*first, *rest)] == ids[::-1]
    assert [one.id for one in driver.ledger.jobs(JobFilter(owner="me"))] == [ids[3], ids[1]]
    assert driver.ledger.jobs(JobFilter(processes=["fan"])) == []
    (order,) = driver.claim("one", 1)
    driver.end(order)
    assert [one.id for one in driver.ledger.jobs(JobFilter(statuses=[Status.SUCCESSFUL]))] == [ids[0]]
    when = driver.ledger.get(ids[2]).created
    assert [one.id for one in driver.ledger.jobs(JobFilter(created_from=when))] == ids[:1:-1]
    assert [one.id for one in driver.ledger.jobs(JobFilter(created_to=when))] == ids[2::-1]


def test_filter_by_duration(driver: Driver) -> None:
    short, long, _ = driver.submit(), driver.submit(), driver.submit()
    first, second = driver.claim("one", 2)
    begun = driver.ledger.get(short.id).started
    assert begun is not None
    for order, seconds in ((first, 5), (second, 50)):
        driver.end(order)
        ended = begun + timedelta(seconds=seconds)
        with driver.ledger.write() as connection:
            moves.change(connection, order.job, ended, finished=ended, started=begun)
    assert [one.id for one in driver.ledger.jobs(JobFilter(least_seconds=10))] == [long.id]
    assert [one.id for one in driver.ledger.jobs(JobFilter(most_seconds=10))] == [short.id]


def test_running_jobs_have_a_duration_too(driver: Driver) -> None:
    one = driver.submit()
    driver.claim("one")
    later = datetime.now(UTC) + timedelta(seconds=100)
    assert [job.id for job in driver.ledger.jobs(JobFilter(least_seconds=90), now=later)] == [one.id]
    assert driver.ledger.jobs(JobFilter(most_seconds=90), now=later) == []


def test_delete_and_what_is_old(driver: Driver) -> None:
    one, two, three = driver.submit(), driver.submit(), driver.submit()
    with pytest.raises(Conflict, match="has not ended"):
        driver.ledger.delete(one.id)
    first, second = driver.claim("one", 2)
    driver.end(first)
    driver.end(second, End.FAILED, message="no")
    with pytest.raises(Conflict, match="cancel it first"):  # what it has begun is still to be taken back
        driver.ledger.delete(two.id)
    driver.ledger.cancel(two.id)
    driver.claims.tend()
    driver.ledger.delete(two.id)
    with pytest.raises(NotFound):
        driver.ledger.get(two.id)
    assert [job.id for job in driver.ledger.ended(datetime.now(UTC) + timedelta(days=1))] == [one.id]
    assert driver.ledger.ended(datetime.now(UTC) - timedelta(days=1)) == []
    driver.ledger.delete(one.id)
    assert [job.id for job in driver.ledger.jobs()] == [three.id]


@pytest.mark.parametrize("at", ["ready", "paused", "running", "stopping", "rollback", "failed"])
def test_jobs_whose_process_is_gone_can_be_given_up(driver: Driver, at: str) -> None:
    one = fanned_out(driver, NewTask(name="a"), level=Level.MAJOR if at == "paused" else Level.NONE)
    if at == "failed":
        (order,) = driver.claim("fan.work")
        driver.end(order, End.FAILED, message="no")
    if at in ("running", "stopping"):
        driver.claim("fan.work")
    if at in ("stopping", "rollback"):
        driver.ledger.cancel(one.id)
    if at == "rollback":
        driver.claims.tend()
        assert driver.ledger.get(one.id).stage == "rollback"
    ledger = Ledger(driver.ledger.engine, {})
    claims = Claims(ledger, "other")
    driver.claims.resign()
    claims.lead({}, seconds=LONG)
    claims.take_over()
    claims.tend()
    before = ledger.get(one.id)
    machine = ledger.machine(before)
    assert "'fan'" in machine.stage(before.stage).meaning
    for move in (ledger.retry, ledger.resume, *([ledger.cancel] if at == "failed" else [ledger.delete])):
        with pytest.raises(Conflict):
            move(one.id)
    assert ledger.get(one.id) == before
    if at != "failed":
        ledger.cancel(one.id)
        claims.tend()
        assert (ledger.get(one.id).stage, ledger.get(one.id).status) == ("given-up", Status.DISMISSED)
    ledger.delete(one.id)
    assert ledger.jobs() == []


def test_a_stage_that_a_process_has_no_more_stops_nothing_else(driver: Driver) -> None:
    one, other = fanned_out(driver, NewTask(name="a")), driver.submit(seconds=0)
    with driver.ledger.write() as connection:
        moves.change(connection, one.id, datetime.now(UTC), stage="former", deadline=datetime.now(UTC))
    driver.claim("one")
    driver.claims.tend()
    assert driver.ledger.get(other.id).stopping == "failed"
    driver.ledger.cancel(one.id)
    driver.claims.tend()
    assert driver.ledger.get(one.id).stage == "given-up"


def test_progress_is_told_and_summed(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"))
    a, _ = driver.claim("fan.work")
    Attempt(a, driver.ledger, Path("unused")).progress(0.25, "a quarter")
    task = driver.ledger.tasks(one.id, states=[TaskState.RUNNING])[0]
    assert (task.progress, task.message) == (0.25, "a quarter")
    assert driver.ledger.running(one.id) == 0.25
    assert driver.ledger.backlog() == {"fan.work": 2}


def test_unknown_kind_fails_with_its_reason(driver: Driver, tmp_path: Path) -> None:
    driver.submit()
    (order,) = driver.claim("one")
    outcome = execute(order, driver.ledger, {}, tmp_path)
    assert (outcome.end, "kind 'one'" in outcome.message) == (End.FAILED, True)


def test_what_comes_too_early_costs_nothing(driver: Driver, tmp_path: Path) -> None:
    def body(work: Work) -> dict[str, Any]:
        raise NotYet("files stay 5 s more")

    driver.submit()
    (order,) = driver.claim("one")
    outcome = execute(order, driver.ledger, {"one": body}, tmp_path)
    assert (outcome.end, outcome.message) == (End.DISTURBED, "files stay 5 s more")


def test_subscriber_rows_come_with_the_status(driver: Driver) -> None:
    addresses = {"successUri": "http://x/s", "inProgressUri": "http://x/p", "failedUri": "http://x/f"}
    driver.submit(request={"subscriber": addresses})
    (order,) = driver.claim("one")
    driver.end(order)
    with driver.ledger.read() as connection:
        told = [(row.event, row.url) for row in connection.execute(select(job_callback))]
    assert told == [("running", "http://x/p"), ("successful", "http://x/s")]
