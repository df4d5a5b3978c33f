"""Sites are called back in turn: those that hang hold up no others, and those that answer are told all that is due."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from prismcube.catalogue.job_tables import job_callback
from prismcube.jobs import callbacks as module
from prismcube.jobs.addresses import Addresses, Target
from prismcube.jobs.callbacks import SENDERS, Callbacks, Refused, Sites
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.results import ResultFiles

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""

LONG = 60
"""Seconds after which a test that waits has failed."""


class Hosts:
    """Whoever is called: `slow...` answer when they are let go, `bad...` refuse, all others take what is sent."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.at_once = Counter[str]()
        self.most = Counter[str]()
        self.let_go = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, target: Target, body: bytes) -> None:
        host = target.host
        with self._lock:
            self.called.append(host)
            self.at_once[host] += 1
            self.most[host] = max(self.most[host], self.at_once[host])
        try:
            if host.startswith("slow"):
                assert self.let_go.wait(LONG)
            if host.startswith(("slow", "bad")):
                raise Refused("no answer")
        finally:
            with self._lock:
                self.at_once[host] -= 1


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    one = Hosts()
    yield one
    one.let_go.set()


@pytest.fixture
def sender(ledger: Ledger, hosts: Hosts) -> Iterator[Callable[[], Callbacks]]:
    made: list[Callbacks] = []

    def make() -> Callbacks:
        addresses = Addresses(resolve=lambda host, port: ["93.184.216.34"])
        made.append(Callbacks(ledger, ResultFiles("file:///nowhere"), addresses, send=hosts))
        return made[-1]

    yield make
    hosts.let_go.set()
    for one in made:
        one.close()


def subscribed(driver: Driver, *hosts: str) -> None:
    """A job of each, which have begun in this order: one callback is due for each of them."""
    for host in hosts:
        driver.submit(request={"subscriber": {"inProgressUri": f"http://{host}/"}})
        driver.claim("one")


def wait(until: Callable[[], Any]) -> None:
    deadline = time.monotonic() + LONG
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def left(ledger: Ledger) -> int:
    """Callbacks that are due now."""
    due = select(job_callback.c.id).where(job_callback.c.due <= datetime.now(UTC))
    with ledger.read() as connection:
        return len(connection.execute(due).all())


def test_who_hangs_holds_up_nobody_else(driver: Driver, hosts: Hosts, sender: Callable[[], Callbacks]) -> None:
    one = sender()
    subscribed(driver, *["slow.example"] * 2 * SENDERS)
    subscribed(driver, "good.example")
    one.send_due()
    wait(lambda: {*hosts.called} == {"slow.example", "good.example"})  # the one while the other hangs
    for _ in range(3):
        assert one.send_due() == 0
    assert hosts.called.count("slow.example") == 1


def test_a_site_that_answers_is_told_all_at_once(
    driver: Driver, ledger: Ledger, hosts: Hosts, sender: Callable[[], Callbacks], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, however many there are: not one a second."""
    monkeypatch.setattr(module, "TURN", float(LONG))
    one = sender()
    subscribed(driver, *["good.example"] * 20)
    assert one.send_due() == 1
    wait(lambda: left(ledger) == 0)
    wait(lambda: len(hosts.called) == 20)
    assert hosts.most == {"good.example": 1}


def test_a_turn_comes_to_its_end(
    driver: Driver, ledger: Ledger, hosts: Hosts, sender: Callable[[], Callbacks], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TURN", 0.0)
    one = sender()
    subscribed(driver, "a.example", "a.example")
    assert one.send_due() == 1
    wait(lambda: left(ledger) == 1)
    time.sleep(0.2)  # in which it would be called again
    assert hosts.called == ["a.example"]
    wait(lambda: [one.send_due(), left(ledger)][1] == 0)


def test_sites_that_took_nothing_come_last(
    driver: Driver, ledger: Ledger, hosts: Hosts, sender: Callable[[], Callbacks], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though more of them, and longer, wait than there are senders."""
    monkeypatch.setattr(module, "SENDERS", 1)
    one = sender()
    subscribed(driver, *["bad-1.example", "bad-2.example"] * 3)
    subscribed(driver, "good.example")
    wait(lambda: [one.send_due(), len(hosts.called)][1] >= 4)
    assert hosts.called[:4] == ["bad-1.example", "bad-2.example", "good.example", "bad-1.example"]


def test_sites_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = Sites()
    assert sites.in_turn("abc") == ["a", "b", "c"]
    sites.begin("a")
    assert sites.in_turn("abc") == ["b", "c"]
    sites.end("a", took=False)
    assert sites.in_turn("abc") == ["b", "c", "a"]
    sites.end("b", took=False)
    assert sites.in_turn("abc") == ["c", "a", "b"]
    sites.end("a", took=False)
    assert sites.in_turn("abc") == ["c", "b", "a"]
    sites.end("b", took=True)
    assert sites.in_turn("abc") == ["b", "c", "a"]
    monkeypatch.setattr(module, "REMEMBERED", -1.0)
    sites.end("c", took=False)
    assert sites.in_turn("abc") == ["a", "b", "c"]
    assert sites._refused == {}
