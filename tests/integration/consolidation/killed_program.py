"""An orchestrator that is killed at moves of jobs: python killed_program.py URL MANAGED ORDERS SCRATCH WHERE

WHERE: a number of processes here, or the address of dask's scheduler. ORDERS is the folder of `killed_tasks`.
"""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3]), str(Path(__file__).parent)]


def main(url: str, managed: str, orders: str, scratch: str, where: str) -> None:
    import killed_tasks  # not on top: processes that execute tasks load this file as well

    from prismcube.catalogue.engine import create_engine
    from prismcube.jobs.engine import Engine
    from prismcube.jobs.leader import LEASE_SECONDS
    from prismcube.jobs.orchestrator import Orchestrator, Windows

    runtime = partial(killed_tasks.runtime, url, managed, orders)
    engine: Engine
    if where.isdigit():
        from prismcube.jobs.engines.local import LocalEngine

        engine = LocalEngine(runtime, processes=int(where), scratch=Path(scratch))
    else:
        from prismcube.jobs.engines.dask import DaskEngine

        engine = DaskEngine(runtime, scheduler=where, url=url)
    ledger = killed_tasks.KillingLedger(
        create_engine(url, idle_seconds=LEASE_SECONDS), killed_tasks.DEFINITIONS, orders=Path(orders)
    )
    orchestrator = Orchestrator(ledger, engine, windows=Windows(by_kind={}))
    signal.signal(signal.SIGTERM, lambda *_: orchestrator.stop())
    orchestrator.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
