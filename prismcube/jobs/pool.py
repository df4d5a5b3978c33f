"""Workers of dask that come and go with the ledger's backlog.

Dask can't scale by itself here, for it never sees more tasks than it has threads. A thread does what takes long, such
as to talk to Kubernetes; it works only while its orchestrator leads, which `beat` tells it.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from prismcube.errors import PrismcubeError
from prismcube.jobs.scaling import Scaling, cheapest
from prismcube.jobs.watched import Watched

LOG = logging.getLogger("prismcube.jobs")

LOOK_SECONDS = 0.5
"""Between two looks whether workers have died."""

BEAT_SECONDS = 5.0
"""Without a beat for so long, another leads."""


class Workers(Protocol):
    """Where workers come from. Called by one thread."""

    def count(self) -> int:
        """How many there are, or are being started."""
        ...

    def tend(self) -> None:
        """Called about twice a second while we lead: see that they run."""
        ...

    def scale(self, number: int) -> None:
        """Let there be so many."""
        ...

    def rest(self) -> None:
        """Another leads, or we stop."""
        ...


class LocalWorkers:
    """`dask worker` processes of this machine, which end with this process."""

    def __init__(
        self,
        scheduler: str,
        *,
        costs: Callable[[], Mapping[str, float]],
        expect: Callable[[str], None],
        folder: Path,
        threads: int = 1,
        resources: str | None = None,
    ) -> None:
        """`costs` and `expect` are those of the engine; `folder` is for what workers need while they run."""
        self._costs = costs
        self._expect = expect
        self._folder = folder
        # `--no-nanny`: a worker of a nanny may have no children, and it is we who start it again.
        self._options = [scheduler, str(os.getpid()), "--no-nanny", "--nthreads", str(threads), "--no-dashboard"]
        self._options += ["--preload", "prismcube.jobs.engines.with_parent"]
        self._options += ["--resources", resources] if resources else []
        self._workers: dict[str, Watched] = {}
        self._made = 0

    def count(self) -> int:
        return len(self._workers)

    def pids(self) -> dict[str, int]:
        """The processes that run, by the names of their workers."""
        return {name: pid for name, worker in self._workers.items() if (pid := worker.pid) is not None}

    def tend(self) -> None:
        for worker in self._workers.values():
            worker.look()

    def scale(self, number: int) -> None:
        while len(self._workers) < number:
            self._made += 1
            name = f"prismcube-{os.getpid()}-{self._made}"  # never used again
            options = [*self._options, "--name", name, "--local-directory", str(self._folder / name)]
            command = [sys.executable, "-m", "dask", "worker", *options]
            self._workers[name] = Watched(command, what=f"the worker {name}")
            self._workers[name].look()
        known = self._costs()
        for name in cheapest({name: known.get(name, 0.0) for name in self._workers}, len(self._workers) - number):
            self._expect(name)
            self._workers.pop(name).kill()  # a worker that is asked to end would go on with its task for a while

    def rest(self) -> None:
        self.scale(0)


class KubernetesWorkers:
    """The default worker group of a `DaskCluster`, which dask's operator scales; idle workers go first there.

    Needs the package dask-kubernetes, and an account that may read and change `DaskCluster` and `DaskWorkerGroup`.
    """

    def __init__(self, name: str, *, namespace: str | None = None) -> None:
        """Raises PrismcubeError when the package is not there."""
        try:
            self._operator: Any = importlib.import_module("dask_kubernetes.operator")
        except ImportError as error:
            raise PrismcubeError(f"dask-kubernetes can't be loaded: {error}") from error
        self._name = name
        self._namespace = namespace
        self._cluster: Any = None
        self._number = 0

    def count(self) -> int:
        if self._cluster is None:
            self._cluster = self._operator.KubeCluster.from_name(self._name, namespace=self._namespace, quiet=True)
            self._number = int(self._cluster.n_workers)
        return self._number

    def tend(self) -> None:
        """The operator does."""

    def scale(self, number: int) -> None:
        if self.count() != number:
            try:
                self._cluster.scale(number)
            except Exception:
                self.rest()  # it is asked anew how many there are
                raise
            self._number = number

    def rest(self) -> None:
        """Workers stay for the next one who leads."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()


class WorkerPool:
    """Scales workers by a rule, every so many seconds."""

    def __init__(
        self, workers: Workers, scaling: Scaling, *, backlog: Callable[[], Mapping[str, int]], every_seconds: float
    ) -> None:
        """`backlog` is that of the ledger."""
        self._workers = workers
        self._scaling = scaling
        self._backlog = backlog
        self._every = every_seconds
        self._beat = self._scaled = float("-inf")
        self._leads = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="worker-pool")

    def start(self) -> None:
        self._thread.start()

    def beat(self) -> None:
        """We lead; called about once a second for as long as we do."""
        self._beat = time.monotonic()

    def close(self) -> None:
        """Local workers are stopped."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def _run(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            try:
                self._look()
            except Exception as error:  # Kubernetes or the database does not answer: the next look
                LOG.warning("workers can't be scaled at the moment: %s: %s", type(error).__name__, error)
                self._closed.wait(BEAT_SECONDS)
        self._workers.rest()

    def _look(self) -> None:
        now = time.monotonic()
        leads = now - self._beat < BEAT_SECONDS
        if leads:
            self._workers.tend()
            if now - self._scaled >= self._every:
                self._scale()
                self._scaled = now
        elif self._leads:
            self._workers.rest()
            self._scaled = float("-inf")
        self._leads = leads

    def _scale(self) -> None:
        backlog, current = self._backlog(), self._workers.count()
        number = self._scaling.wanted(backlog, current)
        if number != current:
            LOG.info("%d workers in place of %d, for %d tasks", number, current, sum(backlog.values()))
        self._workers.scale(number)
