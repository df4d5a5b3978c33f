"""What callbacks tell is what was true of the event, whatever has become of the job since."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from prismcube.catalogue.job_tables import job_callback
from prismcube.jobs.addresses import Addresses, site_of
from prismcube.jobs.callbacks import Callbacks
from prismcube.jobs.entities import End, Job
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.results import ResultFiles

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""

LONG = 60
"""Seconds after which a test that waits has failed."""
BASE = "http://server.example"
URIS = {name: f"http://a.example/{name}" for name in ("successUri", "inProgressUri", "failedUri")}
Told = Callable[[], dict[str, list[Any]]]


@pytest.fixture
def told(ledger: Ledger) -> Iterator[Told]:
    """Sends all that has come to pass, long after it has; what came, by address."""
    got: dict[str, list[Any]] = {name: [] for name in URIS}
    addresses = Addresses(resolve=lambda host, port: ["93.184.216.34"])
    sender = Callbacks(
        ledger,
        ResultFiles("file:///nowhere"),
        addresses,
        send=lambda target, body: got[target.path[1:]].append(json.loads(body)),
    )

    def rows() -> list[Any]:
        with ledger.read() as connection:
            return [*connection.execute(select(job_callback))]

    def send() -> dict[str, list[Any]]:
        deadline = time.monotonic() + LONG
        while rows():
            assert time.monotonic() < deadline
            sender.send_due(now=datetime.now(UTC) + timedelta(days=1))
            time.sleep(0.01)
        return got

    yield send
    sender.close()


def submitted(driver: Driver, process: str = "one") -> Job:
    one: Job = driver.submit(process, request={"base": BASE, "subscriber": URIS})
    return one


def failed(driver: Driver, reason: str) -> None:
    (order,) = driver.claim("one")
    driver.end(order, End.FAILED, message=reason)


def test_that_work_has_begun_is_told_of_a_job_that_has_ended(driver: Driver, told: Told) -> None:
    one = submitted(driver)
    (order,) = driver.claim("one")
    begun = driver.ledger.get(one.id)
    driver.end(order, result={"outputs": {"answer": 42}})
    got = told()
    [status] = got["inProgressUri"]
    assert (status["status"], status["message"], status["jobID"]) == ("running", begun.message, one.id)
    assert datetime.fromisoformat(status["started"]) == begun.started
    assert "finished" not in status
    assert "exception" not in status
    assert status["prismcube:job"]["tasks"]["open"] == 1
    assert status["links"][0]["href"] == f"{BASE}/jobs/{one.id}"
    assert {link["rel"] for link in status["links"]} >= {"monitor", "cancel"}
    assert got["successUri"] == [{"answer": 42}]


def test_failures_are_told_of_a_job_that_went_well_at_last(driver: Driver, told: Told) -> None:
    """Each with its own reason."""
    one = submitted(driver)
    failed(driver, "the disk is full")
    driver.ledger.retry(one.id)
    failed(driver, "the disk is gone")
    driver.ledger.retry(one.id)
    driver.end(*driver.claim("one"))
    got = told()
    assert [status["status"] for status in got["failedUri"]] == ["failed"] * 2
    assert {status["message"] for status in got["failedUri"]} == {"the disk is full", "the disk is gone"}
    for status in got["failedUri"]:
        problem = {"type": "about:blank", "title": "The job is failed", "detail": status["message"]}
        assert (status["exception"], status["prismcube:job"]["stage"]) == (problem, "failed")
        assert "finished" in status
    assert (len(got["inProgressUri"]), got["successUri"]) == (1, [{}])


def test_a_failure_and_its_cancelling_are_told_as_two(driver: Driver, told: Told) -> None:
    one = submitted(driver)
    failed(driver, "no")
    driver.ledger.cancel(one.id)
    driver.claims.tend()
    got = told()["failedUri"]
    assert {(status["status"], status["exception"]["title"]) for status in got} == {
        ("failed", "The job is failed"),
        ("dismissed", "The job is dismissed"),
    }


def test_what_is_told_needs_no_process_any_more(driver: Driver, told: Told) -> None:
    submitted(driver)
    failed(driver, "no")
    driver.ledger.definitions = {}
    [status] = told()["failedUri"]
    assert status["prismcube:job"]["meaning"].startswith("It did not go well")


def test_a_job_without_subscriber_notes_nothing(driver: Driver, ledger: Ledger) -> None:
    driver.submit()
    failed(driver, "no")
    with ledger.read() as connection:
        assert connection.execute(select(job_callback)).all() == []


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("http://A.example/x?y", "a.example"),
        ("https://a.example:8000?x", "a.example:8000"),
        ("http://[::1]:80/", "[::1]:80"),
        ("http://[", ""),
        ("x", ""),
    ],
)
def test_sites(url: str, site: str) -> None:
    assert site_of(url) == site


def test_the_site_is_noted(driver: Driver, ledger: Ledger) -> None:
    submitted(driver)
    driver.claim("one")
    with ledger.read() as connection:
        assert connection.scalars(select(job_callback.c.site)).all() == ["a.example"]
