"""What a plan may cost, checked before anything is read or allocated, and what would fit. Pure."""

from __future__ import annotations

import math

from prismcube.cube.plan import CubePlan
from prismcube.errors import BudgetExceeded
from prismcube.model.grid import Grid


def check_budget(
    plan: CubePlan,
    *,
    output_bytes: int,
    read_bytes: int,
    working_bytes: int,
    pixels: int,
    slices: int,
    working: int | None = None,
) -> None:
    """Refuse a plan that costs more than allowed. Raises BudgetExceeded, saying what would fit.

    `working` is the memory it needs when that is less than the plan's own, because it is executed in parts.
    """
    if len(plan.slices) > slices:
        raise BudgetExceeded(
            "time steps", asked=len(plan.slices), allowed=slices, advice="ask for a shorter datetime, or group"
        )
    for what, asked, allowed in (
        ("bytes of answer", plan.output_bytes, output_bytes),
        ("bytes of working memory", plan.working_bytes if working is None else working, working_bytes),
        ("pixels to compute", plan.pixels, pixels),
    ):
        if asked > allowed:
            raise BudgetExceeded(what, asked=asked, allowed=allowed, advice=coarser_advice(plan.grid, asked, allowed))
    if plan.read_bytes > read_bytes:
        advice = "ask for a smaller area or a shorter datetime"
        raise BudgetExceeded("bytes to read", asked=plan.read_bytes, allowed=read_bytes, advice=advice)


def step_bytes(plan: CubePlan) -> int:
    """The memory that a time step needs where the cube is made step by step and kept: it is held twice meanwhile.

    Of some of its rows it is their share.
    """
    return plan.slice_bytes + 2 * plan.grid.pixels * sum(one.format.itemsize + 1 for one in plan.fields)


def coarser_advice(grid: Grid, asked: int, allowed: int) -> str:
    """The size that would fit, in words; costs fall with the number of pixels."""
    factor = math.ceil(math.sqrt(asked / allowed) * 100) / 100
    width, height = max(1, int(grid.width / factor)), max(1, int(grid.height / factor))
    most = max(1, grid.pixels * allowed // asked)
    if width * height > most:  # one side can't be made smaller any more
        width, height = min(width, most), min(height, most)
        width, height = (width, most // width) if width < height else (most // height, height)
    west, south, east, north = grid.bounds.as_tuple()
    dx, dy = grid.resolution
    return (
        f"pixels of {(east - west) / width:.6g} x {(north - south) / height:.6g} in place of {dx:.6g} x {dy:.6g} would "
        f"fit (width={width}&height={height}), as would a smaller area or a shorter datetime"
    )
