"""The cases, one after the other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from prismcube.catalogue.engine import database_file
from prismcube.errors import ConfigurationError
from server import kernels
from server.bench.catalogue import check_unused, empty_catalogue
from server.bench.figures import Figure
from server.bench.jobs import archive, bare, consolidating, killing, latency, outage, stopping
from server.bench.jobs.own_postgres import programs
from server.bench.jobs.report import CaseResult, Report
from server.bench.jobs.sizes import Size
from server.bench.progress import Progress

SQLITE, POSTGRESQL = "SQLite", killing.POSTGRESQL


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to measure."""

    size: Size
    data: Path
    """Folder for the images."""
    database: str | None = None
    """An empty database of PostgreSQL."""
    only: Sequence[str] = ()
    """Names of cases; empty: all."""
    runs: int | None = None
    """Consolidations, in place of the size's."""
    tasks: int | None = None
    """Of the job whose processes are killed, in place of the size's."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One of them."""

    title: str
    database: str
    run: Callable[[Bench, str], CaseResult]
    """Given its name as well."""
    is_own: bool = False
    """On a database server that it starts itself, where one is installed."""


def measure(wanted: Wanted, *, progress: Progress) -> Report:
    """Run every case that is wanted; those that want PostgreSQL when there is one."""
    size = wanted.size
    size = replace(size, runs=wanted.runs or size.runs, kill_tasks=wanted.tasks or size.kill_tasks)
    results, missing = [], []
    with tempfile.TemporaryDirectory(prefix="prismcube-bench-") as folder:
        for name, case in CASES.items():
            if wanted.only and name not in wanted.only:
                continue
            has_database = programs() is not None if case.is_own else bool(wanted.database)
            if case.database == POSTGRESQL and not has_database:
                missing.append(name)
                continue
            bench = Bench(size=size, case=case, wanted=wanted, folder=Path(folder) / name, progress=progress)
            bench.folder.mkdir()
            results.append(case.run(bench, name))
    return Report(size=size, results=results, not_measured=missing)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a case works with."""

    size: Size
    case: Case
    wanted: Wanted
    folder: Path
    """Its own, removed at the end."""
    progress: Progress

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty catalogue; left as empty."""
        url = f"sqlite:///{self.folder}/catalogue.db" if self.case.database == SQLITE else self.wanted.database or ""
        with empty_catalogue(url):
            yield url

    def begin(self, total: int) -> Callable[[int], None]:
        """Told how many steps are done."""
        self.progress(self.case.title, total, 0)
        return partial(self.progress, self.case.title, None)

    def result(self, name: str, figures: Sequence[Figure], **details: object) -> CaseResult:
        return CaseResult(name=name, title=self.case.title, figures=figures, details=details)


def _ledger(bench: Bench, name: str) -> CaseResult:
    with bench.database() as url:
        tasks = bench.size.ledger_tasks
        return bench.result(name, bare.rates(url, bench.case.database, tasks=tasks, tick=bench.begin(tasks)))


def _million(bench: Bench, name: str) -> CaseResult:
    """In a process of its own, for its memory."""
    bench.begin(1)
    with bench.database() as url, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        tasks = bench.size.million_tasks
        found = pool.submit(bare.very_many, url, bench.case.database, tasks=tasks).result()
    return bench.result(name, found)


def _latency(bench: Bench, name: str) -> CaseResult:
    number, scratch = bench.size.submissions, bench.folder / "scratch"
    with bench.database() as url:
        found = latency.figures(url, bench.case.database, submissions=number, scratch=scratch, tick=bench.begin(number))
    return bench.result(name, found)


def _kill(dask: bool, bench: Bench, name: str) -> CaseResult:
    size = bench.size
    with bench.database() as url:
        found, kills = killing.figures(
            url,
            bench.case.database,
            tasks=size.kill_tasks,
            task_seconds=size.task_seconds,
            folder=bench.folder / "jobs",
            dask=dask,
            tick=bench.begin(size.kill_tasks),
        )
    return bench.result(name, found, killed=asdict(kills))


