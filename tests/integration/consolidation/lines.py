"""An archive, and an orchestrator in a thread with one process that executes tasks, its own or a cluster's."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import killed_tasks
from dask_cluster import DaskCluster
from killing import LONG, Archive

from prismcube.jobs.engine import Engine
from prismcube.jobs.engines.dask import DaskEngine
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.orchestrator import Orchestrator, Windows


class Line:
    """Works until it is stopped."""

    def __init__(self, archive: Archive, url: str, folder: Path, cluster: DaskCluster | None) -> None:
        self.archive = archive
        self.scratch = folder / "scratch-of-jobs"
        runtime = partial(killed_tasks.runtime, url, archive.bench.managed.as_uri(), str(archive.orders))
        engine: Engine = (
            LocalEngine(runtime, processes=1, scratch=self.scratch)
            if cluster is None
            else DaskEngine(runtime, scheduler=cluster.address, url=url)
        )
        self._orchestrator = Orchestrator(archive.ledger, engine, windows=Windows(by_kind={}))
        self._thread = threading.Thread(target=self._orchestrator.run)
        self._thread.start()

    def stop(self) -> None:
        self._orchestrator.stop()
        self._thread.join(LONG)
        assert not self._thread.is_alive()
