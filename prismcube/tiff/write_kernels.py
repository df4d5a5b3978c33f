"""What writing does with every pixel, compiled: averages of overviews, and predictor 2.

Like the kernels of reading they are compiled, or fetched from where the last process left them, when `compiled` is
first asked for them, one signature each. Each type has a function of its own, so that processes which compile at the
same time write different files.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any

import numpy as np
from numba import njit, types

from prismcube.tiff.compiling import one_at_a_time

WHOLE = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
TYPES = {"average_whole": WHOLE, "average_floats": ("float32", "float64"), "differences": ("uint8", "uint16", "uint32")}
"""Kernels, and the types of pixels that each is made for."""


@njit(nogil=True)
def _average_full(above, below, out, has_nodata, nodata):
    """Averages of four valid pixels each, without a branch; False when nodata is among pixels or averages."""
    empty = 0
    for x in range(out.shape[0]):
        a, b, c, d = above[2 * x], above[2 * x + 1], below[2 * x], below[2 * x + 1]
        total = np.int64(a) + np.int64(b) + np.int64(c) + np.int64(d)
        mean = out.dtype.type((total + 2 - (total < 0)) >> 2)  # a half goes away from zero; >> rounds down
        empty |= (a == nodata) | (b == nodata) | (c == nodata) | (d == nodata) | (mean == nodata)
        out[x] = mean
    return not (has_nodata and empty)


def average_whole(rows, out, has_nodata, nodata, beside):
    """See `prismcube.tiff.reduce`; a mean that is nodata becomes `beside`."""
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


def average_floats(rows, out, has_nodata, nodata, empty, beside):
    """See `prismcube.tiff.reduce`; of no pixels it is `empty`, a mean that is nodata becomes `beside`."""
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


def differences(rows, blocks):
    """Each number less the one before it in its row of its block; 0 beyond the edge of the image."""
    height, width = rows.shape
    block_width = blocks.shape[2]
    for block in range(blocks.shape[0]):
        first = block * block_width
        last = min(first + block_width, width)
        for row in range(height):
            # Slices, whose indices can't be negative: only then the loop becomes vector instructions.
            before, after, out = rows[row, first : last - 1], rows[row, first + 1 : last], blocks[block, row]
            out[0] = rows[row, first]
            for col in range(after.shape[0]):
                out[col + 1] = after[col] - before[col]
            out[last - first :] = 0
        blocks[block, height:] = 0


_KERNELS = {one.__name__: one for one in (average_whole, average_floats, differences)}


@cache  # of its own: those that are there are given without a lock
@one_at_a_time
def compiled(name: str, dtype: str) -> Any:
    """The kernel of that name for pixels of one of its `TYPES`; `rows` and `out` in C order, `rows` read-only."""
    number = getattr(types, dtype)
    rows = types.Array(number, 2, "C", readonly=True)
    if name == "differences":
        signature = types.void(rows, number[:, :, ::1])
    else:
        scalars = [number] * (2 if name == "average_whole" else 3)
        signature = types.void(rows, number[:, ::1], types.boolean, *scalars)
    kernel = _KERNELS[name]
    own = FunctionType(kernel.__code__, kernel.__globals__, f"{name}_{dtype}")
    own.__qualname__ = own.__name__
    return njit(signature, nogil=True, cache=True)(own)
