"""A unit of a slice: some of its fields and rows, made by one thread, which needs nothing of the others.

    begin()               the first remote files are asked for
    place(data, valid)    where it goes
    run()                 makes it: filling.py or computing.py

Where the topmost record wins and no expression is asked for (`CubePlan.is_filled`), it is filled from the top down
until nothing is empty; all else is computed record by record.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube.computing import Computing
from prismcube.cube.filling import Filling
from prismcube.cube.gate import Stop
from prismcube.cube.mosaic import mosaic_rule
from prismcube.cube.observer import Observer
from prismcube.cube.plan import CubePlan, LayerPlan, ReadStep, SlicePlan
from prismcube.cube.reading import Reader, Visit
from prismcube.errors import SourceError
from prismcube.storage.uri import is_remote

LOG = logging.getLogger(__name__)

AHEAD = 8
"""Remote files that a unit has asked for before it needs them; when half of them are left, the next are."""

FEW_PIXELS = 64
"""Of a unit that is light, at most."""

LIGHT = 2**18
"""Bytes of a block, decoded, up to which handing a unit of few pixels to another thread takes longer than making it."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Unit:
    """Some fields and rows of a slice."""

    def __init__(
        self,
        reader: Reader,
        plan: CubePlan,
        one: SlicePlan,
        fields: Sequence[int],
        row: int,
        height: int,
        *,
        keep: bool,
        stop: Stop,
        observer: Observer,
    ) -> None:
        self._plan, self._reader, self._keep, self._stop, self._observer = plan, reader, keep, stop, observer
        whole = height == plan.grid.height
        self._grid = plan.grid if whole else plan.grid.shifted(row, 0, height=height, width=plan.grid.width)
        self._numbers, self._rows = fields, slice(row, row + height)
        self._fields = [plan.fields[number] for number in fields]
        self._data: list[Array] = []
        self._valid: list[Mask] = []
        rule = mosaic_rule(plan.mosaic)
        wanted = None if len(fields) == len(plan.fields) else {field.name for field in self._fields}
        layers = [LayerPlan(x.record_id, x.record, _steps(x.steps, wanted, row, height / plan.grid.height))
                  for x in one.layers]  # fmt: skip
        self._layers = [layer for layer in (reversed(layers) if rule.reverse else layers) if layer.steps]
        self._is_filled, self._is_plain = plan.is_filled, plan.is_plain(one)
        # Where files of a record overlap the later lies on top: it is filled first, or laid over the others.
        self._steps = [step for layer in self._layers for step in self._order(layer)]
        self._begun: deque[Visit] = deque()
        self._next = 0
        self.failures: list[str] = []
        """One for each record that could not be read."""

    @property
    def is_short(self) -> bool:
        """True when whoever waits for it may as well make it, if no thread has begun to: few pixels of local files."""
        return self._grid.pixels <= FEW_PIXELS and not any(is_remote(step.uri) for step in self._steps)

    @property
    def is_light(self) -> bool:
        """True when it is made as soon as it is handed over: few pixels, of small blocks of local files."""
        if self._grid.pixels > FEW_PIXELS or self._reader.by_gdal():
            return False
        return all(
            step.layout and not is_remote(step.uri) and step.layout.levels[step.level].block_bytes <= LIGHT
            for step in self._steps
        )

    @property
    def asked(self) -> int:
        """Bytes of remote files that are under way."""
        return sum(visit.asked for visit in self._begun)

    @property
    def has_failed(self) -> bool:
        """True when not one of its records could be read."""
        return bool(self._layers) and len(self.failures) == len(self._layers)

    def begin(self) -> None:
        """Ask for the first files, when they are remote."""
        if self._steps and is_remote(self._steps[0].uri):
            self._reach(AHEAD)

    def place(self, data: Sequence[Array], valid: Sequence[Mask]) -> None:
        """Where the slice is made: one array a field of the plan."""
        self._data = [data[number][self._rows] for number in self._numbers]
        self._valid = [valid[number][self._rows] for number in self._numbers]

    def run(self) -> None:
        """Make it. Raises what `stop` raises."""
        try:
            if self._is_plain:
                self._fill_files()
            elif self._is_filled:
                self._fill_records()
            else:
                self._compute()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody will take it."""
        for visit in self._begun:
            visit.cancel()
        self._begun.clear()

    def _order(self, layer: LayerPlan) -> Iterable[ReadStep]:
        return reversed(layer.steps) if self._is_filled else layer.steps

    def _reach(self, count: int) -> None:
        """Have so many visits begun, unless more than half as many are."""
        if len(self._begun) > count // 2:
            return
        with self._reader.windows.together():
            while len(self._begun) < count and self._next < len(self._steps):
                self._begun.append(
                    self._reader.visit(self._steps[self._next], self._grid, keep=self._keep, stop=self._stop)
                )
                self._next += 1

    def _each(
        self, layer: LayerPlan, use: Callable[[Visit], None], is_done: Callable[[], bool] = lambda: False
    ) -> bool:
        """Visit the files of a record until `is_done`; False when one of them can't be read."""
        fine = True
        for step in self._order(layer):
            if is_done():
                break
            self._stop()
            self._reach(AHEAD if is_remote(step.uri) else 1)
            visit = self._begun.popleft()
            if not fine:
                visit.cancel()
                continue
            try:
                use(visit)
            except SourceError as error:
                LOG.warning("%s", error)
                self.failures.append(error.public)
                fine = False
                continue
            self._observer.files_read(1 if self._rows.start == 0 else 0, step.read_bytes)
            if visit.fallback and self._rows.start == 0:
                self._observer.fell_back(visit.fallback)
        return fine

    def _fill_files(self) -> None:
        """The topmost file first; what can be read of a record is there."""
        filling = self._filling()
        for layer in self._layers:
            self._each(layer, filling.take, lambda: filling.is_full)
            if filling.is_full:
                return

    def _fill_records(self) -> None:
        """The topmost record first; one that can't be read is left out."""
        filling = self._filling()
        visits: list[Visit] = []

        def load(visit: Visit) -> None:
            visit.load()
            visits.append(visit)

        for layer in self._layers:
            if self._each(layer, load):
                filling.take_record(visits)
            visits.clear()
            if filling.is_full:
                return

    def _filling(self) -> Filling:
        return Filling(self._fields, self._plan.masks, self._data, self._valid)

    def _compute(self) -> None:
        """Record by record; one that can't be read is left out."""
        computing = Computing(self._plan, self._fields, self._grid.shape)
        for layer in self._layers:
            if not self._each(layer, computing.lay_over):
                computing.skip()
                continue
            computing.feed()
            if computing.is_done:
                break
        if self._layers and not self.has_failed:
            computing.finish(self._data, self._valid)


def _steps(steps: Iterable[ReadStep], wanted: set[str] | None, row: int, share: float) -> tuple[ReadStep, ...]:
    """The visits that are needed for some fields (None: all) and rows."""
    found = []
    for step in steps:
        bands = step.bands if wanted is None else tuple(band for band in step.bands if band.target in wanted)
        if bands:
            part = (
                step
                if bands == step.bands
                else replace(step, bands=bands, read_bytes=step.read_bytes * len(bands) // len(step.bands))
            )
            found.append(part if share == 1 else part.below(row, share))
    return tuple(found)
