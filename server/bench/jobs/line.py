"""An orchestrator in a process of its own, watched over as `prismcube serve` does it.

python -m server.bench.jobs.line URL SCRATCH PROCESSES SCHEDULER PARENT

SCHEDULER is the address of dask's, which is watched over as well; `-` for processes of the orchestrator's own.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from prismcube.jobs.engine import Engine
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.leader import leader
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from prismcube.jobs.parent import when_parent_ends
from prismcube.jobs.pool import LocalWorkers, WorkerPool
from prismcube.jobs.scaling import Scaling
from prismcube.jobs.watched import Watched
from server.bench.jobs.tasks import open_ledger, runtime
from server.bench.waiting import wait_until

LOOK_SECONDS = 1.0
"""Between two looks of `serve` at the process that executes jobs."""

QUIET = {"DASK_LOGGING__DISTRIBUTED": "critical"}
"""Workers that end are what is measured."""

HERE = "-"
"""In place of a scheduler's address."""


class Line:
    """The process, dask's scheduler if there is one, and whoever starts them again when they end."""

    def __init__(self, url: str, scratch: Path, *, processes: int, dask: bool, ledger: Ledger) -> None:
        self._ledger = ledger
        port = _free_port() if dask else 0
        address = f"tcp://127.0.0.1:{port}" if dask else HERE
        command = [sys.executable, "-m", __name__, url, str(scratch), str(processes), address, str(os.getpid())]
        self._orchestrator = Watched(command, what="the orchestrator", environment=QUIET)
        local = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        self._scheduler = Watched(
            [sys.executable, "-m", "dask", "scheduler", *local], what="dask's scheduler", environment=QUIET
        )
        self._dask = dask
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def pid(self) -> int | None:
        """Of the process that leads; None while none does."""
        with self._ledger.read() as connection:
            found = leader(connection)
        return None if found is None or found[1] <= 0 else int(found[0].get("pid", 0)) or None

    def scheduler_pid(self) -> int | None:
        """Of dask's scheduler; None while there is none."""
        return self._scheduler.pid

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._orchestrator.stop()
        self._scheduler.stop()

    def _look(self) -> None:
        while True:
            if self._dask:
                self._scheduler.look()
            self._orchestrator.look()
            if self._closed.wait(LOOK_SECONDS):
                return


@contextmanager
def running(url: str, scratch: Path, *, processes: int, dask: bool = False) -> Iterator[tuple[Ledger, Line]]:
    """A ledger and an orchestrator that leads, stopped at the end; its processes are workers of dask, or its own."""
    ledger = open_ledger(url)
    line = Line(url, scratch, processes=processes, dask=dask, ledger=ledger)
    try:
        wait_until(lambda: line.pid() is not None, "no orchestrator began to lead", every=0.05)
        yield ledger, line
    finally:
        line.close()
        ledger.engine.dispose()


def main(url: str, scratch: str, processes: str, scheduler: str, parent: str) -> None:
    """Execute the bench's jobs until a TERM, or the end of the process `parent`, which started this one."""
    logging.disable(logging.WARNING)  # of processes that are killed: that is what is measured
    ledger = open_ledger(url)
    engine, pool = _engine(url, Path(scratch), int(processes), scheduler, ledger)
    beat = pool.beat if pool is not None else lambda: None
    orchestrator = Orchestrator(ledger, engine, windows=Windows(by_kind={}), every_second=beat)
    signal.signal(signal.SIGTERM, lambda *_: orchestrator.stop())
    when_parent_ends(int(parent), orchestrator.stop)
    if pool is None:
        orchestrator.run()
        return
    pool.start()
    try:
        orchestrator.run()
    finally:
        pool.close()


def _engine(
    url: str, scratch: Path, processes: int, scheduler: str, ledger: Ledger
) -> tuple[Engine, WorkerPool | None]:
    """What `serve` has where the settings say so: the pool keeps so many workers, and starts them again."""
    made = partial(runtime, url)
    if scheduler == HERE:
        return LocalEngine(made, processes=processes, scratch=scratch), None
    from prismcube.jobs.engines.dask import DaskEngine

    engine = DaskEngine(made, scheduler=scheduler, url=url)
    workers = LocalWorkers(scheduler, costs=engine.costs, expect=engine.expect, folder=scratch)
    scaling = Scaling(least=processes, most=processes, step=processes)
    return engine, WorkerPool(workers, scaling, backlog=ledger.backlog, every_seconds=1.0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main(*sys.argv[1:])
