"""Overviews: 2 × 2 pixels become one.

The rule, as of GDAL's AVERAGE where sides are even: the mean of the pixels that are valid; of none, nodata. Pixels are
valid unless they are nodata or NaN. Whole numbers are rounded to nearest, halves away from zero; a mean that happens to
be nodata becomes the next number above (below, at the type's greatest). The last row or column of an odd side has
only itself to be the mean of. Nearest takes the upper left pixel.
"""

from __future__ import annotations

from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt

from prismcube.model.formats import DataFormat


def reduce_into(
    out: npt.NDArray[Any],
    rows: npt.NDArray[Any],
    *,
    format: DataFormat,
    reduction: Literal["average", "nearest"],
) -> None:
    """Write to `out` (ceil(height / 2), ceil(width / 2)) what becomes of `rows` (height, width), both in C order."""
    if reduction == "nearest":
        out[...] = rows[::2, ::2]
        return
    dtype = rows.dtype.type
    nodata = format.nodata
    has_nodata = nodata is not None and nodata == nodata
    value = dtype(nodata) if has_nodata else dtype(0)
    read_only = rows.view()
    read_only.flags.writeable = False  # one compiled form for both kinds of arrays
    if format.is_floating:
        empty = dtype(np.nan) if nodata is None else dtype(nodata)
        _average_floats(read_only, out, has_nodata, value, empty, np.nextafter(value, dtype(np.inf)))
    else:
        beside = dtype(value - 1) if value == np.iinfo(dtype).max else dtype(value + 1)
        _average_whole(read_only, out, has_nodata, value, beside)


@numba.njit(nogil=True, cache=True)
def _average_whole(rows: Any, out: Any, has_nodata: Any, nodata: Any, beside: Any) -> None:
    height, width = rows.shape
    pairs = width // 2
    for y in range(out.shape[0]):
        first = 2 * y
        second = min(first + 1, height - 1)
        if second != first and _average_full(rows[first], rows[second], out[y, :pairs], has_nodata, nodata):
            begin = pairs
        else:
            begin = 0
        for x in range(begin, out.shape[1]):
            left = 2 * x
            total = np.int64(0)
            count = 0
            for row in range(first, second + 1):
                for col in range(left, min(left + 2, width)):
                    if not has_nodata or rows[row, col] != nodata:
                        total += np.int64(rows[row, col])
                        count += 1
            if count == 0:
                out[y, x] = nodata
                continue
            size = (2 * abs(total) + count) // (2 * count)
            mean = rows.dtype.type(-size if total < 0 else size)
            out[y, x] = beside if has_nodata and mean == nodata else mean


@numba.njit(nogil=True, cache=True)
def _average_full(above: Any, below: Any, out: Any, has_nodata: Any, nodata: Any) -> Any:
    """Averages of four valid pixels each, without a branch; False when nodata is among pixels or averages."""
    empty = 0
    for x in range(out.shape[0]):
        a, b, c, d = above[2 * x], above[2 * x + 1], below[2 * x], below[2 * x + 1]
        total = np.int64(a) + np.int64(b) + np.int64(c) + np.int64(d)
        mean = out.dtype.type((total + 2 - (total < 0)) >> 2)  # a half goes away from zero; >> rounds down
        empty |= (a == nodata) | (b == nodata) | (c == nodata) | (d == nodata) | (mean == nodata)
        out[x] = mean
    return not (has_nodata and empty)


@numba.njit(nogil=True, cache=True)
def _average_floats(rows: Any, out: Any, has_nodata: Any, nodata: Any, empty: Any, beside: Any) -> None:
    height, width = rows.shape
    for y in range(out.shape[0]):
        first = 2 * y
        second = min(first + 2, height)
        for x in range(out.shape[1]):
            left = 2 * x
            total = 0.0
            count = 0
            for row in range(first, second):
                for col in range(left, min(left + 2, width)):
                    value = rows[row, col]
                    if value == value and not (has_nodata and value == nodata):
                        total += np.float64(value)
                        count += 1
            if count == 0:
                out[y, x] = empty
                continue
            mean = rows.dtype.type(total / count)
            out[y, x] = beside if has_nodata and mean == nodata else mean
