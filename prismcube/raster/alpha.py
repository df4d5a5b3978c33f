"""Files whose last band tells which pixels are valid, since none of their numbers could: those that are packed lossily.

Only files that say so are read so, by an item of GDAL's metadata: VALIDITY=ALPHA. In others a band is a band.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.windows import Window

from prismcube.errors import InvalidInput
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Bounds, Grid, crs_name, transformer, turns
from prismcube.raster.warp import Pixels, warped

NAME, VALUE = "VALIDITY", "ALPHA"
"""The item of GDAL's metadata."""

SHARE = 8
"""The part of the greatest value from which on a pixel is valid: JPEG makes no clean edges."""

REACH = 8
"""Pixels beside a window that kernels may look at, of those that they are stretched to."""

WINDOW_PIXELS = 5 * 2**20
"""Of the file that are read at once, at most, where a few pixels of the answer don't need more: as many as a unit of
2048² of the engine has, and what its kernels may look at."""

_WIDER = {"uint8": ("int16", -1), "int8": ("int16", -32768), "uint16": ("int32", -1), "int16": ("int32", -(2**31))}
"""Types that hold all numbers of another, and one more that stands for nothing."""


def has_alpha(dataset: rasterio.DatasetReader, format: DataFormat, bands: tuple[int, ...]) -> bool:
    """True when the last band of an open file tells validity. `bands` are those that are read."""
    if format.nodata is not None or max(bands) >= dataset.count:
        return False
    return bool(dataset.tags().get(NAME) == VALUE)


def valid_in(dataset: rasterio.DatasetReader, window: Window) -> npt.NDArray[np.bool_]:
    """Which pixels of a window are valid; (height, width)."""
    alpha = dataset.read(dataset.count, window=window)
    most = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 255
    return np.asarray(alpha >= most // SHARE, dtype=bool)


def warped_by_alpha(
    dataset: rasterio.DatasetReader,
    bands: tuple[int, ...],
    format: DataFormat,
    target: Grid,
    *,
    resampling: str,
    scale: tuple[float, float],
) -> Pixels:
    """As `warped`: pixels that are not valid are left out, as those of nodata are. Reads window by window."""
    data = np.zeros((len(bands), *target.shape), dtype=format.dtype)
    valid = np.zeros(data.shape, dtype=bool)
    for part in _parts(dataset, target, scale):
        place = slice(None), *part.place
        data[place], valid[place] = _warped_part(dataset, bands, format, part, resampling=resampling, scale=scale)
    return data, valid


@dataclass(frozen=True)
class _Part:
    """Of the target."""

    place: tuple[slice, slice]
    """Its (rows, columns) there."""
    grid: Grid
    window: Window
    """Of the file, that may be looked at for it."""


def _parts(
    dataset: rasterio.DatasetReader, target: Grid, scale: tuple[float, float], *, row: int = 0, col: int = 0
) -> Iterator[_Part]:
    """The target, whose first pixel is (row, col) of that of the answer; in halves of halves if need be."""
    window = _window(dataset, target, scale)
    if window.width < 1 or window.height < 1:
        return
    height, width = target.shape
    if window.width * window.height <= WINDOW_PIXELS or max(height, width) <= REACH:
        yield _Part((slice(row, row + height), slice(col, col + width)), target, window)
    elif height >= width:
        half = height // 2
        yield from _parts(dataset, target.shifted(0, 0, height=half, width=width), scale, row=row, col=col)
        rest = target.shifted(half, 0, height=height - half, width=width)
        yield from _parts(dataset, rest, scale, row=row + half, col=col)
    else:
        half = width // 2
        yield from _parts(dataset, target.shifted(0, 0, height=height, width=half), scale, row=row, col=col)
        rest = target.shifted(0, half, height=height, width=width - half)
        yield from _parts(dataset, rest, scale, row=row, col=col + half)


def _warped_part(
    dataset: rasterio.DatasetReader,
    bands: tuple[int, ...],
    format: DataFormat,
    part: _Part,
    *,
    resampling: str,
    scale: tuple[float, float],
) -> Pixels:
    wide, nothing = _WIDER.get(format.dtype, ("float64", np.nan))
    pixels = dataset.read(list(bands), window=part.window).astype(wide)
    pixels[:, ~valid_in(dataset, part.window)] = nothing
    place = dataset.transform @ Affine.translation(part.window.col_off, part.window.row_off)
    data, valid = warped(
        pixels,
        place,
        dataset.crs,
        part.grid,
        count=len(bands),
        format=DataFormat(dtype=wide, nodata=nothing),
        resampling=resampling,
        scale=scale,
    )
    stored = np.where(valid, data, 0)
    if not format.is_floating:
        limits = np.iinfo(format.dtype)
        if stored.dtype.kind == "f":
            stored = np.copysign(np.floor(np.abs(stored) + 0.5), stored)  # halves away from zero, as GDAL
        stored = np.clip(stored, limits.min, limits.max)  # smooth kernels overshoot
    return stored.astype(format.dtype), valid


def _window(dataset: rasterio.DatasetReader, target: Grid, scale: tuple[float, float]) -> Window:
    """What of the file may be looked at for the target; without pixels where it has no part in it."""
    crs = crs_name(dataset.crs.to_wkt())
    bounds = _bounds(target, crs)
    if bounds is None:
        return Window(0, 0, 0, 0)
    down, across = (max(1.0, 1 / one) for one in scale)
    inverse = ~dataset.transform
    cols: list[float] = []
    rows: list[float] = []
    for turn in turns(crs):  # longitudes may be counted otherwise
        box = bounds.moved(turn)
        corners = [inverse @ (x, y) for x in (box.west, box.east) for y in (box.south, box.north)]
        left, right = min(col for col, _ in corners) - across, max(col for col, _ in corners) + across
        top, bottom = min(row for _, row in corners) - down, max(row for _, row in corners) + down
        if left < dataset.width and right > 0 and top < dataset.height and bottom > 0:
            cols += left, right
            rows += top, bottom
    if not cols:
        return Window(0, 0, 0, 0)
    reach = REACH - 1
    first = max(0, math.floor(min(cols) - reach * across)), max(0, math.floor(min(rows) - reach * down))
    last_col = min(dataset.width, math.ceil(max(cols) + reach * across))
    last_row = min(dataset.height, math.ceil(max(rows) + reach * down))
    return Window(*first, last_col - first[0], last_row - first[1])


def _bounds(target: Grid, crs: str) -> Bounds | None:
    """The box around the target's pixels in another CRS; None when none of them has a place there."""
    try:
        return target.bounds.to_crs(target.crs, crs)
    except InvalidInput:  # some have none
        pass
    x, y = transformer(target.crs, crs).transform(*np.meshgrid(target.xs(), target.ys()))
    is_place = np.isfinite(x) & np.isfinite(y)
    if not is_place.any():
        return None
    x, y = x[is_place], y[is_place]
    return Bounds(float(x.min()), float(y.min()), float(x.max()), float(y.max()))
