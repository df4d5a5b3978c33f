"""Child processes that execute orders and can be killed in the middle of it, in a pool by pebble.

Processes are spawned, never forked: threads and connections of their parent stay its own. When one is killed, its
order alone is lost, and another process takes its place. Children watch their parent and end with it, so that nobody
goes on working for one that is gone.

Each says in a file which attempt it works on. So an attempt that is cancelled is killed by us, and has ended when its
process has: pebble's own `cancel` says so before it has stopped the process, which may still be writing.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from prismcube.jobs.attempt import Body, execute
from prismcube.jobs.entities import End, Order, Outcome
from prismcube.jobs.ledger import Ledger

LOG = logging.getLogger("prismcube.jobs")

Runtime = Callable[[], tuple[Ledger, Mapping[str, Body]]]
"""Called once in each process: the ledger, and the bodies of tasks by kind. Can be pickled."""


class Children:
    """A pool of processes that execute orders. One thread at a time may call it."""

    def __init__(self, runtime: Runtime, *, processes: int, scratch: Path) -> None:
        """`scratch` is a folder for what attempts need while they work; those of parents that are gone are removed."""
        self._runtime = runtime
        self._processes = processes
        self._scratches = scratch
        self._scratch = scratch / f"{_name_of(psutil.Process())}-{uuid.uuid4().hex[:8]}"
        self._pool: ProcessPool | None = None
        self._unwanted: set[tuple[int, int]] = set()
        self.running = 0
        """Orders that were begun and of which nothing has been told yet."""

    def start(self) -> None:
        """Raises OSError when there is no room for scratch."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        _sweep(self._scratches)
        self._pool = self._make_pool()

    def begin(self, order: Order) -> ProcessFuture[Outcome]:
        """Execute an order as soon as a process is free; `end` tells what has come of it.

        Raises ValueError for one that can't be sent: the pool's own threads would end of it.
        """
        try:
            packed = pickle.dumps(order)
        except RecursionError as error:
            raise ValueError("its payload, or an input of its job, is nested too deeply") from error
        if self._pool is None or not self._pool.active:  # it breaks when its own threads do
            self._pool = self._make_pool()
        future: ProcessFuture[Outcome] = self._pool.schedule(_work_on, args=[self._runtime, packed, self._scratch])
        self.running += 1
        return future

    def kill(self, task: int, attempt: int) -> None:
        """Stop an order that was begun; it has ended when its future has."""
        if (task, attempt) in self._unwanted:
            return
        self._unwanted.add((task, attempt))
        pid = _pid_in(_pid_name(self._scratch, task, attempt))
        if pid is not None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)
        # Else it waits for a process, and will find when it begins that nobody wants it.

    def end(self, order: Order, future: ProcessFuture[Outcome]) -> Outcome:
        """What has come of an order whose future is done; called once for each."""
        self.running -= 1
        outcome = _outcome(order, future)
        attempt = order.task, order.attempt
        if outcome.end is End.LOST and attempt in self._unwanted:
            outcome = replace(outcome, end=End.CANCELLED, message="stopped")
        self._unwanted.discard(attempt)
        if outcome.end in (End.LOST, End.CANCELLED):  # its process may have had no time to clean up
            _pid_name(self._scratch, *attempt).unlink(missing_ok=True)
            shutil.rmtree(_scratch_of(self._scratch, order), ignore_errors=True)
        return outcome

    def close(self) -> None:
        """Kill all; what has not ended is lost."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble has no types here
            self._pool.join(10)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _make_pool(self) -> ProcessPool:
        pool = ProcessPool(
            max_workers=self._processes,
            initializer=_prepare,
            initargs=[self._runtime],
            context=multiprocessing.get_context("spawn"),
        )
        if not pool.active:  # to ask starts it: processes take seconds to load what they work with
            raise OSError("the pool of processes did not start")
        return pool


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


_made: tuple[Ledger, Mapping[str, Body]] | None = None
"""What the process has made of its runtime."""


def _make_ready(runtime: Runtime) -> None:
    """Load what tasks need before the first one comes."""
    global _made
    try:
        _made = runtime()
    except Exception as error:  # of any kind: the first task tries again, and its outcome tells
        LOG.warning("a process that executes tasks could not be made ready: %s", error)


def _work_on(runtime: Runtime, packed: bytes, scratch: Path) -> Outcome:
    global _made
    order: Order = pickle.loads(packed)  # noqa: S301  # our parent's
    file = _pid_name(scratch, order.task, order.attempt)
    try:
        file.write_text(str(os.getpid()))
        if _made is None:
            _made = runtime()
    except OSError as error:  # the disk is full, or the like: no fault of the task's
        return Outcome(task=order.task, attempt=order.attempt, end=End.DISTURBED, message=f"can't begin: {error}")
    try:
        return execute(order, *_made, _scratch_of(scratch, order))
    finally:
        file.unlink(missing_ok=True)


def _scratch_of(scratch: Path, order: Order) -> Path:
    """The folder of an attempt."""
    return scratch / f"{order.task}-{order.attempt}"


def _pid_name(scratch: Path, task: int, attempt: int) -> Path:
    return scratch / f"{task}-{attempt}.pid"


def _pid_in(file: Path) -> int | None:
    """The process that works on an attempt, when it is a child of this one; None: none does."""
    try:
        pid = int(file.read_text())
        return pid if psutil.Process(pid).ppid() == os.getpid() else None
    except (OSError, ValueError, psutil.Error):  # not begun, just ended, or not yet written
        return None


def _name_of(process: psutil.Process) -> str:
    """Unlike a number alone, this names a process for good."""
    return f"{process.pid}-{process.create_time():.2f}"


def _sweep(scratches: Path) -> None:
    """Remove what parents have left that were killed."""
    alive = {_name_of(process) for process in psutil.process_iter()}
    for folder in scratches.iterdir():
        if folder.name.rpartition("-")[0] not in alive:
            shutil.rmtree(folder, ignore_errors=True)


def _prepare(runtime: Runtime) -> None:
    """Let this process end with its parent, and only by that one's will."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, which sends it to all; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True, name="parent-watch").start()
    _make_ready(runtime)


def _end_with_parent() -> None:
    process = multiprocessing.parent_process()
    if process is not None:
        process.join()
    os._exit(1)
