"""Pixels here and there as a series: read in small windows, one plan each. Pure.

    pixels ─ windows() ─ a plan a window ─ sampled_plans() ─ SamplePlan ─ executed window by window ─> Series

A line across a large collection crosses few pixels of a large box; its windows hold hardly more than it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prismcube.cube.plan import CubePlan
from prismcube.cube.planner import NO_HEADERS, Headers, make_plan
from prismcube.cube.request import CubeRequest
from prismcube.errors import BudgetExceeded
from prismcube.model.cube import OutputField, Slice, SliceStatus, Step, together
from prismcube.model.entities import Dataset
from prismcube.model.grid import Grid
from prismcube.model.series import Series

WINDOW_PX = 256
"""Longest side of a window."""

MOST_WINDOWS = 500
"""In one answer."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Window:
    """Some of the pixels, and the part of the grid around them."""

    grid: Grid
    members: Indices
    """Positions of the pixels among all of them."""
    rows: Indices
    """In the window."""
    cols: Indices
    """In the window."""


@dataclass(frozen=True, kw_only=True)
class SamplePlan:
    """A series of pixels, ready to be read."""

    count: int
    """Pixels."""
    fields: tuple[OutputField, ...]
    steps: tuple[Step, ...]
    """Time steps of which some window has something."""
    parts: tuple[tuple[Window, CubePlan, tuple[int, ...]], ...]
    """Each window, its plan, and to which of `steps` each of the plan's slices belongs."""

    @property
    def values(self) -> int:
        """Of the answer."""
        return self.count * len(self.steps) * len(self.fields)


def windows(rows: Indices, cols: Indices, grid: Grid) -> list[Window]:
    """Windows of at most `WINDOW_PX` a side that hold every pixel once, by where they lie.

    Raises BudgetExceeded when they are scattered over more than `MOST_WINDOWS`.
    """
    tiles = np.stack([rows // WINDOW_PX, cols // WINDOW_PX], axis=1)
    _, which = np.unique(tiles, axis=0, return_inverse=True)
    which = which.reshape(-1)
    count = int(which.max()) + 1 if len(which) else 0
    if count > MOST_WINDOWS:
        advice = "ask for fewer points or a shorter line"
        raise BudgetExceeded("parts of the collection", asked=count, allowed=MOST_WINDOWS, advice=advice)
    found = []
    for one in range(count):
        members = np.flatnonzero(which == one)
        at_rows, at_cols = rows[members], cols[members]
        top, left = int(at_rows.min()), int(at_cols.min())
        part = grid.shifted(top, left, height=int(at_rows.max()) - top + 1, width=int(at_cols.max()) - left + 1)
        found.append(Window(part, members, at_rows - top, at_cols - left))
    return found


def plan_samples(
    request: CubeRequest, datasets: Sequence[Dataset], parts: Sequence[Window], *, headers: Headers = NO_HEADERS
) -> SamplePlan:
    """The plan of pixels in windows of the request's grid; `headers` as of `make_plan`."""
    group_of = {record.id: at for at, group in enumerate(request.groups) for record in group.records}
    plans = [(window, make_plan(replace(request, grid=window.grid), datasets, headers=headers)) for window in parts]
    placed = [(window, plan, [group_of[one.layers[0].record_id] for one in plan.slices]) for window, plan in plans]
    used = sorted({group for _, _, groups in placed for group in groups})
    names: dict[int, dict[str, None]] = {group: {} for group in used}
    for _, plan, groups in placed:
        for one, group in zip(plan.slices, groups, strict=True):
            names[group].update(dict.fromkeys(one.step.records))
    steps = tuple(Step(request.groups[at].start, request.groups[at].end, tuple(names[at])) for at in used)
    return SamplePlan(
        count=sum(len(window.members) for window in parts),
        fields=plans[0][1].fields if plans else (),
        steps=steps,
        parts=tuple((window, plan, tuple(used.index(group) for group in groups)) for window, plan, groups in placed),
    )


class Sampler:
    """Takes the pixels of a plan out of its slices, in whatever order they come."""

    def __init__(self, plan: SamplePlan) -> None:
        shape = (len(plan.steps), plan.count)
        self._plan = plan
        self._data = tuple(np.zeros(shape, dtype=field.format.dtype) for field in plan.fields)
        self._valid = tuple(np.zeros(shape, dtype=bool) for _ in plan.fields)
        self._ends: list[list[tuple[SliceStatus, str]]] = [[] for _ in plan.steps]

    def feed(self, window: Window, steps: Sequence[int], slices: Iterable[Slice]) -> None:
        """The slices of a window's plan."""
        for step, one in zip(steps, slices, strict=True):
            for field, (data, valid) in enumerate(zip(one.data, one.valid, strict=True)):
                self._data[field][step, window.members] = data[window.rows, window.cols]
                self._valid[field][step, window.members] = valid[window.rows, window.cols]
            self._ends[step].append((one.status, one.message))

    def series(self, crs: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Series:
        """All that was fed, at places (x, y) of `crs`."""
        return Series(
            crs=crs,
            x=x,
            y=y,
            fields=self._plan.fields,
            steps=self._plan.steps,
            data=self._data,
            valid=self._valid,
            ends=tuple(together(ends) for ends in self._ends),
        )
