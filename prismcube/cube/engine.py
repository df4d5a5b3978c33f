"""Executes plans: files in, slices out, in order.

    execute(plan) ─ SliceWork a slice, or StackWork for many of few pixels ─ its units on the CPU pool ─> Slice
                        └─ remote files asked for ahead, on the IO pool

One engine a process, made when it is first asked for, after the fork. Slices are computed at once as far as
`CubePlan.at_once` says, whose memory the caller has seen to; closing the generator stops the work after the files at
hand.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from prismcube.cube.ahead import Ahead
from prismcube.cube.gate import Stop, never
from prismcube.cube.observer import NOBODY, Observer
from prismcube.cube.plan import CubePlan
from prismcube.cube.reading import Reader
from prismcube.cube.rooms import Rooms
from prismcube.cube.stacks import Job, Means, StackUnit, Work, works
from prismcube.cube.states import FileStates
from prismcube.cube.units import Unit
from prismcube.cube.views import Views
from prismcube.cube.windows import Windows
from prismcube.errors import Cancelled
from prismcube.model.cube import Slice
from prismcube.storage.pool import Limits
from prismcube.storage.ranges import Ranges

FLAGS_KEPT = 8
"""Arrays of flags whose memory is kept for the next answer: 0.8 MB each, at most."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What an engine may use."""

    threads: int = os.cpu_count() or 1
    """That compute; more gain nothing."""
    cache_bytes: int = 128 * 2**20
    """Of decoded blocks that maps and series come back to."""
    remote: Limits = field(default_factory=Limits)
    """Of reading remote files."""
    kind: Literal["auto", "rasterio"] = "auto"
    """`rasterio`: GDAL reads every file."""
    is_warm: Callable[[], bool] = lambda: True
    """Whether kernels are there; until then GDAL reads every file, and nobody waits for a compiler."""


class Engine:
    """The pools and caches by which plans are executed; of any thread."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.windows = Windows(Ranges(settings.remote), cache_bytes=settings.cache_bytes)
        self._views = Views()
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="cube")
        self._flags: deque[memoryview] = deque(maxlen=FLAGS_KEPT)
        self._lock = threading.Lock()
        self._busy = self._waiting = 0

    @property
    def busy(self) -> int:
        """Units that are computed now: by threads of the pool, or by their caller's own."""
        return self._busy

    @property
    def waiting(self) -> int:
        """Units that wait for a thread of the pool."""
        return self._waiting

    def _by_gdal(self) -> str:
        if self.settings.kind == "rasterio":
            return "the settings say rasterio"
        return "" if self.settings.is_warm() else "kernels are being compiled"

    def run(
        self,
        jobs: Iterable[Job],
        *,
        at_once: int,
        keep: bool,
        stop: Stop,
        observer: Observer,
        states: FileStates | None = None,
    ) -> Iterator[Slice]:
        """The slices of jobs, in their order, so many of them computed at once; `keep`: decoded blocks, too.

        `states`: of the answer's files, where jobs are not all of it.
        """
        is_left = threading.Event()
        reader = Reader(self.windows, self._views, states or FileStates(), by_gdal=self._by_gdal)

        def check() -> None:
            if is_left.is_set():
                raise Cancelled
            stop()

        threads = self.settings.threads
        means = Means(
            reader=reader,
            threads=threads,
            at_once=at_once,
            keep=keep,
            stop=check,
            observer=observer,
            rooms=Rooms(self._flags),
        )
        begun = Ahead(works(jobs, means), self.windows.together, most_bytes=self.settings.remote.size)
        running: deque[tuple[Work, list[Future[None]]]] = deque()
        futures: list[Future[None]]
        try:
            begun.reach()
            while True:
                # Two units a thread keep it busy; more would be memory of slices that wait.
                while begun and _fits(begun.first, running, at_once) and _units(running) < 2 * threads:
                    work, futures = begun.take(), []
                    running.append((work, futures))
                    begun.reach()
                    work.start()
                    alone = len(running) == 1 and not begun and len(work.units) == 1
                    futures += (self._run(unit, here=alone or unit.is_light) for unit in work.units)
                if not running:
                    return
                work, futures = running.popleft()
                units: Sequence[Unit | StackUnit] = work.units
                try:
                    for unit, future in zip(units, futures, strict=True):
                        # Threads may all be busy with the large units of others.
                        taken = unit.is_short and future.cancel()
                        (self._run(unit, here=True) if taken else future).result()
                except BaseException:  # whatever it is goes on; but its other units must be waited for below
                    running.appendleft((work, futures))
                    raise
                if instead := work.instead():
                    running.extendleft([(one, []) for one in reversed(instead)])
                    for one, futures in islice(running, len(instead)):
                        one.start()
                        futures += (self._run(unit, here=False) for unit in one.units)
                    continue
                for made in work.slices():
                    observer.slice_made(made.status, made.message)
                    yield made
        finally:
            is_left.set()
            for _, futures in running:
                for future in futures:
                    future.cancel()
            wait([future for _, futures in running for future in futures])  # their memory is the caller's
            begun.cancel()
            for work, _ in running:
                work.cancel()

    def _run(self, unit: Unit | StackUnit, *, here: bool) -> Future[None]:
        """In the pool, or `here`: by the caller's own thread."""
        if not here:
            self._count(waiting=1)
            future = self._pool.submit(self._run_counted, unit)
            future.add_done_callback(self._forget_cancelled)
            return future
        future = Future()
        try:
            with self._counted():
                unit.run()
        except BaseException as error:  # told in its turn, as the pool does: other units of its slice may be running
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def _run_counted(self, unit: Unit | StackUnit) -> None:
        self._count(waiting=-1)
        with self._counted():
            unit.run()

    def _forget_cancelled(self, future: Future[None]) -> None:
        if future.cancelled():
            self._count(waiting=-1)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._count(busy=1)
        try:
            yield
        finally:
            self._count(busy=-1)

    def _count(self, *, busy: int = 0, waiting: int = 0) -> None:
        with self._lock:
            self._busy += busy
            self._waiting += waiting


