"""Child processes that execute orders (`prismcube.jobs.engines.child`), each kept by a thread of its own.

An order waits here, with its parent, until a process is free; a process has one order at a time. So it is always known
who works on what: when a process is killed, its order alone is lost, and another process takes its place.
"""

from __future__ import annotations

import atexit
import logging
import pickle
import shutil
import threading
import time
import uuid
from collections import deque
from concurrent.futures import Future
from pathlib import Path

import psutil

from prismcube.jobs.engines.child import Child, Gone, Runtime, folder_of
from prismcube.jobs.entities import End, Order, Outcome

LOG = logging.getLogger("prismcube.jobs")

CLOSE_SECONDS = 10.0
"""That processes may take to end when they are killed."""


class Children:
    """Some processes that execute orders. Any thread may call it."""

    def __init__(self, runtime: Runtime, *, processes: int, scratch: Path) -> None:
        """`scratch` is a folder for what attempts need while they work; those of parents that are gone are removed."""
        self._runtime = runtime
        self._scratches = scratch
        self._scratch = scratch / f"{_name_of(psutil.Process())}-{uuid.uuid4().hex[:8]}"
        self._threads = [
            threading.Thread(target=self._keep, daemon=True, name=f"keeps-process-{n}") for n in range(processes)
        ]
        self._changed = threading.Condition()
        """Guards what follows; told of orders that wait, and of the end."""
        self._given: dict[tuple[int, int], _Given] = {}
        """All that have not ended, by task and attempt."""
        self._waiting: deque[_Given] = deque()
        """Those that no process has yet."""
        self._alive: set[Child] = set()
        self._closed = False

    def start(self) -> None:
        """Processes load what they need, orders may be given already. Raises OSError: there is no room for scratch."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        _sweep(self._scratches)
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)  # else this process would wait for its children, and they for it

    @property
    def running(self) -> int:
        """Orders that were begun and have not ended."""
        with self._changed:
            return len(self._given)

    def begin(self, order: Order) -> Future[Outcome]:
        """Execute an order as soon as a process is free; whatever comes of it is the future's result.

        One that was begun and has not ended is not begun again. Raises ValueError for one that can't be sent.
        """
        try:
            given = _Given(order, pickle.dumps(order))
        except RecursionError as error:
            raise ValueError("its payload, or an input of its job, is nested too deeply") from error
        with self._changed:
            known = self._given.setdefault((order.task, order.attempt), given)
            if known is given:
                self._waiting.append(given)
                self._changed.notify()
        return known.future

    def kill(self, task: int, attempt: int) -> None:
        """Stop an order that was begun; it has ended when its future has."""
        with self._changed:
            given = self._given.get((task, attempt))
            if given is None:
                return
            if given.child is not None:
                given.child.kill()
                return
            self._waiting.remove(given)
            del self._given[task, attempt]
        given.ends(End.CANCELLED, "stopped")

    def close(self) -> None:
        """Kill all; what has not ended is lost."""
        atexit.unregister(self.close)
        with self._changed:
            self._closed = True
            for child in self._alive:
                child.kill()
            self._changed.notify_all()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _keep(self) -> None:
        """What a thread does: another process takes the place of one that is gone, until all is closed."""
        while not self._closed:
            try:
                child = Child(self._runtime, self._scratch)
            except Exception as error:  # of any kind: there is no memory, there are too many processes or files
                self._excuse(f"{type(error).__name__}: {error}")
                continue
            with self._changed:
                self._alive.add(child)
                if self._closed:
                    child.kill()
            try:
                self._feed(child)
            finally:
                with self._changed:
                    self._alive.discard(child)

    def _feed(self, child: Child) -> None:
        """Give a process one order after another, until it is gone or all is closed."""
        try:
            child.wait()
        except Gone:
            self._excuse(child.end())
            return
        while (given := self._next(child)) is not None:
            try:
                packed = child.execute(given.packed)
            except Gone:
                how = child.end()
                shutil.rmtree(folder_of(self._scratch, given.order), ignore_errors=True)  # it had no time to
                self._free(given)
                if child.killed:
                    given.ends(End.CANCELLED, "stopped")
                else:
                    given.ends(End.LOST, how)
                return
            self._free(given)
            given.comes(packed)
        child.kill()
        child.end()

    def _next(self, child: Child | None) -> _Given | None:
        """The order that has waited longest, once there is one; None: not for this process, or all is closed."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
            if self._closed:
                return None
            if child is not None and not child.is_idle:
                self._changed.notify()  # another may be free, while this one is replaced
                return None
            given = self._waiting.popleft()
            given.child = child
            return given

    def _free(self, given: _Given) -> None:
        with self._changed:
            del self._given[given.order.task, given.order.attempt]

    def _excuse(self, why: str) -> None:
        """There is no process; the order that would have been its first is to be given again later."""
        if self._closed:
            return
        LOG.warning("a process that executes tasks could not be started: %s", why)
        if (given := self._next(None)) is not None:
            self._free(given)
            given.ends(End.DISTURBED, f"can't begin: {why}")


class _Given:
    """An order on its way, and what comes of it."""

    def __init__(self, order: Order, packed: bytes) -> None:
        self.order = order
        self.packed = packed
        self.child: Child | None = None
        """The process that has it."""
        self.future: Future[Outcome] = Future()

    def ends(self, end: End, message: str) -> None:
        outcome = Outcome(task=self.order.task, attempt=self.order.attempt, end=end, message=message)
        self.future.set_result(outcome)

    def comes(self, packed: bytes) -> None:
        """An outcome from its process."""
        try:
            outcome: Outcome = pickle.loads(packed)  # noqa: S301  # our child's
        except Exception as error:  # of any kind: it is made of what only the child knows
            LOG.warning("attempt %d of task %d was lost", self.order.attempt, self.order.task, exc_info=error)
            self.ends(End.LOST, f"{type(error).__name__}: {error}")
            return
        self.future.set_result(outcome)


def _name_of(process: psutil.Process) -> str:
    """Unlike a number alone, this names a process for good."""
    return f"{process.pid}-{process.create_time():.2f}"


def _sweep(scratches: Path) -> None:
    """Remove what parents have left that were killed."""
    alive = {_name_of(process) for process in psutil.process_iter()}
    for folder in scratches.iterdir():
        if folder.name.rpartition("-")[0] not in alive:
            shutil.rmtree(folder, ignore_errors=True)
