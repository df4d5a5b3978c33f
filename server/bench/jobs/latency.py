"""A job that has nothing to do, from its submission to its end, on an orchestrator that has nothing else to do."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from prismcube.jobs.entities import NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Status
from server.bench.figures import Figure, calls_figure
from server.bench.jobs.line import running
from server.bench.jobs.tasks import NOTHING
from server.bench.waiting import NotMeasured, wait_until

MOST_MS = 500.0
"""The bar."""

IDLE_SECONDS = (1.0, 1.5)
"""Between two submissions, at random: nobody still looks out for what came of the one before."""


def figures(url: str, database: str, *, submissions: int, scratch: Path, tick: Callable[[int], None]) -> list[Figure]:
    """The first job after the start as well, which has no bar."""
    chance = random.Random(0)  # noqa: S311  # no secret
    with running(url, scratch, processes=2) as (ledger, _):
        first = _submitted(ledger)
        taken = []
        for _ in range(submissions):
            time.sleep(chance.uniform(*IDLE_SECONDS))
            taken.append(_submitted(ledger))
            tick(1)
    return [
        calls_figure("from submission to end", database, taken, bar=MOST_MS),
        calls_figure("the first job after the start", database, [first]),
    ]


def _submitted(ledger: Ledger) -> float:
    """Seconds that a job takes."""
    begun = time.monotonic()
    id = ledger.submit(NewJob(process=NOTHING))[0].id
    wait_until(lambda: ledger.get(id).finished is not None, "a job that has nothing to do did not end", every=0.002)
    if (status := ledger.get(id).status) is not Status.SUCCESSFUL:
        raise NotMeasured(f"a job that has nothing to do is {status}")
    return time.monotonic() - begun
