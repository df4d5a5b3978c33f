"""A consolidation as a user has it: `prismcube worker` executes jobs of a home folder, and one is submitted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.settings import ENV_PREFIX, Settings
from prismcube.catalogue import Catalogue
from prismcube.errors import PrismcubeError
from prismcube.jobs.addresses import Addresses
from prismcube.jobs.entities import NewJob
from prismcube.jobs.leader import leader
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.references import References
from prismcube.model.grid import Grid
from prismcube.model.layout import Layout, RegularGrid
from prismcube.model.machine import Status
from processes import consolidate
from processes.validation import checked_inputs
from server.bench.home import CONFIGURATION
from server.bench.waiting import PATIENCE, wait_until
from server.jobs.runtime import make_tools, open_ledger
from server.opening import opened

LOSSLESS = {"compression": "lossless", "resampling": "bilinear"}
"""Settings of the consolidations: zstd 1, predictor 2."""


def put_layout(settings: Settings, name: str, cell: Grid, *, dates: int, block: int, cells: int | None = None) -> None:
    """A layout whose first cell this is, so many dates to a file; of so many columns and rows, or without end."""
    grid = RegularGrid(
        crs=cell.crs,
        resolution=cell.transform.a,
        cell_width=cell.width,
        cell_height=cell.height,
        origin_x=cell.transform.c,
        origin_y=cell.transform.f,
        columns=cells,
        rows=cells,
    )
    with opened(settings) as catalogue:
        layout = Layout(name=name, grid=grid, max_records=dates, block_width=block, block_height=block)
        catalogue.layouts.put(layout)


@contextmanager
def executing(settings: Settings, home: Path) -> Iterator[int]:
    """`prismcube worker` for a home folder; its process id, when it leads and its processes are ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    words = ["worker", "--config", str(CONFIGURATION), "--home", str(home)]
    catalogue = Catalogue(settings.catalogue_url)
    ledger = open_ledger(settings, catalogue)
    log = home / "worker.log"
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", "server.cli", *words],
            env={**environment, f"{ENV_PREFIX}CATALOGUE__URL": settings.catalogue_url},
            cwd=CONFIGURATION.parent,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
        try:
            wait_until(
                lambda: process.poll() is not None or _leads(ledger), "no orchestrator began to lead", every=0.05
            )
            if process.poll() is not None:
                raise PrismcubeError(f"the worker has ended: {log.read_text()[-500:]}")
            warm = ledger.submit(NewJob(process="tidy", inputs={"simulate": True}))[0].id
            _ended(ledger, warm)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            catalogue.close()


def _leads(ledger: Ledger) -> bool:
    with ledger.read() as connection:
        found = leader(connection)
    return found is not None and found[1] > 0


def consolidated(
    settings: Settings, catalogue: Catalogue, ledger: Ledger, wanted: Mapping[str, Any]
) -> tuple[float, str]:
    """Submit a consolidation of these inputs: seconds until its end, and its id. Raises PrismcubeError if it failed."""
    begun = time.monotonic()
    inputs = checked_inputs(consolidate.PROCESS, wanted, follow=References(Addresses()).following())
    consolidate.PROCESS.check(make_tools(settings, catalogue, ledger), inputs)
    id = ledger.submit(NewJob(process=consolidate.PROCESS.id, inputs=inputs))[0].id
    _ended(ledger, id)
    return time.monotonic() - begun, id


def _ended(ledger: Ledger, id: str) -> None:
    wait_until(lambda: ledger.get(id).finished is not None, "a job did not end", every=0.01, seconds=10 * PATIENCE)
    job = ledger.get(id)
    if job.status is not Status.SUCCESSFUL:
        raise PrismcubeError(f"the job {job.process} is {job.status} in the stage {job.stage!r}: {job.message}")
