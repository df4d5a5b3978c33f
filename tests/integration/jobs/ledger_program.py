"""An orchestrator of the toy processes in a program of its own: python ledger_program.py URL SCRATCH WHERE

WHERE: a number of processes here, or the address of dask's scheduler.
"""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3]), str(Path(__file__).parent)]


def main(url: str, scratch: str, where: str) -> None:
    import ledger_toys

    from prismcube.catalogue.engine import create_engine
    from prismcube.jobs.engine import Engine
    from prismcube.jobs.engines.dask import DaskEngine
    from prismcube.jobs.engines.local import LocalEngine
    from prismcube.jobs.leader import LEASE_SECONDS
    from prismcube.jobs.ledger import Ledger
    from prismcube.jobs.orchestrator import Orchestrator, Windows

    runtime = partial(ledger_toys.runtime, url)
    engine: Engine = (
        LocalEngine(runtime, processes=int(where), scratch=Path(scratch))
        if where.isdigit()
        else DaskEngine(runtime, scheduler=where, url=url)
    )
    ledger = Ledger(create_engine(url, idle_seconds=LEASE_SECONDS), ledger_toys.DEFINITIONS)
    orchestrator = Orchestrator(ledger, engine, windows=Windows(by_kind={}))
    signal.signal(signal.SIGTERM, lambda *_: orchestrator.stop())
    orchestrator.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
