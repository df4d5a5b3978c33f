"""A job is cancelled whose task never asks whether it is wanted: until the process that works on it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from prismcube.jobs.entities import NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Status
from server.bench.figures import Figure, calls_figure
from server.bench.jobs.line import running
from server.bench.jobs.tasks import DEAF
from server.bench.waiting import PATIENCE, NotMeasured, wait_until

MOST_MS = 5_000.0
"""The bar."""


def figures(
    url: str, database: str, *, jobs: int, folder: Path, dask: bool = False, tick: Callable[[int], None]
) -> list[Figure]:
    """So many jobs, one after the other; `folder` is for what they write."""
    folder.mkdir(parents=True)
    taken = []
    with running(url, folder / "scratch", processes=2, dask=dask) as (ledger, _):
        for number in range(jobs):
            taken.append(_stopped(ledger, folder / f"pid-{number}"))
            tick(1)
    return [calls_figure("from cancel to the end of its process", database, taken, bar=MOST_MS)]


def _stopped(ledger: Ledger, file: Path) -> float:
    """Seconds until neither the process is there nor anything of the job is under way."""
    job = ledger.submit(NewJob(process=DEAF, inputs={"file": str(file), "seconds": 10 * PATIENCE}))[0]
    wait_until(file.exists, "no task began", every=0.05)
    process = psutil.Process(int(file.read_text()))
    begun = time.monotonic()
    ledger.cancel(job.id)
    wait_until(lambda: _is_gone(process) and ledger.running(job.id) == 0, "the task was not stopped", every=0.01)
    taken = time.monotonic() - begun
    if (status := ledger.get(job.id).status) is not Status.DISMISSED:
        raise NotMeasured(f"a job that was cancelled is {status}")
    return taken


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
