"""Every case: all engines, each in a process of its own, in turns; so that a busy machine is busy for all.

The first runs of each engine fill the page cache, and tell memory, differences and requests; the others are timed.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np

from server.bench.cube.archive import catalogue
from server.bench.cube.cases import OURS, Case, Part, cases
from server.bench.cube.consolidating import consolidate
from server.bench.cube.engines import ENGINES, Setup
from server.bench.cube.engines.reproject import make_judge
from server.bench.cube.limits import LimitMeter
from server.bench.cube.report import CaseResult, Measured, Report
from server.bench.cube.scenes import SIZES, Size, make
from server.bench.cube.slow_server import SlowServer, slow_server
from server.bench.cube.workers import Run, Unable, Worker
from server.bench.progress import Progress

PATIENCE = 30.0
"""Seconds: an engine whose first run took longer is not run again."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to measure."""

    size: Size
    data: Path
    """Folder for the images."""
    engines: Sequence[str] = tuple(ENGINES)
    only: Sequence[str] = ()
    """Names of cases; empty: all."""
    runs: int | None = None
    """Timed runs, in place of the size's."""


def forks() -> ForkServerContext:
    """How processes are started: forked from one that has imported every engine already."""
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload(["server.bench.cube.preload"])
    return start


def measure(wanted: Wanted, *, progress: Progress) -> Report:
    """Make the images where they are missing, and run every case."""
    start = forks()
    size = wanted.size
    folder = make(wanted.data, size, start, progress=progress)
    chosen = [one for one in cases(size) if not wanted.only or one.name in wanted.only]
    with ExitStack() as stack:
        bench = _Bench(wanted, folder, Path(stack.enter_context(_temporary())), start, stack)
        results = []
        if any(one.is_consolidated for one in chosen):
            consolidate(folder, size, progress=progress)
        for case in chosen:
            progress(case.title, len(bench.engines(case)) * (1 + bench.runs), 0)
            results.append(bench.result(case, partial(progress, case.title, None)))
    return Report(size=size, results=results, engines=wanted.engines)


@contextmanager
def _temporary() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="prismcube-bench-") as folder:
        yield folder


class _Bench:
    """Everything that cases share: catalogues, the slow server, the judge's cubes."""

    def __init__(
        self, wanted: Wanted, folder: Path, temporary: Path, start: ForkServerContext, stack: ExitStack
    ) -> None:
        self.runs = wanted.runs or wanted.size.runs
        self._wanted = wanted
        self._folder = folder
        self._temporary = temporary
        self._start = start
        self._stack = stack
        self._server: SlowServer | None = None
        self._truth: dict[Part, Path] = {}

    def engines(self, case: Case) -> list[str]:
        """Those that run in a case."""
        return [name for name in self._wanted.engines if name == OURS or not case.peers or name in case.peers]

    def result(self, case: Case, tick: Callable[[int], None]) -> CaseResult:
        setup = self._setup(case)
        truth = [self._judged(part, setup) for part in case.parts]
        with ExitStack() as stack:
            workers: dict[str, Worker] = {}
            failed: dict[str, str] = {}
            firsts: dict[str, tuple[Run, Measured]] = {}
            for name in self.engines(case):
                try:
                    workers[name] = worker = Worker(name, setup, self._start)
                    stack.callback(worker.close)
                    firsts[name] = self._first(case, name, worker, truth)
                except Unable as error:
                    failed[name] = str(error)
                tick(1)
            timed: dict[str, list[Run]] = {name: [] for name in firsts}
            # By the machine, not by the network; and by what we read, too.
            is_bound = case.source == "disk" and not case.is_point and not case.is_consolidated
            meter = LimitMeter(case, self._wanted.size, self._folder) if is_bound else None
            for _ in range(self.runs):
                for name, (first, _) in firsts.items():
                    if first.seconds < PATIENCE and name not in failed:
                        try:
                            timed[name].append(_run(workers[name], meter if name == OURS else None))
                        except Unable as error:
                            failed[name] = str(error)
                    tick(1)
        measured = [
            Measured(engine=name, failed=failed[name]) if name in failed else _together(*firsts[name], timed[name])
            for name in self.engines(case)
        ]
        ours = [one.seconds for one in timed.get(OURS, ())] if meter and OURS not in failed else []
        limits = meter.seconds() if meter and ours else ()
        return CaseResult(
            case=case,
            engines=tuple(measured),
            limit=meter.limit() if meter else None,
            shares=tuple(least / took for least, took in zip(limits, ours, strict=True)),
            judged=self._wanted.size == SIZES["full"],
        )

    def _first(self, case: Case, name: str, worker: Worker, truth: list[Path]) -> tuple[Run, Measured]:
        server = self._server if case.source == "http" else None
        if server:
            server.counts()
        run = worker.first(truth)
        counts = server.counts() if server else None
        return run, Measured(engine=name, growth=run.growth, difference=run.difference, counts=counts)

    def _setup(self, case: Case) -> Setup:
        """With the catalogue, and the server, that the case needs."""
        if case.source == "http" and self._server is None:
            self._server = self._stack.enter_context(slow_server(self._folder, self._start))
        base = self._server.url if case.source == "http" and self._server else str(self._folder)
        kind = "-consolidated" if case.is_consolidated else "-tops" if case.is_of_tops else ""
        home = self._temporary / f"{case.source}{kind}"
        if not home.exists():
            catalogue(home, self._wanted.size, base, consolidated=case.is_consolidated, tops=case.is_of_tops)
        return Setup(size=self._wanted.size, case=case, base=base, home=home)

    def _judged(self, part: Part, setup: Setup) -> Path:
        """The judge's cube of a part, in a file."""
        if part not in self._truth:
            path = self._temporary / f"truth-{len(self._truth)}.npy"
            local = Setup(size=setup.size, case=setup.case, base=str(self._folder), home=setup.home)
            np.save(path, make_judge(local).run(part))
            self._truth[part] = path
        return self._truth[part]


def _run(worker: Worker, meter: LimitMeter | None) -> Run:
    """A timed run, between two measurements of the limit. Raises Unable."""
    if meter is None:
        return worker.run()
    meter.measure()
    found = worker.run()
    meter.measure()
    return found


def _together(first: Run, found: Measured, timed: Sequence[Run]) -> Measured:
    runs = timed or [first]
    return Measured(
        engine=found.engine,
        seconds=tuple(one.seconds for one in runs),
        cpu=statistics.median(one.cpu for one in runs),
        growth=found.growth,
        difference=found.difference,
        counts=found.counts,
    )
