"""The process that leads jobs: `prismcube worker`, alone or as a child of `prismcube serve`."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

from config.pool import PoolKind
from config.settings import Settings
from config.tree import JobEngine
from prismcube.catalogue import Catalogue
from prismcube.errors import CatalogueUnavailable, ConfigurationError, Conflict, NotFound, PrismcubeError, SourceError
from prismcube.jobs.addresses import Addresses
from prismcube.jobs.callbacks import Callbacks
from prismcube.jobs.engine import Engine
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.entities import Job
from prismcube.jobs.leader import LEASE_SECONDS
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.orchestrator import Orchestrator, Windows
from prismcube.jobs.parent import when_parent_ends
from prismcube.jobs.pool import KubernetesWorkers, LocalWorkers, WorkerPool, Workers
from prismcube.jobs.results import ResultFiles
from prismcube.jobs.scaling import Scaling
from prismcube.jobs.watched import give_signs
from server import logs
from server.jobs.runtime import open_ledger, processes_of, runtime

LOG = logging.getLogger("prismcube.jobs")

PRUNE_SECONDS = 600
"""Between two removals of old jobs."""

PRUNE_PAGE = 100
"""Jobs that are found by one query."""


def run_jobs(
    settings: Settings,
    *,
    with_parent: int | None = None,
    signs: int | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Execute jobs until a TERM or INT; also until the process `with_parent`, which started this one, has ended.

    `signs` is the pipe by which that one sees whether this one hangs (`prismcube.jobs.watched`).
    """
    logs.configure(settings.log)
    catalogue = Catalogue(settings.catalogue_url, idle_seconds=LEASE_SECONDS)
    ledger = open_ledger(settings, catalogue)
    files = ResultFiles.below(settings.managed)
    callbacks = Callbacks(ledger, files, Addresses(settings.jobs.callbacks))
    engine = make_engine(settings)
    pool = make_pool(settings, engine, ledger)
    housekeeping = Housekeeping(
        ledger, files, callbacks, keep=timedelta(days=settings.jobs.keep_days), leads=lambda: orchestrator.leads
    )
    orchestrator = Orchestrator(
        ledger,
        engine,
        windows=Windows(by_kind={window.kind: window.tasks for window in settings.jobs.windows}),
        every_second=lambda: _each_second(housekeeping, pool),
        alive=give_signs(signs) if signs is not None else lambda: None,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: orchestrator.stop())
    if with_parent is not None:
        when_parent_ends(with_parent, partial(_stop, orchestrator))
    ready()
    if pool is not None:
        pool.start()
    try:
        orchestrator.run()
    finally:
        if pool is not None:
            pool.close()
    callbacks.close()
    catalogue.close()


def make_engine(settings: Settings) -> Engine:
    """The engine that the settings name. Raises ConfigurationError."""
    made = partial(runtime, settings)
    if settings.jobs.engine is JobEngine.LOCAL:
        return LocalEngine(made, processes=processes_of(settings), scratch=settings.home.absolute() / "jobs")
    if settings.jobs.scheduler is None:
        raise _mistake(settings, "scheduler", "the engine dask needs an address, such as tcp://scheduler:8786")
    try:
        from prismcube.jobs.engines.dask import DaskEngine
    except ImportError as error:
        raise _mistake(settings, "engine", f"dask can't be loaded, install prismcube[dask]: {error}") from error
    return DaskEngine(
        made,
        scheduler=settings.jobs.scheduler,
        url=settings.catalogue_url,
        resources={one.kind: one.resource for one in settings.jobs.resources},
    )


def make_pool(settings: Settings, engine: Engine, ledger: Ledger) -> WorkerPool | None:
    """The workers that come and go with the backlog, where there are such. Raises ConfigurationError."""
    pool = settings.jobs.pool
    if pool.kind is PoolKind.NONE:
        return None
    if settings.jobs.engine is not JobEngine.DASK or settings.jobs.scheduler is None:
        raise _mistake(settings, "pool.kind", "only the engine dask has workers that come and go")
    return WorkerPool(
        _workers(settings, engine, settings.jobs.scheduler),
        Scaling(
            least=pool.least,
            most=pool.most,
            ratio=pool.ratio,
            ratios={one.kind: one.ratio for one in pool.ratios},
            step=pool.step,
        ),
        backlog=ledger.backlog,
        every_seconds=pool.every_seconds,
    )


def _workers(settings: Settings, engine: Any, scheduler: str) -> Workers:
    pool = settings.jobs.pool
    if pool.kind is PoolKind.LOCAL:
        return LocalWorkers(
            scheduler,
            costs=engine.costs,
            expect=engine.expect,
            folder=settings.home.absolute() / "jobs" / "dask",
            threads=pool.threads,
            resources=pool.resources,
        )
    if pool.cluster is None:
        raise _mistake(settings, "pool.cluster", "a pool in Kubernetes needs the name of a DaskCluster")
    try:
        return KubernetesWorkers(pool.cluster, namespace=pool.namespace)
    except PrismcubeError as error:
        raise _mistake(settings, "pool.kind", f"install dask-kubernetes: {error}") from error


def _mistake(settings: Settings, name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(str(settings.path), [(f"prismcube.jobs.{name}", reason)])


def _each_second(housekeeping: Housekeeping, pool: WorkerPool | None) -> None:
    housekeeping()
    if pool is not None:
        pool.beat()


class Housekeeping:
    """What the orchestrator does beside leading: clients are called back, old jobs go with their results."""

    def __init__(
        self,
        ledger: Ledger,
        files: ResultFiles,
        callbacks: Callbacks,
        *,
        keep: timedelta,
        leads: Callable[[], bool],
    ) -> None:
        """`leads` is asked before each removal: old jobs may be many, and another may lead before they are gone."""
        self._ledger = ledger
        self._files = files
        self._callbacks = callbacks
        self._keep = keep
        self._leads = leads
        self._pruned = float("-inf")
        self._pruning = threading.Thread(target=self._prune)

    def __call__(self) -> None:
        """Called about once a second; takes no longer than some statements."""
        self._callbacks.send_due()
        if time.monotonic() - self._pruned >= PRUNE_SECONDS and not self._pruning.is_alive():
            self._pruned = time.monotonic()
            # Stores may take their time, and the lease of who leads is short.
            self._pruning = threading.Thread(target=self._prune, daemon=True, name="old-jobs")
            self._pruning.start()

    def _prune(self) -> None:
        gone = 0
        try:
            for one in takewhile(lambda _: self._leads(), self._old()):
                try:
                    # Before the row: who is killed between them finds the job once more.
                    self._files.remove(one.id, self._ledger.results(one.id))
                    self._ledger.delete(one.id)
                    gone += 1
                except (SourceError, Conflict, NotFound) as error:
                    LOG.error("job %s stays: %s", one.id, error)
        except CatalogueUnavailable as error:
            LOG.warning("old jobs stay for now: %s", error)
        if gone:
            LOG.info("%d jobs that ended more than %d days ago are removed", gone, self._keep.days)

    def _old(self) -> Iterator[Job]:
        """Page after page, each after the last job of the one before: so none that has to stay is met again."""
        before, last = datetime.now(UTC) - self._keep, None
        while page := self._ledger.ended(before, after=last, limit=PRUNE_PAGE):
            yield from page
            last = self._ledger.key(page[-1])


def _stop(orchestrator: Orchestrator) -> None:
    LOG.warning("the server is gone; its jobs stop")
    orchestrator.stop()
