"""A slice, made in units that need nothing of each other: some fields, some rows.

    SliceWork(plan, index) ─ Unit, Unit, ... ─ result() -> Slice

A unit has at most `UNIT_PIXELS` of each field; only blocks that its first or last row cuts are decoded by others too.
Plain slices (`CubePlan.is_plain`) are filled from the top down, in the type of the answer, until nothing is empty;
others are computed in float64, record by record.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube.gate import Stop
from prismcube.cube.mosaic import Mosaic, mosaic_rule
from prismcube.cube.observer import Observer
from prismcube.cube.plan import QUALITY, BandRead, CubePlan, LayerPlan, ReadStep, SlicePlan
from prismcube.cube.reading import Reader, Visit
from prismcube.errors import SourceError
from prismcube.model.cube import OutputField, Slice, SliceStatus
from prismcube.model.formats import DataFormat, cast
from prismcube.model.grid import Grid
from prismcube.storage.uri import is_remote

LOG = logging.getLogger(__name__)

UNIT_PIXELS = 2048 * 2048
"""Of a unit, at most."""

LEAST_PIXELS = 2**20
"""Of a unit that a slice is split into only for others to have work."""

UNIT_ROWS = 256
"""Rows of a unit are a multiple of it: blocks are mostly that high, or twice."""

AHEAD = 8
"""Remote files that a unit has asked for before it needs them; when half of them are left, the next are."""

FEW_PIXELS = 64
"""Of a unit, so few that its topmost file mostly fills them all: those below are asked for only when it doesn't."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Pixels = tuple[Array, Mask]
"""External values and validity, both (height, width)."""


