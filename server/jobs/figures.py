"""Figures of jobs for `/metrics`: the same for all workers, asked of the ledger whenever somebody looks."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from prismcube.catalogue import Catalogue
from prismcube.errors import CatalogueUnavailable
from prismcube.jobs.ledger import Ledger

LOG = logging.getLogger("prismcube.server")


class JobFigures(Collector):
    """Tells what there is to do, and how jobs stand."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._ledger = Ledger(catalogue.engine, {})

    def collect(self) -> Iterable[Metric]:
        try:
            backlog, statuses = self._ledger.backlog(), self._ledger.statuses()
        except CatalogueUnavailable as error:  # the other figures are all the more wanted
            LOG.warning("there are no figures of jobs: %s", error)
            return
        tasks = GaugeMetricFamily(
            "prismcube_jobs_backlog", "Tasks that have not ended, of jobs that go on.", labels=["kind"]
        )
        for kind, number in sorted(backlog.items()):
            tasks.add_metric([kind], number)
        yield tasks
        jobs = GaugeMetricFamily("prismcube_jobs", "Jobs that are kept, by their status.", labels=["status"])
        for status, number in statuses.items():
            jobs.add_metric([status.value], number)
        yield jobs