def _kill_database(bench: Bench, name: str) -> CaseResult:
    size = bench.size
    tasks, tick = size.kill_tasks, bench.begin(size.kill_tasks)
    found, victim = killing.figures_of_database(
        tasks=tasks, task_seconds=size.task_seconds, folder=bench.folder / "jobs", tick=tick
    )
    return bench.result(name, found, killed={"database": victim})


def _kill_web(bench: Bench, name: str) -> CaseResult:
    number, home = bench.size.cancelled, bench.folder / "home"
    place = Path(os.environ.get(kernels.FOLDER) or bench.wanted.data / "kernels")
    tick = bench.begin(number)
    found, victims = outage.figures(bench.case.database, kills=number, folder=home, compiled=place, tick=tick)
    return bench.result(name, found, killed={"web": victims})


def _stop(dask: bool, bench: Bench, name: str) -> CaseResult:
    jobs = bench.size.cancelled
    with bench.database() as url:
        found = stopping.figures(
            url, bench.case.database, jobs=jobs, folder=bench.folder / "jobs", dask=dask, tick=bench.begin(jobs)
        )
    return bench.result(name, found)


def _consolidate(zones: int, bench: Bench, name: str) -> CaseResult:
    size = bench.size
    images = archive.make(bench.wanted.data, size, zones=zones, progress=bench.progress)
    has_bar = size.name == "full" and zones == 1
    found, runs = consolidating.figures(
        images, bench.folder, runs=size.runs, tick=bench.begin(size.runs), has_bar=has_bar
    )
    return bench.result(name, found, runs=[asdict(one) for one in runs])


CASES: Mapping[str, Case] = {
    "ledger-sqlite": Case(title="the ledger alone", database=SQLITE, run=_ledger),
    "ledger-postgresql": Case(title="the ledger alone", database=POSTGRESQL, run=_ledger),
    "million": Case(title="a job of very many tasks", database=SQLITE, run=_million),
    "million-postgresql": Case(title="a job of very many tasks", database=POSTGRESQL, run=_million),
    "idle-latency": Case(title="a job that has nothing to do", database=SQLITE, run=_latency),
    "idle-latency-postgresql": Case(title="a job that has nothing to do", database=POSTGRESQL, run=_latency),
    "kill": Case(title="processes are killed", database=SQLITE, run=partial(_kill, False)),
    "kill-postgresql": Case(title="processes are killed", database=POSTGRESQL, run=partial(_kill, False)),
    "kill-dask": Case(title="processes of a dask cluster are killed", database=SQLITE, run=partial(_kill, True)),
    "kill-dask-postgresql": Case(
        title="processes of a dask cluster are killed", database=POSTGRESQL, run=partial(_kill, True)
    ),
    "kill-database": Case(title="the database is killed", database=POSTGRESQL, run=_kill_database, is_own=True),
    "kill-web": Case(title="the process that answers requests is killed", database=SQLITE, run=_kill_web),
    "stop": Case(title="a job is cancelled", database=SQLITE, run=partial(_stop, False)),
    "stop-dask": Case(title="a job of a dask cluster is cancelled", database=SQLITE, run=partial(_stop, True)),
    "consolidate": Case(title="dates of one grid to one file", database=SQLITE, run=partial(_consolidate, 1)),
    "consolidate-warped": Case(
        title="dates of two UTM zones to one file", database=SQLITE, run=partial(_consolidate, 2)
    ),
}
"""In this order; those of PostgreSQL want a database."""


def check_database(url: str) -> None:
    """Raises ConfigurationError when it is no empty database of PostgreSQL."""
    if database_file(url) is not None:
        raise ConfigurationError("bench", [("--database", "must be PostgreSQL's; SQLite is measured anyway")])
    check_unused(url)
