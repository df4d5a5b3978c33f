"""Reads the pixels at some places of a collection as a series, within what a request may cost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyproj.exceptions import ProjError

from prismcube.cube.samples import SamplePlan, Sampler, plan_samples, windows
from prismcube.cube.states import FileStates
from prismcube.errors import BudgetExceeded, InvalidInput
from prismcube.model.collection import Collection
from prismcube.model.cube import SliceStatus
from prismcube.model.grid import Grid, transformer
from providers.ogc.answer import Context
from providers.ogc.edr.query import selection
from providers.ogc.params import Query
from providers.ogc.selection import Watched, check_read, search

Indices = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.float64]


def sample(
    context: Context, collection: Collection, query: Query, native: Grid, rows: Indices, cols: Indices
) -> Sampler | None:
    """The series of these pixels of the native grid, in their order; None when no time step has any.

    Raises InvalidInput, BudgetExceeded before anything is read, SourceError when no step could be read.
    """
    parts = windows(rows, cols, native)
    top, left = int(rows.min()), int(cols.min())
    around = native.shifted(top, left, height=int(rows.max()) - top + 1, width=int(cols.max()) - left + 1)
    request, datasets, headers = search(context, collection, selection(query, collection, around))
    plan = plan_samples(request, datasets, parts, headers=headers)
    if not plan.steps:
        return None
    _check(plan, context)
    sampler, states = Sampler(plan), FileStates()
    ends: list[tuple[SliceStatus, str]] = []
    for window, cube, steps in plan.parts:
        slices = Watched(context, cube, states=states)
        sampler.feed(window, steps, slices)
        ends += slices.ends
    check_read(ends, steps=len(plan.steps))
    return sampler


def _check(plan: SamplePlan, context: Context) -> None:
    limits = context.limits
    cubes = [cube for _, cube, _ in plan.parts]
    fewer = "ask for fewer places, fields or dates"
    for what, asked, allowed, advice in (
        ("time steps", len(plan.steps), limits.slices, "ask for a shorter datetime, or group"),
        ("values in a text answer", plan.values, limits.json_values, fewer),
        ("bytes of working memory", max(cube.working_bytes for cube in cubes), limits.working_bytes, fewer),
        ("pixels to compute", sum(cube.pixels for cube in cubes), limits.pixels, fewer),
        ("bytes to read", sum(cube.read_bytes for cube in cubes), limits.read_bytes, fewer),
    ):
        if asked > allowed:
            raise BudgetExceeded(what, asked=asked, allowed=allowed, advice=advice)


def places_in(crs: str, x: Numbers, y: Numbers, native: Grid) -> tuple[Numbers, Numbers]:
    """Places of the native CRS in `crs`. Raises InvalidInput("crs", ...) when one has none there."""
    try:
        moved = transformer(native.crs, crs).transform(x, y, errcheck=True)
    except ProjError as error:
        raise InvalidInput("crs", "the data have no place in this CRS") from error
    return np.asarray(moved[0], dtype=np.float64), np.asarray(moved[1], dtype=np.float64)
