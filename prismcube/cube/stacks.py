"""Slices of one file, made together: the dates of a pixel, or of a small window, in a consolidated file.

works(jobs, means) ─ StackWork: slices that are alike ─ StackUnit, ... ─ slices() -> Slice, ...
                   └ SliceWork: any other one

To make a slice by itself takes 0.25 ms of the interpreter (its unit, visit, window, future and locks), more than to
decode the block of its pixel (0.1 ms). A stack reads the window of all its slices as one, which takes a fifth. Of a
larger window it has a few slices, whose blocks lie side by side. It knows only how to succeed: where its file has
changed, can't be read or is damaged, its slices are made by themselves, each with its own status and message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from prismcube.cube import warp
from prismcube.cube.gate import Stop
from prismcube.cube.observer import Observer
from prismcube.cube.plan import CubePlan, ReadStep
from prismcube.cube.reading import Reader
from prismcube.cube.rooms import Rooms
from prismcube.cube.slices import SliceWork, empty_value
from prismcube.cube.units import FEW_PIXELS, LIGHT
from prismcube.errors import SourceError
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.entities import own_etag
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.storage.uri import is_remote
from prismcube.tiff.layout import Level, Window

MOST = 64
"""Slices of a stack."""

STACK_BYTES = 16 * 2**20
"""Of the blocks of a stack, decoded, unless one slice has more: a remote stack is asked for at once, whatever else is
under way (`storage.ranges`)."""

STACK_PIXELS = 3 * 2**18
"""Of a field in a stack of more than `FEW_PIXELS` each: their masks then lie in memory that is used again, for the heap
gives back by itself what is larger (`server.heap`)."""

TURNS = 4
"""Stacks of such slices that each thread makes of an answer, at least: fewer would leave some idle at its end."""

SHARED = 8
"""Slices of a unit, at least, for another thread to be given some."""

Job = tuple[CubePlan, int]
"""A slice to be made: its plan and its index there."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Visit(NamedTuple):
    """What a visit to a file has in common with those that are made together with it."""

    uri: str
    etag: str
    window: Window
    """Of the level; it has all pixels of the answer."""
    level: int
    bands: tuple[tuple[str, int], ...]
    """Name of the field and number in the file."""
    nodata: str
    """Of the file: NaN differs from itself, its text does not."""
    description: tuple[Any, ...]
    """Of the level."""


def alike(plan: CubePlan, index: int) -> tuple[Visit, ...] | None:
    """What a slice has in common with those of its stack; None when it must be made by itself."""
    one = plan.slices[index]
    if plan.grid.pixels > STACK_PIXELS // 2 or len(one.layers) != 1 or not plan.is_plain(one):
        return None
    if plan.grid.pixels > FEW_PIXELS and any(is_remote(step.uri) for step in one.layers[0].steps):
        return None  # all are asked for ahead, whoever makes them
    visits = [_visit(step, plan.grid) for step in one.layers[0].steps]
    whole = [visit for visit in visits if visit is not None]
    names = [name for visit in whole for name, _ in visit.bands]
    if len(whole) < len(visits) or sorted(names) != sorted([field.name for field in plan.fields]):
        return None  # files of a field may overlap
    return tuple(whole)


def _visit(step: ReadStep, grid: Grid) -> Visit | None:
    """None when the step is not one whole window."""
    if step.layout is None or step.offset is None:
        return None
    level, (row, col) = _level(step), step.offset
    if not (0 <= row <= level.height - grid.height and 0 <= col <= level.width - grid.width):
        return None
    window = Window(row, col, grid.height, grid.width)
    bands = tuple([(band.target, band.band) for band in step.bands])
    nodata = str(step.format.nodata)
    return Visit(step.uri, step.etag, window, step.level, bands, nodata, level.description)


def _level(step: ReadStep) -> Level:
    """That is read of a file whose layout is known."""
    if step.layout is None:
        raise ValueError("without a layout there are no levels")
    return step.layout.levels[step.level]


def _blocks(level: Level, window: Window, bands: int) -> int:
    """How many blocks a window touches, at most: bands may share theirs."""
    rows = (window.row + window.height - 1) // level.block_height - window.row // level.block_height + 1
    cols = (window.col + window.width - 1) // level.block_width - window.col // level.block_width + 1
    return rows * cols * bands


