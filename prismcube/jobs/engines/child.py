"""One child process that executes orders, one after another, and can be killed at any instant.

It is spawned, never forked: threads and connections of its parent stay its own. The two talk through a pipe whose far
end the child alone holds, and no lock. So whatever it is doing when it is killed, the pipe ends with it, its parent
learns of that, and nobody else is disturbed; a pipe that children share would keep what one of them took in its last
moment, or half of what it said, and with a lock that is never given back.

    parent  Child() ....... order .................... order
    child   loads, b"" ......... works, outcome ............ is killed: end of the pipe

While it loads and works it gives a sign of life now and then (`Beats`). One that has given none for two minutes hangs
as a whole, or somebody has stopped it; it is killed, since a task that never ends is worse than one that is done again.

It watches its parent and ends with it, so that nobody goes on working for one that is gone.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from prismcube.jobs.attempt import Body, execute
from prismcube.jobs.entities import End, Order, Outcome
from prismcube.jobs.ledger import Ledger

LOG = logging.getLogger("prismcube.jobs")

Runtime = Callable[[], tuple[Ledger, Mapping[str, Body]]]
"""Called once in each process: the ledger, and the bodies of tasks by kind. Can be pickled."""

END_SECONDS = 5.0
"""That a process may take to end by itself when its pipe has."""

BEAT = b"."
"""A sign of life; no outcome is so short."""

BEAT_SECONDS = 5.0
"""Between two of them."""

SILENT_BEATS = 24
"""So many that did not come, one after the other, are the end of a process. They are counted, and no time is taken, for
the parent may have stood still itself."""

SPAWN = multiprocessing.get_context("spawn")

_starting = threading.Lock()
"""Held while a process is started: that asks for the exit codes of all others, which are not told twice."""


class Gone(Exception):
    """The process has ended, or is about to; `Child.end` tells how."""


class Child:
    """The process, as its parent sees it. One thread gives it orders, any may kill it."""

    def __init__(self, runtime: Runtime, scratch: Path) -> None:
        """Starts it; to load what it works with takes it seconds. Raises OSError when there is no room for another."""
        self._pipe, theirs = SPAWN.Pipe()
        try:
            self._process = SPAWN.Process(target=_serve, args=[theirs, runtime, scratch], name="prismcube-tasks")
            with _starting:
                self._process.start()
        except BaseException:
            self._pipe.close()
            raise
        finally:
            theirs.close()
        self.killed = False
        self._is_silent = False

    def wait(self) -> None:
        """Until it has loaded what it works with. Raises Gone."""
        self._receive()

    @property
    def is_idle(self) -> bool:
        """Between two orders: it is there for the next one. It says nothing unasked, so this is the end of its pipe."""
        return not self.killed and not self._pipe.poll()

    def execute(self, order: bytes) -> bytes:
        """Carry out a pickled order; its outcome, pickled. Raises Gone."""
        try:
            self._pipe.send_bytes(order)
        except OSError as error:
            raise Gone from error
        return self._receive()

    def kill(self) -> None:
        """Return at once; it is gone when `end` has returned."""
        self.killed = True
        self._process.kill()

    def end(self) -> str:
        """Wait until it is gone, which it is before anything it was doing is begun anew; how, for people."""
        wait([self._process.sentinel], END_SECONDS)  # unlike `join`, not for one that has closed this too, and goes on
        self._process.kill()
        self._process.join()
        self._pipe.close()
        with _starting:
            code = self._process.exitcode
        if self._is_silent:
            return f"its process gave no sign of life for {SILENT_BEATS * BEAT_SECONDS:g} s, and was ended"
        return _how(code)

    def _receive(self) -> bytes:
        missed = 0
        try:
            while missed < SILENT_BEATS:
                if not self._pipe.poll(BEAT_SECONDS):
                    missed += 1
                elif (told := self._pipe.recv_bytes()) != BEAT:
                    return told
                else:
                    missed = 0
            self._is_silent = True
            self._process.kill()
            raise Gone
        except (EOFError, OSError, MemoryError) as error:
            raise Gone from error


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


def folder_of(scratch: Path, order: Order) -> Path:
    """Of an attempt."""
    return scratch / f"{order.task}-{order.attempt}"


_made: tuple[Ledger, Mapping[str, Body]] | None = None
"""What the process has made of its runtime."""


def _serve(pipe: Connection, runtime: Runtime, scratch: Path) -> None:
    """All that the process does."""
    os.set_inheritable(pipe.fileno(), False)  # what a task starts may outlive it, and would keep the pipe open
    os.register_at_fork(after_in_child=pipe.close)
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal, or systemd, sends them to all; the parent decides
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True, name="parent-watch").start()
    beats = Beats(pipe)
    beats.begin()
    _make_ready(runtime)
    beats.end_with(b"")
    while True:
        try:
            packed = pipe.recv_bytes()
        except EOFError:
            return
        beats.begin()
        beats.end_with(_pack(_work_on(pickle.loads(packed), runtime, scratch)))  # noqa: S301  # our parent's


class Beats:
    """Signs of life of this process while it works, and what it says at the end of that. Idle, it says nothing."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._works = threading.Event()
        self._saying = threading.Lock()
        threading.Thread(target=self._beat, daemon=True, name="beats").start()

    def begin(self) -> None:
        self._works.set()

    def end_with(self, message: bytes) -> None:
        with self._saying:
            self._works.clear()
            self._pipe.send_bytes(message)

    def _beat(self) -> None:
        while self._works.wait():
            time.sleep(BEAT_SECONDS)
            with self._saying:
                if self._works.is_set():
                    with suppress(OSError):  # nobody listens any more: this process is about to end
                        self._pipe.send_bytes(BEAT)


def _make_ready(runtime: Runtime) -> None:
    """Load what tasks need before the first one comes."""
    global _made
    try:
        _made = runtime()
    except Exception as error:  # of any kind: the first task tries again, and its outcome tells
        LOG.warning("a process that executes tasks could not be made ready: %s", error)


def _work_on(order: Order, runtime: Runtime, scratch: Path) -> Outcome:
    global _made
    try:
        if _made is None:
            _made = runtime()
    except Exception as error:  # the disk is full, the database away, or the like: no fault of the task's
        message = f"can't begin: {type(error).__name__}: {error}"
        return Outcome(task=order.task, attempt=order.attempt, end=End.DISTURBED, message=message)
    return execute(order, *_made, folder_of(scratch, order))


def _pack(outcome: Outcome) -> bytes:
    try:
        return pickle.dumps(outcome)
    except Exception as error:  # of any kind: a body has returned what is no JSON
        message = f"its result can't be told: {type(error).__name__}: {error}"
        return pickle.dumps(Outcome(task=outcome.task, attempt=outcome.attempt, end=End.FAILED, message=message))


def _end_with_parent() -> None:
    process = multiprocessing.parent_process()
    if process is not None:
        process.join()
    os._exit(1)
