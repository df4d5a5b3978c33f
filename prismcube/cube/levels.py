"""Which overview of a file is read, and how far it is then still to be shrunk. Pure.

The rule: the coarsest level whose pixels are at most `COARSER` times as large as those of the answer, along both axes.
Kernels are widened for what is left (docs/concepts/pixels.md). Resamplings that count pixels (`sum`, `mode`, `max`,
...) read full resolution: an overview has averaged away what they look for.
"""

from __future__ import annotations

import math

import numpy as np
from affine import Affine

from prismcube.model.grid import Bounds, Grid, transformer, turns
from prismcube.tiff.layout import Layout

COARSER = 1.05
"""So little coarser than the answer an overview may be; kernels ignore as much (GDAL's 0.95)."""

SNAP = 0.05
"""A reduction so near to a whole number counts as it: GDAL's."""

SMOOTH = ("nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average")
"""Resamplings that may read overviews."""

Scale = tuple[float, float]
"""(down, right) pixels of a file for one of the answer: more than 1 shrinks."""


def scale_of(source: Grid, target: Grid, common: Bounds) -> Scale:
    """How many pixels of `source` one of `target` is high and wide, in the middle of `common`, in the CRS of `source`.

    A rotated pixel is as high and as wide as its steps are long.
    """
    dx, dy = source.resolution
    if source.crs == target.crs:
        return target.resolution[1] / dy, target.resolution[0] / dx
    x, y = (common.west + common.east) / 2, (common.south + common.north) / 2
    there, back = transformer(source.crs, target.crs), transformer(target.crs, source.crs)
    at_x, at_y = there.transform(x, y)
    half_x, half_y = target.resolution[0] / 2, target.resolution[1] / 2
    xs, ys = back.transform([at_x - half_x, at_x + half_x, at_x, at_x], [at_y, at_y, at_y - half_y, at_y + half_y])
    turn = max(turns(source.crs))
    if turn:  # across a date line
        xs = np.unwrap(xs, period=turn)
    right = math.hypot((xs[1] - xs[0]) / dx, (xs[3] - xs[2]) / dx)
    down = math.hypot((ys[1] - ys[0]) / dy, (ys[3] - ys[2]) / dy)
    if not (np.isfinite([down, right]).all() and down > 0 and right > 0):
        return 1.0, 1.0
    return down, right


def level_of(layout: Layout, scale: Scale, resampling: str) -> int:
    """The level to read, 0 for full resolution."""
    if resampling not in SMOOTH:
        return 0
    full = layout.levels[0]
    chosen = 0
    for at, level in enumerate(layout.levels):
        if full.height / level.height <= scale[0] * COARSER and full.width / level.width <= scale[1] * COARSER:
            chosen = at
    return chosen


def level_grid(source: Grid, layout: Layout, level: int) -> Grid:
    """The grid of an overview: the file's bounds in fewer pixels, whose sides need not be a power of two longer."""
    one = layout.levels[level]
    if level == 0:
        return source
    stretched = source.transform @ Affine.scale(source.width / one.width, source.height / one.height)
    return Grid(source.crs, stretched, one.height, one.width)


def level_pixels(pixels: int, layout: Layout, level: int) -> int:
    """How many pixels of a level lie where a file has `pixels` at full resolution."""
    full, one = layout.levels[0], layout.levels[level]
    return math.ceil(pixels * (math.prod(one.shape) / math.prod(full.shape)))


def kernel_scale(shrink: float) -> float:
    """Pixels of the answer for one of what is read, as kernels are told."""
    whole = round(shrink)
    return 1 / whole if whole > 1 and abs(shrink - whole) < SNAP else 1 / shrink