class SliceWork:
    """One slice that is being made."""

    def __init__(
        self,
        reader: Reader,
        plan: CubePlan,
        index: int,
        *,
        shares: int,
        keep: bool,
        stop: Stop,
        observer: Observer,
    ) -> None:
        """Asks for the first remote files. `shares`: units that there should be at least."""
        self._plan, self._index = plan, index
        one = plan.slices[index]
        self._data: list[Array] = []
        self._valid: list[Mask] = []
        groups = _groups(plan, one)
        rows = _rows(plan.grid, -(-shares // len(groups)))
        self.units = [
            Unit(
                reader,
                plan,
                one,
                fields,
                row,
                min(rows, plan.grid.height - row),
                keep=keep,
                stop=stop,
                observer=observer,
            )
            for fields in groups
            for row in range(0, plan.grid.height, rows)
        ]
        for unit in self.units:
            unit.begin()

    def start(self) -> None:
        """Make room for the answer; then the units may run."""
        shape, fields = self._plan.grid.shape, self._plan.fields
        self._data = [np.full(shape, _empty(field.format), dtype=field.format.dtype) for field in fields]
        self._valid = [np.zeros(shape, dtype=bool) for _ in fields]
        for unit in self.units:
            unit.place(self._data, self._valid)

    def cancel(self) -> None:
        """Nobody will take it."""
        for unit in self.units:
            unit.cancel()

    def result(self) -> Slice:
        """The slice, once all units have run."""
        failures = [message for unit in self.units for message in unit.failures]
        told = "; ".join(dict.fromkeys(failures))
        if all(unit.has_failed for unit in self.units):
            status, told = SliceStatus.FAILED, failures[-1]
        elif failures:
            status = SliceStatus.PARTIAL
        else:
            status = SliceStatus.OK if any(mask.any() for mask in self._valid) else SliceStatus.EMPTY
        return Slice(self._index, tuple(self._data), tuple(self._valid), status, told)


def _empty(format: DataFormat) -> float:
    """What empty pixels hold."""
    return format.nodata if format.nodata is not None else (math.nan if format.is_floating else 0)


def _rows(grid: Grid, shares: int) -> int:
    """Of a unit: so that there are at least so many of them, when each then has enough to do."""
    rows = grid.height
    if grid.pixels >= shares * LEAST_PIXELS:
        rows = -(-rows // shares)
    rows = max(1, min(rows, UNIT_PIXELS // grid.width))
    return rows if rows == grid.height or rows < UNIT_ROWS else rows - rows % UNIT_ROWS


def _groups(plan: CubePlan, one: SlicePlan) -> list[list[int]]:
    """Fields that are read together: all, unless each has files or blocks of its own."""
    everything = list(range(len(plan.fields)))
    if plan.computed or plan.masks or any(_is_joint(step) for layer in one.layers for step in layer.steps):
        return [everything]
    return [[number] for number in everything]


def _is_joint(step: ReadStep) -> bool:
    return len(step.bands) > 1 and (step.layout is None or not step.layout.levels[step.level].planar)


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
        self._is_plain = plan.is_plain(one)
        # Where files of a record overlap the later lies on top: it is filled first, or laid over the others.
        self._steps = [step for layer in self._layers for step in self._order(layer)]
        self._begun: deque[Visit] = deque()
        self._next = 0
        self.failures: list[str] = []
        """One for each record that could not be read."""

    @property
    def has_failed(self) -> bool:
        """True when not one of its records could be read."""
        return bool(self._layers) and len(self.failures) == len(self._layers)

    def begin(self) -> None:
        """Ask for the first files, when they are remote."""
        if self._steps and is_remote(self._steps[0].uri):
            self._reach(self._ahead(self._steps[0]))

    def place(self, data: Sequence[Array], valid: Sequence[Mask]) -> None:
        """Where the slice is made: one array a field of the plan."""
        self._data = [data[number][self._rows] for number in self._numbers]
        self._valid = [valid[number][self._rows] for number in self._numbers]

    def run(self) -> None:
        """Make it. Raises what `stop` raises."""
        try:
            if self._is_plain:
                self._fill()
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
        return reversed(layer.steps) if self._is_plain else layer.steps

    def _ahead(self, step: ReadStep) -> int:
        """How many visits should have begun when this one is used."""
        return AHEAD if is_remote(step.uri) and not (self._is_plain and self._grid.pixels <= FEW_PIXELS) else 1

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
            self._reach(self._ahead(step))
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

    def _fill(self) -> None:
        """The topmost record first, until nothing is empty."""
        at = {field.name: number for number, field in enumerate(self._fields)}
        missing = [self._grid.pixels] * len(self._fields)

        def take(visit: Visit) -> None:
            for band in visit.step.bands:
                number = at[band.target]
                if missing[number]:
                    nodata = self._fields[number].format.nodata
                    out, valid = self._data[number], self._valid[number]
                    fill = visit.fill_first if missing[number] == self._grid.pixels else visit.fill
                    missing[number] -= fill(band.band, out, valid, shunned=nodata)

        for layer in self._layers:
            self._each(layer, take, lambda: not any(missing))
            if not any(missing):
                return

    def _compute(self) -> None:
        """Record by record in external values; one that can't be read is left out."""
        plan = self._plan
        rule = mosaic_rule(plan.mosaic)
        mosaics: list[Mosaic] = [rule() for _ in self._fields]
        for layer in self._layers:
            found: dict[str, Pixels] = {}
            if not self._each(layer, partial(_lay_over, found)):
                continue
            made = self._fields_of(found)
            for mosaic, pixels in zip(mosaics, made, strict=True):
                mosaic.feed(*pixels)
            if all(mosaic.is_done for mosaic in mosaics):
                break
        if self.has_failed or not self._layers:
            return
        for mosaic, field, data, valid in zip(mosaics, self._fields, self._data, self._valid, strict=True):
            values, mask = mosaic.result()
            data[...], valid[...] = cast(values, mask, field.format), mask

    def _fields_of(self, pixels: dict[str, Pixels]) -> list[Pixels]:
        """Every output field of one record, masked; fields the record lacks are empty."""
        for computed in self._plan.computed:
            inputs = {name: pixels.get(name) or self._nothing() for name in computed.expression.names}
            values = computed.expression.evaluate({name: v for name, (v, _) in inputs.items()}, shape=self._grid.shape)
            valid = np.logical_and.reduce([np.isfinite(values), *(mask for _, mask in inputs.values())])
            pixels[computed.name] = values, valid
        return [self._masked(field, pixels) for field in self._fields]

    def _masked(self, field: OutputField, pixels: Mapping[str, Pixels]) -> Pixels:
        values, valid = pixels.get(field.name) or self._nothing()
        rule = self._plan.masks.get(field.name)
        if rule is None:
            return values, valid
        return values, valid & rule.apply(*(pixels.get(QUALITY + rule.field) or self._nothing()))

    def _nothing(self) -> Pixels:
        return np.zeros(self._grid.shape), np.zeros(self._grid.shape, dtype=bool)


def _lay_over(found: dict[str, Pixels], visit: Visit) -> None:
    """Add a file's fields, as external values, to those of its record; it lies on top of them."""
    data, valid = visit.pixels()
    for band in visit.step.bands:
        at = visit.bands.index(band.band)
        above = _external(band, data[at]), valid[at]
        below = found.get(band.target)
        found[band.target] = _over(below, above) if below else above


def _external(band: BandRead, stored: Array) -> Array:
    return stored if band.mapping.is_identity else band.mapping.external(stored)


def _over(below: Pixels, above: Pixels) -> Pixels:
    return np.where(above[1], above[0], below[0]), below[1] | above[1]


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
