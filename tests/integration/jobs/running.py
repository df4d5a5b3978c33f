"""An orchestrator in a thread, and what tests do with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from prismcube.jobs.entities import Job, NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows

LONG = 120
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""


class Running:
    """An orchestrator in a thread, which is stopped at the end of a block, or by `stop`."""

    def __init__(self, ledger: Ledger, engine: Any, *, every_second: Callable[[], None] = lambda: None) -> None:
        self.engine = engine
        self.orchestrator = Orchestrator(ledger, engine, windows=Windows(by_kind={}), every_second=every_second)
        self.thread = threading.Thread(target=self.orchestrator.run)
        self.thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.orchestrator.stop()
        self.thread.join(LONG)
        assert not self.thread.is_alive()


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LONG
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def many(ledger: Ledger, folder: Path, number: int, seconds: float = 0.0, *, waits: bool = False) -> Job:
    inputs = {"number": number, "seconds": seconds, "waits": waits, "folder": str(folder)}
    return ledger.submit(NewJob(process="many", inputs=inputs))[0]


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def begun(folder: Path) -> list[tuple[int, int]]:
    """Task and process of each attempt that began and did not end."""
    lines = (folder / "log").read_text().splitlines() if (folder / "log").exists() else []
    found = [(line.split()[0], int(line.split()[1]), int(line.split()[2])) for line in lines]
    over = {(task, pid) for word, task, pid in found if word == "end"}
    return [(task, pid) for word, task, pid in found if word == "begin" and (task, pid) not in over]
