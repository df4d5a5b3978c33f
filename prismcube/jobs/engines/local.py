"""The local engine: processes of the orchestrator's own machine (`prismcube.jobs.engines.children`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from prismcube.jobs.engines.child import Runtime
from prismcube.jobs.engines.children import Children
from prismcube.jobs.entities import End, Order, Outcome

AHEAD = 2
"""Tasks that are given out for each process: one that it works on, one that it need not wait for."""


class LocalEngine:
    """Executes attempts in processes of this machine."""

    def __init__(self, runtime: Runtime, *, processes: int, scratch: Path) -> None:
        """`scratch` is a folder for what attempts need while they work; those of engines that are gone are removed."""
        self._children = Children(runtime, processes=processes, scratch=scratch)
        self._processes = processes
        self._attempts: set[tuple[int, int]] = set()
        self._ended: SimpleQueue[Outcome] = SimpleQueue()
        self._wake: Callable[[], None] = lambda: None

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._children.start()

    def room(self, kind: str) -> int:
        return max(0, AHEAD * self._processes - len(self._attempts))

    def submit(self, order: Order) -> None:
        self._attempts.add((order.task, order.attempt))
        try:
            self._children.begin(order).add_done_callback(self._has_ended)
        except ValueError as error:
            self._ended.put(Outcome(task=order.task, attempt=order.attempt, end=End.FAILED, message=str(error)))
            self._wake()

    def finished(self) -> list[Outcome]:
        found: list[Outcome] = []
        while True:
            try:
                outcome = self._ended.get_nowait()
            except Empty:
                return found
            self._attempts.discard((outcome.task, outcome.attempt))
            found.append(outcome)

    def cancel(self, task: int, attempt: int) -> None:
        self._children.kill(task, attempt)

    def attempts(self) -> set[tuple[int, int]]:
        return set(self._attempts)

    def about(self) -> Mapping[str, Any]:
        return {"engine": "local", "workers": self._processes, "running": len(self._attempts), "pid": os.getpid()}

    def close(self) -> None:
        self._children.close()

    def _has_ended(self, future: Future[Outcome]) -> None:
        self._ended.put(future.result())
        self._wake()
