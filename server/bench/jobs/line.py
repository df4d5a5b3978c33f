"""An orchestrator with the local engine in a process of its own, watched over as `prismcube serve` does it.

python -m server.bench.jobs.line URL SCRATCH PROCESSES PARENT
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from prismcube.errors import PrismcubeError
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.leader import leader
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from prismcube.jobs.parent import when_parent_ends
from prismcube.jobs.watched import Watched
from server.bench.jobs.tasks import open_ledger, runtime

LOOK_SECONDS = 1.0
"""Between two looks of `serve` at the process that executes jobs."""

PATIENCE = 120.0
"""Seconds for anything that this bench waits for, beside the work itself."""


class NotMeasured(PrismcubeError):
    """What was to be measured did not happen, or not in time; says what."""


class Line:
    """The process, and whoever starts it again when it ends."""

    def __init__(self, url: str, scratch: Path, *, processes: int, ledger: Ledger) -> None:
        self._ledger = ledger
        command = [sys.executable, "-m", __name__, url, str(scratch), str(processes), str(os.getpid())]
        self._watched = Watched(command, what="the orchestrator")
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def pid(self) -> int | None:
        """Of the process that leads; None while none does."""
        with self._ledger.read() as connection:
            found = leader(connection)
        return None if found is None or found[1] <= 0 else int(found[0].get("pid", 0)) or None

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._watched.stop()

    def _look(self) -> None:
        while True:
            self._watched.look()
            if self._closed.wait(LOOK_SECONDS):
                return


@contextmanager
def running(url: str, scratch: Path, *, processes: int) -> Iterator[tuple[Ledger, Line]]:
    """A ledger and an orchestrator that leads, stopped at the end."""
    ledger = open_ledger(url)
    line = Line(url, scratch, processes=processes, ledger=ledger)
    try:
        wait_until(lambda: line.pid() is not None, "no orchestrator began to lead", every=0.05)
        yield ledger, line
    finally:
        line.close()
        ledger.engine.dispose()


def wait_until(is_so: Callable[[], bool], told: str, *, every: float = 0.005, seconds: float = PATIENCE) -> float:
    """How long it took. Raises NotMeasured."""
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > seconds:
            raise NotMeasured(f"{told} within {seconds:g} s")
        time.sleep(every)
    return time.monotonic() - begun


def main(url: str, scratch: str, processes: str, parent: str) -> None:
    """Execute the bench's jobs until a TERM, or the end of the process `parent`, which started this one."""
    logging.disable(logging.WARNING)  # of processes that are killed: that is what is measured
    engine = LocalEngine(partial(runtime, url), processes=int(processes), scratch=Path(scratch))
    orchestrator = Orchestrator(open_ledger(url), engine, windows=Windows(by_kind={}))
    signal.signal(signal.SIGTERM, lambda *_: orchestrator.stop())
    when_parent_ends(int(parent), orchestrator.stop)
    orchestrator.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
