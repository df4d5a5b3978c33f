"""Old jobs go with their results, however many they are and whatever has to stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from prismcube.errors import CatalogueUnavailable, SourceError
from prismcube.jobs import moves
from prismcube.jobs.entities import End, Outcome
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from server.jobs import run as module
from server.jobs.run import Housekeeping

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""

LONG = 60
"""Seconds after which a test that waits has failed."""
PAGE = 3


class Files:
    """Results, some of which can't be removed; notes which were."""

    def __init__(self, *stay: str) -> None:
        self.stay = stay
        self.asked: list[str] = []

    def remove(self, job: str, results: Any) -> None:
        assert results == {"of": job}
        self.asked.append(job)
        if job in self.stay:
            raise SourceError(job, "can't be removed")


class NoCallbacks:
    def send_due(self) -> int:
        return 0


def kept(ledger: Ledger, files: Files, *, leads: Callable[[], bool] = lambda: True) -> None:
    """What becomes of old jobs when their time has come."""
    made: Any = Housekeeping  # what it calls of files and callbacks is all that they have
    keep = made(ledger, files, NoCallbacks(), keep=timedelta(days=1), leads=leads)
    keep()
    keep._pruning.join(LONG)
    assert not keep._pruning.is_alive()
    keep()  # not again so soon
    assert not keep._pruning.is_alive()


@pytest.fixture
def old(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """More jobs than stand on two pages, of which some are of the same instant, and one that is not old."""
    monkeypatch.setattr(module, "PRUNE_PAGE", PAGE)
    ids = [driver.submit().id for _ in range(2 * PAGE + 2)]
    done = [
        Outcome(task=order.task, attempt=order.attempt, end=End.DONE, result={"outputs": {"of": order.job}})
        for order in driver.claim("one")
    ]
    driver.claims.finish(done)
    then = datetime.now(UTC) - timedelta(days=2)
    with driver.ledger.write() as connection:
        for number, id in enumerate(ids):
            at = then + timedelta(seconds=number // 4)
            moves.change(connection, id, at, created=at, finished=at)
    driver.submit()
    return ids


def test_all_go_at_once(driver: Driver, old: list[str]) -> None:
    files = Files()
    kept(driver.ledger, files)
    assert sorted(files.asked) == sorted(old)
    assert len(driver.ledger.jobs()) == 1


def test_those_that_stay_hold_up_no_others(driver: Driver, old: list[str], caplog: pytest.LogCaptureFixture) -> None:
    stay = sorted(old[:4])  # of one instant, and more than a page
    files = Files(*stay)
    kept(driver.ledger, files)
    assert len(files.asked) == len(old)
    assert {one.id for one in driver.ledger.jobs()} & set(old) == set(stay)
    assert sum("can't be removed" in record.message for record in caplog.records) == len(stay)


def test_who_leads_no_more_removes_no_more(driver: Driver, old: list[str]) -> None:
    files = Files()
    kept(driver.ledger, files, leads=lambda: len(files.asked) < PAGE + 1)
    assert len(files.asked) == PAGE + 1
    assert len({one.id for one in driver.ledger.jobs()} & set(old)) == PAGE + 1


def test_an_orchestrator_leads_from_its_first_cycle_until_it_is_to_end(ledger: Ledger) -> None:
    nothing = {"finished": list, "attempts": set, "about": dict}
    one = Orchestrator(ledger, SimpleNamespace(**nothing), windows=Windows(by_kind={}))  # type: ignore[arg-type]
    other = Orchestrator(ledger, SimpleNamespace(**nothing), windows=Windows(by_kind={}))  # type: ignore[arg-type]
    assert not one.leads
    for orchestrator in (one, other):
        orchestrator.cycle()
    assert (one.leads, other.leads) == (True, False)
    one.stop()
    assert not one.leads


def test_a_database_that_is_away_is_waited_for(driver: Driver, old: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise CatalogueUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(driver.ledger, "delete", away)
        kept(driver.ledger, Files())
    assert len(driver.ledger.jobs()) == len(old) + 1
    kept(driver.ledger, Files())
    assert len(driver.ledger.jobs()) == 1
