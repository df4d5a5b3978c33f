"""The local engine: processes of the orchestrator's own machine (`prismcube.jobs.engines.children`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pebble import ProcessFuture

from prismcube.jobs.engines.children import Children, Runtime
from prismcube.jobs.entities import End, Order, Outcome

AHEAD = 2
"""Tasks that are given out for each process: one that it works on, one that it need not wait for."""


class LocalEngine:
    """Executes attempts in processes of this machine."""

    def __init__(self, runtime: Runtime, *, processes: int, scratch: Path) -> None:
        """`scratch` is a folder for what attempts need while they work; those of engines that are gone are removed."""
        self._children = Children(runtime, processes=processes, scratch=scratch)
        self._processes = processes
        self._futures: dict[tuple[int, int], ProcessFuture[Outcome]] = {}
        self._ended: SimpleQueue[tuple[Order, ProcessFuture[Outcome]]] = SimpleQueue()
        self._refused: list[Outcome] = []
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._children.start()

    def room(self, kind: str) -> int:
        return max(0, AHEAD * self._processes - len(self._futures))

    def submit(self, order: Order) -> None:
        try:
            future = self._children.begin(order)
        except ValueError as error:
            self._refused.append(Outcome(task=order.task, attempt=order.attempt, end=End.FAILED, message=str(error)))
            self._wake()
            return
        self._futures[order.task, order.attempt] = future
        future.add_done_callback(partial(self._has_ended, order))

    def finished(self) -> list[Outcome]:
        found, self._refused = self._refused, []
        while True:
            try:
                order, future = self._ended.get_nowait()
            except Empty:
                return found
            del self._futures[order.task, order.attempt]
            found.append(self._children.end(order, future))

    def cancel(self, task: int, attempt: int) -> None:
        if (task, attempt) in self._futures:
            self._children.kill(task, attempt)

    def attempts(self) -> set[tuple[int, int]]:
        return set(self._futures)

    def about(self) -> Mapping[str, Any]:
        return {"engine": "local", "workers": self._processes, "running": len(self._futures), "pid": os.getpid()}

    def close(self) -> None:
        self._children.close()

    def _has_ended(self, order: Order, future: ProcessFuture[Outcome]) -> None:
        self._ended.put((order, future))
        self._wake()
