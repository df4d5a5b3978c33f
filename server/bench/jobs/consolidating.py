"""Many dates of one cell to one file, as a user sees it: a job is submitted, `prismcube worker` executes it, it ends.

The cube of the whole cell is read before and after by our engine, as a request reads it: every pixel is the same, and
so is where pixels are valid. A smaller cube and a pixel are timed before and after, and beside others on the images.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from config.settings import Settings
from prismcube.catalogue import Catalogue
from prismcube.cube.engine import engine, execute
from prismcube.cube.plan import CubePlan
from prismcube.errors import PrismcubeError
from prismcube.jobs.ledger import Ledger
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.grid import Grid
from prismcube.model.period import Period
from prismcube.storage.uri import canonical_uri
from providers.ogc.answer import Context
from providers.ogc.selection import Selection, select
from server import kernels
from server.asgi import make_context
from server.bench.consolidation import LOSSLESS, consolidated, executing
from server.bench.cube.scenes import NODATA
from server.bench.figures import Figure
from server.bench.jobs.archive import BAND, COLLECTION, LAYOUT, Archive, new_home
from server.bench.jobs.peers import Peers
from server.bench.memory import memory
from server.jobs.runtime import open_ledger
from server.metrics import Metrics

MOST_SECONDS = 9.0
"""From submission to end: the bar, at the full size; the original took 31.5 s on a like machine."""
ORIGINAL_SECONDS = 31.5

READS = 5
"""Of the smaller cube, and of a pixel; the median counts."""

TIMES_RASTERIO = 10.0
"""The engine's bar for a pixel of a consolidated file, at the full size. That for cubes (docs/adr/0008) is for images
that overlap and lie in two zones: `bench cube` has them, and reads the file that such a job makes of them."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One consolidation."""

    seconds: float
    stages: Mapping[str, float]
    """Seconds that the job was in each stage, by its log."""
    written: int
    """Bytes of the new file."""
    worker_bytes: int
    """The most memory that a process that executes tasks has held."""
    differences: int
    """Pixels that are not as before, or not valid where they were, or the other way round."""
    cube: Reads
    """The smaller cube."""
    point: Reads
    """A pixel of all dates."""


@dataclass(frozen=True, kw_only=True)
class Reads:
    """Seconds that a cube takes."""

    before: float
    after: float
    peer: float
    """Another's, on the images, right behind ours after."""
    differences: int
    """Of the values of that one from ours."""

    @property
    def times(self) -> float:
        """What it takes the other, by ours."""
        return self.peer / self.after


