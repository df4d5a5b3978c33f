"""The local engine: a pool of processes on this machine, by pebble.

Processes are spawned, never forked: threads and connections of the orchestrator stay its own. When one is killed, its
task alone is lost, and another process takes its place. Children watch the orchestrator and end with it, so that nobody
goes on working for one that is gone.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from prismcube.jobs.attempt import Body, execute
from prismcube.jobs.entities import End, Order, Outcome
from prismcube.jobs.ledger import Ledger

LOG = logging.getLogger("prismcube.jobs")

AHEAD = 2
"""Tasks that are given out for each process: one that it works on, one that it need not wait for."""

Runtime = Callable[[], tuple[Ledger, Mapping[str, Body], Path]]
"""Called once in each process: the ledger, the bodies of tasks by kind, the folder for scratch. Can be pickled."""


class LocalEngine:
    """Executes attempts in processes of this machine."""

    def __init__(self, runtime: Runtime, *, processes: int) -> None:
        self._runtime = runtime
        self._processes = processes
        self._pool: ProcessPool | None = None
        self._futures: dict[tuple[int, int], ProcessFuture[Outcome]] = {}
        self._ended: SimpleQueue[tuple[Order, ProcessFuture[Outcome]]] = SimpleQueue()
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._pool = self._make_pool()

    def room(self, kind: str) -> int:
        return max(0, AHEAD * self._processes - len(self._futures))

    def submit(self, order: Order) -> None:
        if self._pool is None or not self._pool.active:  # it breaks when its own threads do
            self._pool = self._make_pool()
        future = self._pool.schedule(_work_on, args=[self._runtime, order])
        self._futures[order.task, order.attempt] = future
        future.add_done_callback(partial(self._has_ended, order))

    def finished(self) -> list[Outcome]:
        found: list[Outcome] = []
        while True:
            try:
                order, future = self._ended.get_nowait()
            except Empty:
                return found
            self._futures.pop((order.task, order.attempt), None)
            found.append(_outcome(order, future))

    def cancel(self, task: int, attempt: int) -> None:
        if future := self._futures.get((task, attempt)):
            future.cancel()  # type: ignore[no-untyped-call]  # pebble has no types here; kills the process, if one works on it

    def attempts(self) -> set[tuple[int, int]]:
        return set(self._futures)

    def about(self) -> Mapping[str, Any]:
        return {"engine": "local", "workers": self._processes, "running": len(self._futures), "pid": os.getpid()}

    def close(self) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble has no types here
            self._pool.join(10)

    def _make_pool(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")
        return ProcessPool(max_workers=self._processes, initializer=_prepare, context=context)

    def _has_ended(self, order: Order, future: ProcessFuture[Outcome]) -> None:
        self._ended.put((order, future))
        self._wake()


def _outcome(order: Order, future: ProcessFuture[Outcome]) -> Outcome:
    try:
        came: Outcome = future.result(timeout=0)
        return came
    except CancelledError:
        end, message = End.CANCELLED, "stopped"
    except ProcessExpired as error:
        end, message = End.LOST, _how(error.exitcode)
    except Exception as error:  # what went between the processes can't be read, or the pool is broken
        LOG.warning("attempt %d of task %d was lost", order.attempt, order.task, exc_info=error)
        end, message = End.LOST, f"{type(error).__name__}: {error}"
    return Outcome(task=order.task, attempt=order.attempt, end=end, message=message)


def _how(code: int | None) -> str:
    """How a process ended, for people."""
    if code is None or code >= 0:
        return f"its process ended with the code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"


_made: tuple[Ledger, Mapping[str, Body], Path] | None = None
"""What the process has made of its runtime."""


def _work_on(runtime: Runtime, order: Order) -> Outcome:
    global _made
    if _made is None:
        _made = runtime()
    return execute(order, *_made)


def _prepare() -> None:
    """Let this process end with its parent, and only by that one's will."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which sends it to all; the orchestrator decides
    threading.Thread(target=_end_with_parent, daemon=True, name="parent-watch").start()


def _end_with_parent() -> None:
    process = multiprocessing.parent_process()
    if process is not None:
        process.join()
    os._exit(1)
