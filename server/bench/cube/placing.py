"""Where a grid's pixels lie in a file: the window to read, and the overview to read it from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from affine import Affine

from prismcube.model.grid import Grid, transformer

STEP = 32
"""Pixels of the output between places that are looked at."""
SPREAD = 50
"""Places a side that tell how much lies in a file."""
WIDENED = 1 / 0.95
"""A kernel is widened when the output is so much coarser than what is read, or more."""

Places = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """A grid in a file."""

    level: int
    """0: the file itself; else its overview number `level - 1`."""
    scale: tuple[float, float]
    """(down, right) pixels of the level a pixel of the grid."""
    rows: slice
    """Of the level, with a margin for the kernel; empty when the grid lies beside the file."""
    cols: slice
    share: float
    """How much of the grid lies in the file."""

    @property
    def kernel(self) -> tuple[float, float]:
        """(down, right) what GDAL is to widen its kernel by, as XSCALE and YSCALE: 1 where it is not."""
        down, right = (1 / one if one > WIDENED else 1.0 for one in self.scale)
        return down, right

    @property
    def is_empty(self) -> bool:
        return bool(self.rows.start >= self.rows.stop or self.cols.start >= self.cols.stop)


def placed(source: Grid, target: Grid, *, margin: int = 3) -> Placed:
    """Where `target` lies in a file whose overviews halve again and again.

    The level is the coarsest that is no coarser than the target; its size is rounded down, as GDAL's COG driver does.
    """
    cols, rows = _places(source, target, _samples(target.height), _samples(target.width))
    dx = np.hypot(np.diff(cols, axis=1), np.diff(rows, axis=1)) / _steps(target.width)
    dy = np.hypot(np.diff(cols, axis=0), np.diff(rows, axis=0)) / _steps(target.height)[:, None]
    down, right = float(np.median(dy)), float(np.median(dx))
    full = min(down, right)
    level = max(0, math.floor(math.log2(full) + 1e-6))
    factor = 2**level
    reach = math.ceil(margin * max(1.0, full / factor))
    return Placed(
        level,
        (down * (source.height // factor) / source.height, right * (source.width // factor) / source.width),
        _range(rows / factor, reach, source.height // factor),
        _range(cols / factor, reach, source.width // factor),
        _share(source, target),
    )


def part_of(transform: Affine, rows: slice, cols: slice) -> Affine:
    """The transform of a window."""
    return transform @ Affine.translation(cols.start, rows.start)


def _share(source: Grid, target: Grid) -> float:
    """How much of the target lies in the file, by places evenly spread over it."""
    down, across = ((np.arange(SPREAD) + 0.5) * side / SPREAD for side in target.shape)
    cols, rows = _places(source, target, down, across)
    inside = (cols >= 0) & (cols < source.width) & (rows >= 0) & (rows < source.height)
    return float(inside.mean())


def _places(source: Grid, target: Grid, rows: Places, cols: Places) -> tuple[Places, Places]:
    """(cols, rows) in the file of rows and columns of the target."""
    across, down = np.meshgrid(cols, rows)
    x, y = _applied(target.transform, across, down)
    x, y = transformer(target.crs, source.crs).transform(x, y)
    return _applied(~source.transform, np.asarray(x), np.asarray(y))


def _applied(transform: Affine, across: Places, down: Places) -> tuple[Places, Places]:
    a, b, c, d, e, f = tuple(transform)[:6]
    return a * across + b * down + c, d * across + e * down + f


def _samples(pixels: int) -> Places:
    return np.array([*range(0, pixels, STEP), pixels], np.float64)


def _steps(pixels: int) -> Places:
    return np.diff(_samples(pixels))


def _range(places: Places, reach: int, most: int) -> slice:
    first, last = math.floor(float(places.min())) - reach, math.ceil(float(places.max())) + reach
    return slice(max(0, first), min(most, last))
