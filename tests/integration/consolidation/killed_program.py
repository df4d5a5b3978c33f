"""An orchestrator that is killed at moves of jobs: python killed_program.py URL MANAGED ORDERS SCRATCH WHERE

WHERE: a number of processes here, or the address of dask's scheduler. ORDERS is the folder of `killed_tasks`, where
`<process> <stage> <target> before` kills this program just before the transaction is committed that moves a job of the
process from the stage to the target, and `... after` when it has just been committed.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, select

sys.path[:0] = [str(Path(__file__).resolve().parents[3]), str(Path(__file__).parent)]

import killed_tasks

from prismcube.catalogue.engine import create_engine
from prismcube.catalogue.job_tables import job
from prismcube.jobs.engine import Engine
from prismcube.jobs.engines.dask import DaskEngine
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.leader import LEASE_SECONDS
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows

STAGES = select(job.c.id, job.c.process, job.c.stage)


class KillingLedger(Ledger):
    """Looks in each transaction of the orchestrator which jobs it moves."""

    orders: Path

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            before = {row.id: row.stage for row in connection.execute(STAGES)}
            yield connection
            moves = [
                f"{row.process} {before[row.id]} {row.stage}"
                for row in connection.execute(STAGES)
                if before.get(row.id, row.stage) != row.stage
            ]
            for move in moves:
                killed_tasks.take(self.orders, f"{move} before")
        for move in moves:
            killed_tasks.take(self.orders, f"{move} after")


def main(url: str, managed: str, orders: str, scratch: str, where: str) -> None:
    runtime = partial(killed_tasks.runtime, url, managed, orders)
    engine: Engine = (
        LocalEngine(runtime, processes=int(where), scratch=Path(scratch))
        if where.isdigit()
        else DaskEngine(runtime, scheduler=where, url=url)
    )
    ledger = KillingLedger(create_engine(url, idle_seconds=LEASE_SECONDS), killed_tasks.DEFINITIONS)
    ledger.orders = Path(orders)
    orchestrator = Orchestrator(ledger, engine, windows=Windows(by_kind={}))
    signal.signal(signal.SIGTERM, lambda *_: orchestrator.stop())
    orchestrator.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
