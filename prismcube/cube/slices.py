"""A slice, made in units that need nothing of each other: some fields, some rows.

    SliceWork(plan, index) ─ Unit, Unit, ... ─ slices() -> Slice

A unit has at most `UNIT_PIXELS` of each field; only blocks that its first or last row cuts are decoded by others too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube.gate import Stop
from prismcube.cube.observer import Observer
from prismcube.cube.plan import CubePlan, ReadStep, SlicePlan
from prismcube.cube.reading import Reader
from prismcube.cube.rooms import Rooms
from prismcube.cube.units import Unit
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid

UNIT_PIXELS = 2048 * 2048
"""Of a unit, at most."""

LEAST_PIXELS = 2**20
"""Of a unit that a slice is split into only for others to have work."""

UNIT_ROWS = 256
"""Rows of a unit are a multiple of it: blocks are mostly that high, or twice."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


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
        rooms: Rooms,
    ) -> None:
        """Asks for the first remote files. `shares`: units that there should be at least."""
        self._rooms = rooms
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

    @property
    def weight(self) -> int:
        """How many slices it counts for of those that are made at once."""
        return 1

    @property
    def asked(self) -> int:
        """Bytes of remote files that are under way."""
        return sum(unit.asked for unit in self.units)

    def start(self) -> None:
        """Make room for the answer; then the units may run."""
        shape, fields = self._plan.grid.shape, self._plan.fields
        self._data = [empty(self._rooms, shape, field.format) for field in fields]
        self._valid = [np.zeros(shape, dtype=bool) for _ in fields]
        for unit in self.units:
            unit.place(self._data, self._valid)

    def cancel(self) -> None:
        """Nobody will take it."""
        for unit in self.units:
            unit.cancel()

    def instead(self) -> Sequence[SliceWork]:
        """Nothing: it makes its slice, be it a failed one."""
        return ()

    def slices(self) -> Iterator[Slice]:
        """The slice, once all units have run."""
        yield self._result()

    def _result(self) -> Slice:
        failures = [message for unit in self.units for message in unit.failures]
        told = "; ".join(dict.fromkeys(failures))
        if all(unit.has_failed for unit in self.units):
            status, told = SliceStatus.FAILED, failures[-1]
        elif failures:
            status = SliceStatus.PARTIAL
        else:
            status = SliceStatus.OK if any(mask.any() for mask in self._valid) else SliceStatus.EMPTY
        return Slice(self._index, tuple(self._data), tuple(self._valid), status, told)


def empty_value(format: DataFormat) -> float:
    """What pixels are where no file has any."""
    if format.nodata is not None:
        return format.nodata
    return math.nan if format.is_floating else 0


def empty(rooms: Rooms, shape: tuple[int, ...], format: DataFormat) -> Array:
    """Empty pixels."""
    value = empty_value(format)
    made = rooms.zeros(shape, format.dtype)
    if value != 0:  # else memory is not touched yet: whoever makes the pixels is the first to write there
        made.fill(value)
    return made


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