class StackUnit:
    """The bands that some slices have of one visit each, all to the same file; made by one thread."""

    def __init__(self, means: Means, visit: Visit, steps: Sequence[ReadStep], part: slice, *, is_last: bool) -> None:
        """Asks for a remote file. `part`: the slices of the stack that the steps are of."""
        self._part, self._format, self._stop = part, steps[0].format, means.stop
        self._use = partial(means.reader.states.use, visit.uri, own_etag(visit.etag))
        self._out: list[tuple[Array, Mask, DataFormat]] = []
        # Few pixels of small blocks of local files are decoded again as soon as they are found.
        again = visit.window.pixels <= FEW_PIXELS and _level(steps[0]).block_bytes <= LIGHT and not is_remote(visit.uri)
        keep = means.keep and not again
        self._pending = means.reader.begin_alike(steps, visit.window, keep=keep, stop=means.stop)
        self.is_short = visit.window.pixels <= FEW_PIXELS and not is_remote(visit.uri)
        """See `Unit.is_short`."""
        self.is_light = is_last and self.is_short
        """True when whoever hands it over should make it, while others make those handed over before."""
        self.has_failed = False
        """True when slices of the stack must be made by themselves."""

    @property
    def asked(self) -> int:
        """Bytes of a remote file that are under way."""
        return self._pending.asked

    def place(self, data: Array, valid: Mask, format: DataFormat) -> None:
        """Where its next band goes: (slices, height, width) of all the stack, which may hold anything; for a field."""
        self._out.append((data[self._part], valid[self._part], format))

    def run(self) -> None:
        """Make it, or see that it can't be made. Raises what `stop` raises."""
        self._stop()
        alone = self._out[0][0] if len(self._out) == 1 else None
        try:
            pixels = self._pending.result(alone)
            self._use()
        except SourceError:  # which is told when the slice that has it is made by itself
            self.has_failed = True
            return
        for at, (data, valid, made) in enumerate(self._out):
            if data is not alone:
                data[...] = pixels[at :: len(self._out)]
            warp.mark(format=self._format, out=data, valid=valid, empty=empty_value(made), shunned=made.nodata)

    def cancel(self) -> None:
        """Nobody will take it."""
        self._pending.cancel()


