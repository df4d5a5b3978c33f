"""Rows that were edited by hand, or are damaged: each hurts its own job alone, which says so."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from prismcube.catalogue.dialects import POSTGRESQL, SQLITE
from prismcube.errors import Conflict, UnreadableRow
from prismcube.jobs.attempt import Attempt
from prismcube.jobs.claims import Claims
from prismcube.jobs.documents import task_document
from prismcube.jobs.entities import End, Job
from prismcube.jobs.leader import renew
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from prismcube.jobs.readable import state_of
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import NewTask

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""

NO_JSON, NO_TEXT, LIST = "no JSON", b"\xff\xfe{", "[1]"
LATER = timedelta(minutes=2)


@pytest.fixture
def driver(driver: Driver) -> Driver:
    """It leads, however long a busy machine takes: bad rows are read column by column."""
    with driver.ledger.write() as connection:
        assert renew(connection, driver.claims.me, {}, seconds=600)
    return driver


def write(ledger: Ledger, table: str, id: object, **values: object) -> None:
    """Change a row as a person does with the database's own tools, past all checks."""
    key = "job_id" if table == "job_document" else "id"
    with ledger.write() as connection:
        is_json = connection.dialect.name == POSTGRESQL and set(values) <= {"inputs", "payload"}
        form = "CAST(:{0} AS JSONB)" if is_json else ":{0}"
        sets = ", ".join(f"{name} = {form.format(name)}" for name in values)
        connection.execute(text(f"UPDATE {table} SET {sets} WHERE {key} = :key"), {**values, "key": id})


def of_database(ledger: Ledger, *, sqlite: list[Any], postgresql: list[Any]) -> list[Any]:
    """What each takes: SQLite anything."""
    return sqlite if ledger.engine.dialect.name == SQLITE else postgresql


def fanned_out(driver: Driver, *tasks: NewTask, **values: object) -> Job:
    one = driver.submit("fan", **values)
    (order,) = driver.claim("fan.prepare")
    Attempt(order, driver.ledger, SimpleNamespace()).hand_over("work", tasks)  # type: ignore[arg-type]  # it needs no folder
    driver.end(order)
    return driver.ledger.get(one.id)