def _fits(work: Work, running: Iterable[tuple[Work, Sequence[Future[None]]]], at_once: int) -> bool:
    under_way = sum(one.weight for one, _ in running)
    return not under_way or under_way + work.weight <= at_once


def _units(running: Iterable[tuple[Work, Sequence[Future[None]]]]) -> int:
    return sum(len(futures) for _, futures in running)


_lock = threading.Lock()
_engines: dict[int, Engine] = {}
"""By process: threads don't survive a fork, so that a child makes its own."""
_settings = EngineSettings()


def configure(settings: EngineSettings) -> None:
    """What engines made from now on may use."""
    global _settings
    with _lock:
        _settings = settings


def engine() -> Engine:
    """That of this process."""
    with _lock:
        found = _engines.get(os.getpid())
        if found is None:
            _engines.clear()
            found = _engines[os.getpid()] = Engine(_settings)
        return found


def execute(
    plan: CubePlan, *, stop: Stop = never, observer: Observer = NOBODY, states: FileStates | None = None
) -> Iterator[Slice]:
    """The slices of a plan, in its order.

    A file that can't be read never ends the stream, but its step says so: PARTIAL, or FAILED when no record could be
    read. What is computed leaves out the record; of plain slices the fields and files that could be read are there.
    `stop` is called before each file, from several threads, and may raise Cancelled; `observer` is told what has been
    read and made. A file that is replaced meanwhile gives no more pixels; plans of one answer share its `states`.
    """
    jobs = ((plan, index) for index in range(len(plan.slices)))
    return engine().run(jobs, at_once=plan.at_once, keep=plan.is_small, stop=stop, observer=observer, states=states)


def execute_jobs(
    jobs: Sequence[Job],
    *,
    at_once: int,
    keep: bool,
    stop: Stop = never,
    observer: Observer = NOBODY,
    states: FileStates | None = None,
) -> Iterator[Slice]:
    """As `execute`, slices of several plans; `keep`: their decoded blocks may be wanted again."""
    return engine().run(jobs, at_once=at_once, keep=keep, stop=stop, observer=observer, states=states)