class StackWork:
    """Slices that are being made together."""

    def __init__(self, means: Means, plan: CubePlan, indices: Sequence[int], visits: Sequence[Visit]) -> None:
        """Asks for remote files. `visits`: what these slices of the plan have in common."""
        self._means, self._plan, self._indices, self._visits = means, plan, indices, visits
        self._steps = [plan.slices[index].layers[0].steps for index in indices]
        self._data: list[Array] = []
        self._valid: list[Mask] = []
        count = len(indices)
        size = -(-count // max(1, min(means.threads, count // SHARED)))
        parts = [slice(first, min(first + size, count)) for first in range(0, count, size)]
        self._units = [
            [
                StackUnit(means, visit, [steps[at] for steps in self._steps[part]], part, is_last=part is parts[-1])
                for part in parts
            ]
            for at, visit in enumerate(visits)
        ]
        """Of each visit."""

    @property
    def weight(self) -> int:
        """How many slices it counts for of those that are made at once."""
        return len(self._indices) if self._plan.grid.pixels > FEW_PIXELS else 1

    @property
    def units(self) -> list[StackUnit]:
        """All of them."""
        return [unit for units in self._units for unit in units]

    @property
    def asked(self) -> int:
        """Bytes of remote files that are under way."""
        return sum(unit.asked for unit in self.units)

    def start(self) -> None:
        """Make room for the answer; then the units may run."""
        shape = (len(self._indices), *self._plan.grid.shape)
        for field in self._plan.fields:
            self._data.append(self._means.rooms.zeros(shape, field.format.dtype))
            self._valid.append(self._means.rooms.flags(shape))
        at = {field.name: number for number, field in enumerate(self._plan.fields)}
        for visit, units in zip(self._visits, self._units, strict=True):
            for number in (at[name] for name, _ in visit.bands):
                for unit in units:
                    unit.place(self._data[number], self._valid[number], self._plan.fields[number].format)

    def cancel(self) -> None:
        """Nobody will take it."""
        for unit in self.units:
            unit.cancel()

    def instead(self) -> list[SliceWork]:
        """What makes its slices by themselves, once all units have run; nothing when they are made.

        All ask for their files here: where a host is silent, they wait for it together, and not one after the other.
        """
        if not any(unit.has_failed for unit in self.units):
            return []
        return [self._means.alone((self._plan, index)) for index in self._indices]

    def slices(self) -> Iterator[Slice]:
        """The slices, once all units have run and none has failed."""
        seen = np.logical_or.reduce([one.any(axis=(1, 2)) for one in self._valid]).tolist()
        for number, (index, steps) in enumerate(zip(self._indices, self._steps, strict=True)):
            self._means.observer.files_read(len(steps), sum(step.read_bytes for step in steps))
            status = SliceStatus.OK if seen[number] else SliceStatus.EMPTY
            data, valid = (tuple(one[number] for one in ones) for ones in (self._data, self._valid))
            yield Slice(index, data, valid, status, "")


Work = SliceWork | StackWork


@dataclass(frozen=True, kw_only=True)
class Means:
    """What slices are made with."""

    reader: Reader
    threads: int
    """That there are in all."""
    at_once: int
    """Slices that are made at once."""
    keep: bool
    """Whether decoded blocks may be wanted again."""
    stop: Stop
    observer: Observer
    rooms: Rooms

    def alone(self, job: Job) -> SliceWork:
        """A slice made by itself."""
        shares = -(-self.threads // self.at_once)
        return SliceWork(
            self.reader,
            *job,
            shares=shares,
            keep=self.keep,
            stop=self.stop,
            observer=self.observer,
            rooms=self.rooms,
        )


_Alike = tuple[CubePlan, int, tuple[Visit, ...] | None]
"""A slice to be made, and what it has in common with those beside it."""


def works(jobs: Iterable[Job], means: Means) -> Iterator[Work]:
    """The works that make slices, in the order of these; each begins when it is taken."""
    is_warm = False

    def common(job: Job) -> tuple[Visit, ...] | None:
        nonlocal is_warm
        is_warm = is_warm or not means.reader.by_gdal()
        return alike(*job) if is_warm else None

    for _, stacked in groupby(((*job, common(job)) for job in jobs), _key):
        yield from _stacks(stacked, means)


def _stacks(stacked: Iterator[_Alike], means: Means) -> Iterator[Work]:
    first = next(stacked)
    rest = chain([first], stacked)
    for count in _counts(*first, means):
        some = list(islice(rest, count))
        if not some:
            return
        plan, _, visits = some[0]
        if len(some) == 1 or visits is None:
            yield from (means.alone((plan, index)) for plan, index, _ in some)
        else:
            yield StackWork(means, plan, [index for _, index, _ in some], visits)


def _counts(plan: CubePlan, index: int, visits: tuple[Visit, ...] | None, means: Means) -> Iterator[int]:
    """How many slices, of those like this one, the first stack has, the second, and so on.

    Threads have as many stacks each: were the last one alone, only one thread would be at work then. Of few pixels a
    stack has units for all threads itself.
    """
    most, all_ = _most(plan, index, visits, means), len(plan.slices)
    if plan.grid.pixels > FEW_PIXELS:
        stacks = -(-all_ // most)
        stacks += -stacks % means.threads
        for number in range(min(stacks, all_)):
            yield (number + 1) * all_ // stacks - number * all_ // stacks or 1
    yield from repeat(most)


def _most(plan: CubePlan, index: int, visits: tuple[Visit, ...] | None, means: Means) -> int:
    """How many slices like this one may be in one stack."""
    if plan.grid.pixels > FEW_PIXELS:
        at_once, all_ = means.at_once // (2 * means.threads), len(plan.slices) // (TURNS * means.threads)
        return max(1, min(at_once, all_, STACK_PIXELS // plan.grid.pixels))
    steps = plan.slices[index].layers[0].steps if visits else ()
    size = sum(
        _blocks(_level(step), visit.window, len(visit.bands)) * _level(step).block_bytes
        for step, visit in zip(steps, visits or (), strict=True)
    )
    return min(MOST, max(1, STACK_BYTES // size)) if size else MOST


def _key(one: _Alike) -> tuple[int, tuple[Visit, ...] | None]:
    plan, _, visits = one
    return id(plan), visits
