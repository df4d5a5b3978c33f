"""What runs on a worker of dask for each attempt: it gives the order to a child process, and watches over it.

A busy thread of dask can't be stopped, a process can. About once a second the ledger is asked whether the attempt is
still wanted; so work ends too whose orchestrator or scheduler is gone, and which another one may have begun again.

A worker that is told to end (SIGTERM: Kubernetes takes it away) says so to its scheduler before it goes, for the task
that it works on has no part in it. `dask worker --no-nanny` would break off without a word, as one that was killed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from distributed import get_worker
from distributed.core import Status
from sqlalchemy.exc import SQLAlchemyError

from prismcube.catalogue.engine import create_engine
from prismcube.errors import Cancelled, CatalogueUnavailable
from prismcube.jobs.attempt import Attempt
from prismcube.jobs.engines.children import Children
from prismcube.jobs.entities import End, Order, Outcome
from prismcube.jobs.ledger import Ledger

ASK_SECONDS = 1.0
"""Between two questions to the ledger about one attempt."""

LOOK_SECONDS = 0.2
"""Between two looks whether this worker is being stopped."""

TOLD_TO_END = "prismcube: told to end"
"""Why a worker closes, in the events that its scheduler keeps; the engine looks for it."""

NANNY = "the workers of dask must be started with --no-nanny: those of a nanny may have no child processes"


def carry_out(order: Order, *, runtime: bytes, url: str) -> Outcome:
    """Execute an order in a child of this worker; `runtime` is pickled, `url` that of the ledger's database."""
    if multiprocessing.current_process().daemon:
        return Outcome(task=order.task, attempt=order.attempt, end=End.DISTURBED, message=NANNY)
    worker = get_worker()
    worker.loop.add_callback(_take_leave, worker)
    attempt = Attempt(order, _ledger(url), Path())
    try:
        with _children(worker, runtime) as children:
            future = children.begin(order)
    except OSError as error:  # the disk is full, or the like
        return Outcome(task=order.task, attempt=order.attempt, end=End.DISTURBED, message=f"can't begin: {error}")
    leaves, asked = False, time.monotonic()
    while not wait([future], LOOK_SECONDS).done:
        leaves = worker.status not in (Status.running, Status.paused)  # another worker may begin it any moment
        if not leaves and time.monotonic() - asked < ASK_SECONDS:
            continue
        asked = time.monotonic()
        if leaves or not _is_wanted(attempt):
            with _children(worker, runtime) as children:
                children.kill(order.task, order.attempt)
    outcome = future.result()
    if leaves and outcome.end is End.CANCELLED:
        return replace(outcome, end=End.DISTURBED, message="its worker was stopped")
    return outcome


def _take_leave(worker: Any) -> None:
    """Have this worker close when it is told to end; called in its loop, before each order.

    So nothing has to be registered with a scheduler that forgets it, or wait for workers that don't answer.
    """
    loop = asyncio.get_running_loop()

    def close(number: int) -> None:
        loop.remove_signal_handler(number)  # the next one ends it at once
        closing = loop.create_task(worker.close(reason=TOLD_TO_END))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)

    if worker.status not in (Status.running, Status.paused):
        return  # it is under way
    with suppress(ValueError, RuntimeError):  # its loop is not in the main thread: whose process it is decides
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, close, number)


_closing: set[asyncio.Task[Any]] = set()
"""Held here, for a loop does not hold its tasks."""


def _is_wanted(attempt: Attempt) -> bool:
    try:
        attempt.check()
    except Cancelled:
        return False
    except (CatalogueUnavailable, SQLAlchemyError):
        return True  # for all that is known
    return True


@cache
def _ledger(url: str) -> Ledger:
    return Ledger(create_engine(url), {})


_pools: dict[bytes, Children] = {}
"""Of this worker, by what runs in them; more than one only while an orchestrator with other settings takes over."""
_lock = threading.Lock()


@contextmanager
def _children(worker: Any, runtime: bytes) -> Iterator[Children]:
    """The processes of this worker, as many as it has threads; one thread at a time. Raises OSError."""
    with _lock:
        if runtime not in _pools:
            for other in [key for key, pool in _pools.items() if not pool.running]:
                _pools.pop(other).close()
            scratch = Path(worker.local_directory) / "prismcube"
            made = Children(pickle.loads(runtime), processes=worker.state.nthreads, scratch=scratch)  # noqa: S301  # the orchestrator's
            made.start()
            _pools[runtime] = made
        yield _pools[runtime]
