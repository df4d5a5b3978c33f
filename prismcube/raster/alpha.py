"""Files whose last band tells which pixels are valid, since none of their numbers could: those that are packed lossily.

Only files that say so are read so, by an item of GDAL's metadata: VALIDITY=ALPHA. In others a band is a band.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.windows import Window

from prismcube.errors import InvalidInput
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Bounds, Grid, crs_name, turns
from prismcube.raster.warp import Pixels, warped

NAME, VALUE = "VALIDITY", "ALPHA"
"""The item of GDAL's metadata."""

SHARE = 8
"""The part of the greatest value from which on a pixel is valid: JPEG makes no clean edges."""

REACH = 8
"""Pixels beside a window that kernels may look at, of those that they are stretched to."""

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
    """As `warped`: pixels that are not valid are left out, as those of nodata are."""
    window = _window(dataset, target, scale)
    if window.width < 1 or window.height < 1:
        shape = (len(bands), *target.shape)
        return np.zeros(shape, dtype=format.dtype), np.zeros(shape, dtype=bool)
    wide, nothing = _WIDER.get(format.dtype, ("float64", np.nan))
    pixels = dataset.read(list(bands), window=window).astype(wide)
    pixels[:, ~valid_in(dataset, window)] = nothing
    place = dataset.transform @ Affine.translation(window.col_off, window.row_off)
    data, valid = warped(
        pixels,
        place,
        dataset.crs,
        target,
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
    """What of the file may be looked at for the target; all of it where that can't be told."""
    whole = Window(0, 0, dataset.width, dataset.height)
    crs = crs_name(dataset.crs.to_wkt())
    if len(turns(crs)) > 1:  # longitudes may be counted otherwise
        return whole
    try:
        bounds: Bounds = target.bounds.to_crs(target.crs, crs)
    except InvalidInput:
        return whole
    inverse = ~dataset.transform
    corners = [inverse @ (x, y) for x in (bounds.west, bounds.east) for y in (bounds.south, bounds.north)]
    down, right = (REACH * max(1.0, 1 / one) for one in scale)
    left, top = min(col for col, _ in corners) - right, min(row for _, row in corners) - down
    width, height = max(col for col, _ in corners) + right - left, max(row for _, row in corners) + down - top
    first = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    last = min(dataset.width, int(np.ceil(left + width))), min(dataset.height, int(np.ceil(top + height)))
    return Window(*first, last[0] - first[0], last[1] - first[1])