def test_what_can_not_be_claimed_fails_and_all_others_go_on(driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    values = of_database(driver.ledger, sqlite=[NO_JSON, NO_TEXT, LIST], postgresql=[LIST])
    first = driver.submit()
    bad: dict[str, tuple[str, object, str]] = {}
    for value in values:
        one, other = driver.submit(inputs={"n": 1}), driver.submit()
        bad[one.id] = ("job_document", one.id, "inputs")
        bad[other.id] = ("task", driver.ledger.tasks(other.id)[0].id, "payload")
        for table, id, column in (bad[one.id], bad[other.id]):
            write(driver.ledger, table, id, **{column: value})
    last = driver.submit()
    with caplog.at_level(logging.ERROR):
        assert [order.job for order in driver.claim("one")] == [first.id, last.id]
        assert driver.claim("one") == []
    assert len(caplog.records) == len(bad)  # each is told once
    driver.claims.tend()
    for id, (table, key, column) in bad.items():
        one = driver.ledger.get(id)
        assert (one.status, one.stage, one.open) == (Status.FAILED, "failed", 0)
        assert f"{table}.{column}" in one.message
        assert "retry" in one.message
        assert any(f"{table}.{column}" in line.message for line in driver.ledger.log(id))
        write(driver.ledger, table, key, **{column: "{}"})
        driver.ledger.retry(id)
    for order in driver.claim("one"):
        driver.end(order)
    assert {driver.ledger.get(id).status for id in bad} == {Status.SUCCESSFUL}


def test_an_orchestrator_goes_on(driver: Driver) -> None:
    bad, good = driver.submit(inputs={"a": 1}), driver.submit()
    write(driver.ledger, "job_document", bad.id, inputs=LIST)
    submitted: list[Any] = []
    engine = SimpleNamespace(
        finished=list, attempts=set, about=dict, room=lambda _: 10, submit=submitted.append, cancel=lambda *_: None
    )
    driver.claims.resign()
    one = Orchestrator(driver.ledger, engine, windows=Windows(by_kind={}))  # type: ignore[arg-type]  # as much of one as is asked
    one.cycle()
    assert [order.job for order in submitted] == [good.id]


def test_jobs_whose_rules_can_not_be_read_fail_are_listed_and_go(driver: Driver) -> None:
    wrong = of_database(
        driver.ledger,
        sqlite=[("level", "odd"), ("level", NO_TEXT), ("most_bytes", "many")],
        postgresql=[("level", "odd"), ("deadline", "-infinity")],
    )
    good = driver.submit()
    bad = {driver.submit().id: column for column, _ in wrong}
    for id, (column, value) in zip(bad, wrong, strict=True):
        write(driver.ledger, "job", id, **{column: value})
    listed = {one.id: one for one in driver.ledger.jobs()}
    assert listed.keys() == {*bad, good.id}
    assert {id: listed[id].unreadable for id in bad} == {id: (column,) for id, column in bad.items()}
    assert [order.job for order in driver.claim("one")] == [good.id]
    driver.claims.tend()
    for id, column in bad.items():
        one = driver.ledger.get(id)
        assert (one.status, one.process) == (Status.FAILED, "one")
        assert f"job.{column}" in one.message
        with pytest.raises(Conflict, match=f"job.{column}"):
            driver.ledger.retry(id)
        driver.ledger.cancel(id)
    driver.claims.tend()
    for id in bad:
        driver.ledger.delete(id)
    assert [one.id for one in driver.ledger.jobs()] == [good.id]


def test_rules_that_can_not_be_read_any_more_stop_a_job_that_runs(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"))
    (order,) = driver.claim("fan.work")
    write(driver.ledger, "job", one.id, level="odd")
    driver.end(order)
    assert (driver.ledger.get(one.id).status, driver.ledger.get(one.id).stage) == (Status.FAILED, "work-failed")
    driver.ledger.cancel(one.id)
    driver.claims.tend()
    driver.ledger.resume(one.id)  # rather too often than not: nobody knows whether it should wait
    (order,) = driver.claim("fan.rollback")
    driver.end(order)
    assert driver.ledger.get(one.id).stage == "cancelled"


def test_pages_of_jobs_go_on_after_those_of_no_known_time(driver: Driver) -> None:
    values = of_database(
        driver.ledger, sqlite=["yesterday", 2**62, -(2**62), NO_TEXT], postgresql=["infinity", "-infinity"]
    )
    ids = [driver.submit().id for _ in range(6)]
    bad = ids[1 : 1 + len(values)]
    for id, value in zip(bad, values, strict=True):
        write(driver.ledger, "job", id, created=value)
    found: list[Job] = []
    while page := driver.ledger.jobs(limit=1, after=driver.ledger.key(found[-1]) if found else None):
        found += page
    assert sorted(one.id for one in found) == sorted(ids)
    assert {one.id for one in found if one.unreadable} == set(bad)
    for order in driver.claim("one"):
        driver.end(order)
    assert {one.status for one in driver.ledger.jobs()} == {Status.SUCCESSFUL}  # it is all the same to their work


def test_what_is_asked_of_a_job_whose_documents_can_not_be_read_is_refused_by_name(driver: Driver) -> None:
    one = driver.submit(key="k", owner="o")
    write(driver.ledger, "job_document", one.id, inputs=LIST)
    with pytest.raises(UnreadableRow, match=one.id):
        driver.ledger.whole(one.id)
    with pytest.raises(UnreadableRow, match="inputs"):
        driver.ledger.of_key("o", "k")
    assert driver.ledger.get(one.id).unreadable == ()


def test_tasks_are_listed_whatever_they_hold(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"))
    bad = driver.ledger.tasks(one.id, stage="work")[0]
    write(driver.ledger, "task", bad.id, payload=LIST)
    first, second = driver.ledger.tasks(one.id, stage="work")
    assert "task.payload" in first.message
    assert (first.payload, second.message) == ({}, "")


# --- counts ----------------------------------------------------------------------------------------------------------


def test_a_job_that_counts_too_many_open_tasks_ends_all_the_same(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"))
    write(driver.ledger, "job", one.id, open=7)
    first, second = driver.claim("fan.work")
    driver.end(first)
    driver.claims.tend(now=datetime.now(UTC) + LATER)  # something runs
    assert driver.ledger.get(one.id).open == 6
    driver.end(second)
    driver.claims.tend(now=datetime.now(UTC) + 2 * LATER)
    assert driver.ledger.get(one.id).stage == "publish"
    assert any("counted anew: open is 0, not 5" in line.message for line in driver.ledger.log(one.id))


def test_a_job_that_counts_too_few_open_tasks_leaves_none_out(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b"), NewTask(name="c"))
    write(driver.ledger, "job", one.id, open=1)
    driver.end(driver.claim("fan.work", 1)[0])
    assert (driver.ledger.get(one.id).stage, driver.ledger.get(one.id).open) == ("work", 2)
    first, second = driver.claim("fan.work")
    driver.end(first)
    driver.end(second, End.FAILED, message="broken")
    assert driver.ledger.get(one.id).stage == "work-failed"


def test_tasks_that_wait_for_more_than_there_is_wait_no_more(driver: Driver) -> None:
    for end, stage in ((End.DONE, "publish"), (End.FAILED, "work-failed")):
        one = fanned_out(driver, NewTask(name="a"), NewTask(name="b", after=("a",)))
        waiting = driver.ledger.tasks(one.id, states=[TaskState.WAITING])[0]
        write(driver.ledger, "task", waiting.id, waits=5)
        driver.end(driver.claim("fan.work")[0], end)
        driver.claims = Claims(driver.ledger, driver.claims.me)  # it looks at once
        driver.claims.tend(now=datetime.now(UTC) + LATER)
        for order in driver.claim("fan.work"):
            driver.end(order)
        assert driver.ledger.get(one.id).stage == stage


def test_tasks_that_wait_for_each_other_fail_their_job(driver: Driver) -> None:
    one = fanned_out(driver, NewTask(name="a"), NewTask(name="b", after=("a",)))
    a, b = driver.ledger.tasks(one.id, stage="work")
    with driver.ledger.write() as connection:
        connection.execute(text("INSERT INTO edge (parent, child) VALUES (:b, :a)"), {"a": a.id, "b": b.id})
        connection.execute(text("DROP TRIGGER IF EXISTS note_move")) if connection.dialect.name == SQLITE else None
        connection.execute(text("UPDATE task SET state = 'waiting', waits = 1 WHERE id = :a"), {"a": a.id})
    driver.claims.tend(now=datetime.now(UTC) + LATER)
    driver.claims.tend()
    assert "wait for each other" in driver.ledger.get(one.id).message
    assert driver.ledger.get(one.id).stage == "work-failed"


def test_jobs_that_go_on_are_left_alone(driver: Driver) -> None:
    """Whether something of them is ready, runs, or is delayed."""
    ready, runs, delayed = driver.submit(priority=-1), driver.submit(), driver.submit()
    orders = {order.job: order for order in driver.claim("one", 2)}
    driver.end(orders[delayed.id], End.DISTURBED)
    before = {id: len(driver.ledger.log(id)) for id in (ready.id, runs.id, delayed.id)}
    driver.claims.tend(now=datetime.now(UTC) + LATER)
    assert {id: len(driver.ledger.log(id)) for id in before} == before


@pytest.mark.parametrize("end", [End.DONE, End.FAILED])
def test_a_job_that_has_ended_and_says_that_it_works_hurts_nobody(driver: Driver, end: End) -> None:
    one, other = driver.submit(), driver.submit()
    first, second = driver.claim("one")
    driver.end(first, end, message="ended")
    write(driver.ledger, "job", one.id, work="x", open=3)
    driver.claims.tend(now=datetime.now(UTC) + LATER)
    there = driver.ledger.get(one.id)
    assert (there.stage, there.open) == ("done" if end is End.DONE else "failed", 0)
    assert "its work was 'x', which its stage has not" in driver.ledger.log(one.id)[-1].message
    driver.end(second)
    assert driver.ledger.get(other.id).status is Status.SUCCESSFUL
    write(driver.ledger, "job", one.id, work="x")
    if end is End.FAILED:
        driver.ledger.cancel(one.id)
        driver.claims.tend()
    driver.ledger.delete(one.id)  # nobody has to wait until that is mended


def test_a_job_that_works_at_what_its_stage_has_not_is_put_right(driver: Driver) -> None:
    one = driver.submit()
    write(driver.ledger, "job", one.id, work="x")
    assert driver.claim("one") == []
    driver.claims.tend(now=datetime.now(UTC) + LATER)
    (order,) = driver.claim("one")
    driver.end(order)
    assert driver.ledger.get(one.id).status is Status.SUCCESSFUL


def test_a_deadline_without_its_seconds_ends_the_job_alone(driver: Driver) -> None:
    one = driver.submit()
    (order,) = driver.claim("one")
    long_ago = of_database(driver.ledger, sqlite=[1], postgresql=["2001-01-01T00:00:00Z"])[0]
    write(driver.ledger, "job", one.id, deadline=long_ago)
    driver.claims.tend()
    driver.end(order, End.CANCELLED)
    there = driver.ledger.get(one.id)
    assert there.status is Status.FAILED
    assert "its time is over" in there.message


def test_states_and_shares_that_are_none(driver: Driver) -> None:
    one = driver.submit()
    (task,) = driver.ledger.tasks(one.id)
    write(driver.ledger, "task", task.id, progress=1e18)
    assert [task_document(task)["progress"] for task in driver.ledger.tasks(one.id)] == [100]
    assert [state_of(value) for value in ("odd", b"", None, "done")] == [*3 * [TaskState.FAILED], TaskState.DONE]
