"""A ledger with some small processes, on both databases, and ways to drive it by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from prismcube.catalogue import Catalogue
from prismcube.jobs.claims import Claims
from prismcube.jobs.definitions import Definition
from prismcube.jobs.entities import End, Job, NewJob, Order, Outcome
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import simple_machine
from prismcube.model.machines import DELETE_DATASETS

sys.path.append(str(Path(__file__).parent))  # processes that execute tasks import `ledger_toys`, as tests do

from noted_moves import ALLOWED, note_moves, noted_moves
from running import LONG
from toy_machines import FAN

DEFINITIONS = {
    "fan": Definition(machine=FAN, attempts=2),
    "one": Definition(machine=simple_machine("one", meaning="It works."), attempts=2),
    "delete-datasets": Definition(machine=DELETE_DATASETS),
}


class Driver:
    """Claims and ends tasks by hand."""

    def __init__(self, ledger: Ledger, me: str = "me") -> None:
        self.ledger = ledger
        self.claims = Claims(ledger, me)
        assert self.claims.lead({}, seconds=LONG)  # a shared machine stands still for longer than real leases last

    def submit(self, process: str = "one", **values: Any) -> Job:
        return self.ledger.submit(NewJob(process=process, **values))[0]

    def claim(self, kind: str, limit: int = 100) -> list[Order]:
        return self.claims.claim(kind, limit)

    def end(
        self, order: Order, end: End = End.DONE, *, result: Mapping[str, Any] | None = None, message: str = ""
    ) -> int:
        return self.claims.finish(
            [Outcome(task=order.task, attempt=order.attempt, end=end, result=result or {}, message=message)]
        )


@pytest.fixture
def catalogue(catalogue: Catalogue) -> Iterator[Catalogue]:
    """As for all tests; whatever changes the state of a task in it has to do as the table of these states says."""
    note_moves(catalogue.engine)
    yield catalogue
    assert noted_moves(catalogue.engine) <= ALLOWED


@pytest.fixture
def ledger(catalogue: Catalogue) -> Ledger:
    return Ledger(catalogue.engine, DEFINITIONS)


@pytest.fixture
def driver(ledger: Ledger) -> Driver:
    return Driver(ledger)