def figures(
    archive: Archive, folder: Path, *, runs: int, tick: Callable[[int], None], has_bar: bool
) -> tuple[list[Figure], list[Run]]:
    """Consolidate in a new home folder, so often."""
    place = Path(os.environ.get(kernels.FOLDER) or archive.folder.parent / "kernels")
    kernels.use(place)
    kernels.complete(place, threading.Event())
    kernels.load_if_complete(place)
    done = []
    for number in range(runs):
        done.append(_run(archive, folder / f"home-{number}"))
        tick(1)
    middle = sorted(done, key=lambda one: one.seconds)[len(done) // 2]
    raw = archive.raw_bytes
    bar, original = (MOST_SECONDS, ORIGINAL_SECONDS) if has_bar else (None, None)
    seconds = statistics.median(one.seconds for one in done)
    told = f"{len(done)} runs, {raw / 1e6:,.0f} MB raw"

    def figure(name: str, unit: str, value: float, **more: Any) -> Figure:
        return Figure(name=name, database="SQLite", unit=unit, value=value, repeats=len(done), **more)

    return [
        figure("from submission to end", "s", seconds, bar=bar, original=original, note=told),
        *(figure(f"of it {stage}", "s", value) for stage, value in middle.stages.items()),
        figure("raw pixels a second", "MB/s", raw / 1e6 / seconds, note=f"{middle.written / 1e6:,.0f} MB written"),
        figure("memory of a process that works", "MB", max(one.worker_bytes for one in done) / 1e6),
        figure("pixels that differ", "errors", max(one.differences for one in done), bar=0),
        *_reads(
            figure, f"{archive.size.window}² × {archive.size.dates}", [one.cube for one in done], "odc-stac", has_bar
        ),
        *_reads(figure, f"one pixel × {archive.size.dates}", [one.point for one in done], "rasterio", has_bar),
    ], done


def _reads(
    figure: Callable[..., Figure], what: str, done: Sequence[Reads], peer: str, has_bar: bool
) -> Iterator[Figure]:
    bar = TIMES_RASTERIO if has_bar and peer == "rasterio" else None
    yield figure(f"{what} before", "ms", 1e3 * statistics.median(one.before for one in done))
    yield figure(f"{what} after", "ms", 1e3 * statistics.median(one.after for one in done))
    times = statistics.median(one.times for one in done)
    yield figure(f"{what} after, beside {peer} on the images", "times", times, bar=bar)
    yield figure(f"{what}: values that are not {peer}'s", "pixels", max(one.differences for one in done))


def _run(archive: Archive, home: Path) -> Run:
    settings = new_home(home, archive)
    cell = archive.cell
    side = archive.size.window
    middle = cell.shifted((cell.height - side) // 2, (cell.width - side) // 2, height=side, width=side)
    with tempfile.TemporaryDirectory(dir=home) as inside, executing(settings, home) as worker:
        before, pixel = Readers(settings, archive), middle.shifted(side // 2, side // 2, height=1, width=1)
        was = before.cube(cell, Path(inside) / "before")
        seconds_before = [statistics.median(before.seconds(one) for _ in range(READS)) for one in (middle, pixel)]
        catalogue = Catalogue(settings.catalogue_url, managed=canonical_uri(settings.managed))
        ledger = open_ledger(settings, catalogue)
        wanted = {"collection": COLLECTION, "layout": LAYOUT, "consolidation": LOSSLESS}
        taken, id = consolidated(settings, catalogue, ledger, wanted)
        stages = _stages(ledger, id)
        written = int(ledger.whole(id).results["bytes"])
        catalogue.close()
        after = Readers(settings, archive)
        differences = was.differences(after.cube(cell, Path(inside) / "after"))
        peers = Peers(archive)
        cube = _beside(after, middle, seconds_before[0], peers.cube)
        point = _beside(after, pixel, seconds_before[1], peers.point)
        return Run(
            seconds=taken,
            stages=stages,
            written=written,
            worker_bytes=_most_memory(worker),
            differences=differences,
            cube=cube,
            point=point,
        )


def _beside(ours: Readers, grid: Grid, before: float, peer: Callable[[Grid], Any]) -> Reads:
    """Ours after, then the other's on the images: no server has both in one process, where they slow each other."""
    mine = [ours.seconds(grid) for _ in range(READS)]
    theirs = []
    for _ in range(READS):
        begun = time.perf_counter()
        found = peer(grid)
        theirs.append(time.perf_counter() - begun)
    return Reads(
        before=before,
        after=statistics.median(mine),
        peer=statistics.median(theirs),
        differences=int((found != ours.values(grid)).sum()),
    )


def _stages(ledger: Ledger, id: str) -> dict[str, float]:
    """The first line of a stage in the log says when it was entered."""
    entered: dict[str, float] = {}
    for line in ledger.log(id, limit=10_000):
        entered.setdefault(line.stage, line.time.timestamp())
    names, times = [*entered], [*entered.values()]
    return {name: until - since for name, since, until in zip(names[:-1], times[:-1], times[1:], strict=True)}


def _most_memory(worker: int) -> int:
    """Of the processes that execute tasks, which are still there."""
    found = [0]
    for child in psutil.Process(worker).children(recursive=True):
        try:
            found.append(memory(pid=child.pid))
        except OSError:  # it has just ended
            continue
    return max(found)


@dataclass(kw_only=True)
class Planes:
    """A cube on the disk: 1 GB of pixels need not be in memory twice."""

    values: Any
    """(date, row, column)"""
    valid: Any
    """Likewise."""
    dates: int = 0
    """That were read."""

    def differences(self, other: Planes) -> int:
        """Pixels of either that are not the same in both."""
        if self.dates != other.dates:
            return int(self.values.size)
        total = 0
        for date in range(self.dates):
            mine, theirs = self.valid[date], other.valid[date]
            total += int(((mine != theirs) | (mine & (self.values[date] != other.values[date]))).sum())
        return total


class Readers:
    """Who asks for cubes, by the catalogue as it is."""

    def __init__(self, settings: Settings, archive: Archive) -> None:
        self._context: Context = make_context(settings, Metrics())
        self._archive = archive

    def cube(self, grid: Grid, path: Path) -> Planes:
        """All dates, kept in files beside `path`. Raises PrismcubeError for one that can't be read."""
        shape = (self._archive.size.dates, *grid.shape)
        made = Planes(
            values=np.lib.format.open_memmap(path.with_suffix(".values.npy"), "w+", np.uint16, shape),
            valid=np.lib.format.open_memmap(path.with_suffix(".valid.npy"), "w+", np.bool_, shape),
        )
        for one in self._slices(grid):
            made.dates += 1
            made.values[one.index], made.valid[one.index] = one.data[0], one.valid[0]
        return made

    def values(self, grid: Grid) -> Any:
        """A small cube, (date, row, column); plans leave out dates that have nothing there, which are empty here."""
        found = np.full((self._archive.size.dates, *grid.shape), NODATA, np.uint16)
        plan = self._plan(grid)
        dates = {time.date(): number for number, time in enumerate(self._archive.times)}
        for one in execute(plan):
            found[dates[plan.slices[one.index].step.start.date()]] = one.data[0]
        return found

    def seconds(self, grid: Grid) -> float:
        """Of one read, the search of the catalogue included."""
        engine().windows.cache.clear()  # decoded blocks would make every read but the first look quick
        begun = time.perf_counter()
        for _ in self._slices(grid):
            pass
        return time.perf_counter() - begun

    def _slices(self, grid: Grid) -> Iterator[Slice]:
        for one in execute(self._plan(grid)):
            if one.status in (SliceStatus.FAILED, SliceStatus.PARTIAL):
                raise PrismcubeError(f"the date {one.index} could not be read: {one.message}")
            yield one

    def _plan(self, grid: Grid) -> CubePlan:
        collection = self._context.catalogue.collections.get(COLLECTION)
        times = self._archive.times
        period = Period(times[0].replace(hour=0, minute=0), times[-1])
        wanted = Selection(fields=(BAND,), grid=grid, period=period, resampling="bilinear")
        return select(self._context, collection, wanted, budget=False)
