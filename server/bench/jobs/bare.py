"""The ledger alone, without an engine: how many tasks a second go through it, and a job of very many."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from prismcube.errors import PrismcubeError
from prismcube.jobs.attempt import Attempt
from prismcube.jobs.claims import Claims
from prismcube.jobs.entities import End, Job, NewJob, Order, Outcome
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import BATCH, RENEW_SECONDS
from prismcube.model.machine import Status
from server.bench.figures import Batch, Figure, batch, call_figure, rate_figure, seconds
from server.bench.jobs.tasks import MANY, PREPARE, WORK, new_tasks, open_ledger
from server.bench.memory import memory

LEAST_RATE = {"SQLite": 10_000.0, "PostgreSQL": 2_000.0}
"""Tasks a second, from being handed over to being done: the bar."""

MOST_GROWTH = 200.0
"""MB that handing over 10^6 tasks may take: their names are kept, to be found twice, and nothing else."""

LEASE_SECONDS = 3600.0
"""Handing over takes longer than an orchestrator may be silent."""

CALLS = 20
"""Of each query that is timed."""

Tick = Callable[[int], None]
"""Told how many tasks more are through."""


def rates(url: str, database: str, *, tasks: int, tick: Tick) -> list[Figure]:
    """Tasks that do nothing are handed over, claimed and recorded as done."""
    ledger = open_ledger(url)
    try:
        claims, job, order = _begun(ledger)
        handed = batch(tasks, lambda: _hand_over(ledger, order, tasks))
        claims.finish([_done(order)])
        through = _go_through(claims, tick)
        if (ended := ledger.get(job.id)).status is not Status.SUCCESSFUL or ended.done != tasks + 1:
            raise PrismcubeError(f"the job is {ended.status}, and {ended.done - 1:,} of {tasks:,} tasks are done")
    finally:
        ledger.engine.dispose()
    whole = Batch(tasks, handed.seconds + sum(one.seconds for one in through), handed.cpu + sum(b.cpu for b in through))
    return [
        rate_figure("tasks handed over", database, [handed]),
        rate_figure(f"tasks claimed and done, {BATCH} at once", database, through),
        rate_figure("tasks in all", database, [whole], bar=LEAST_RATE[database]),
    ]


def very_many(url: str, database: str, *, tasks: int) -> list[Figure]:
    """A job of very many tasks is submitted, looked at and cancelled; in a process whose memory counts for it alone."""
    ledger = open_ledger(url)
    try:
        claims, job, order = _begun(ledger)
        before = memory()
        handed = batch(tasks, lambda: _hand_over(ledger, order, tasks))
        grown = memory() - before
        claims.finish([_done(order)])
        claims.claim(WORK, BATCH)
        looks: dict[str, Callable[[], object]] = {
            "list jobs": ledger.jobs,
            "get the job": lambda: ledger.get(job.id),
            "what its running tasks have done": lambda: ledger.running(job.id),
            "first page of its tasks": lambda: ledger.tasks(job.id),
        }
        called = [call_figure(name, database, look, repeats=CALLS) for name, look in looks.items()]
        late = ledger.tasks(job.id, limit=1)[0].id + tasks // 2
        called.append(
            call_figure("a page from the middle", database, lambda: ledger.tasks(job.id, after=late), repeats=CALLS)
        )
        claim = call_figure(f"claim {BATCH}", database, lambda: claims.claim(WORK, BATCH), repeats=CALLS)
        cancelled = seconds(lambda: ledger.cancel(job.id))
        if ledger.get(job.id).status is not Status.DISMISSED or ledger.tasks(job.id, limit=1)[0].job_id != job.id:
            raise PrismcubeError("the job was not cancelled")
        all_memory = memory() - before
    finally:
        ledger.engine.dispose()
    return [
        Figure(name=f"hand over {tasks:,} tasks", database=database, unit="s", value=handed.seconds),
        rate_figure("tasks handed over", database, [handed]),
        Figure(
            name="memory that handing over takes",
            database=database,
            unit="MB",
            value=grown / 1e6,
            bar=MOST_GROWTH,
            note=f"{all_memory / 1e6:,.0f} MB with all that follows",
        ),
        *called,
        claim,
        Figure(name="cancel", database=database, unit="ms", value=cancelled * 1e3),
    ]


def _begun(ledger: Ledger) -> tuple[Claims, Job, Order]:
    claims = Claims(ledger, "bench")
    if not claims.lead({}, seconds=LEASE_SECONDS):
        raise PrismcubeError("another orchestrator leads in this database")
    job, _ = ledger.submit(NewJob(process=MANY))
    [order] = claims.claim(PREPARE, 1)
    return claims, job, order


def _hand_over(ledger: Ledger, order: Order, tasks: int) -> None:
    Attempt(order, ledger, Path("unused")).hand_over("work", new_tasks(tasks))


def _go_through(claims: Claims, tick: Tick) -> list[Batch]:
    """As an orchestrator does it, that has nothing else to do."""
    found: list[Batch] = []
    renewed = time.monotonic()
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        if time.monotonic() - renewed >= RENEW_SECONDS:
            renewed = time.monotonic()
            claims.lead({})
        orders = claims.claim(WORK, BATCH)
        if not orders:
            return found
        claims.finish(_done(one) for one in orders)
        found.append(Batch(len(orders), time.perf_counter() - wall, time.process_time() - cpu))
        tick(len(orders))


def _done(order: Order) -> Outcome:
    return Outcome(task=order.task, attempt=order.attempt, end=End.DONE)
