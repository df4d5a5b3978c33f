"""Undo a predictor and put the samples where they belong, compiled: without the interpreter, without its lock.

What both kernels have in common:

- a block of the file, as it is after its codec: rows of `width` pixels of `samples` samples, one pixel after the other;
- `out`: (bands, height, width), any strides; receives the pixels from `row` and `col` of the block on;
- `bands`: which sample of a pixel goes to which band of `out`, counted from 0.

Only rows and columns that are wanted are touched, but for the columns left of them, on which they depend. Numbers are
taken as unsigned ones of the same size: sums modulo 2^n are the same for all (TIFF 6.0, 14; Adobe's Technical Note 3
of Photoshop, 2005, for floating-point numbers). Like those of `prismcube.cube.kernels` they are compiled, or fetched
from where the last process left them, when `compiled` is first asked for them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from prismcube.tiff.compiling import one_at_a_time

SIZES = {"sum_up": (1, 2, 4, 8), "join_bytes": (4, 8)}
"""Kernels, and the bytes of the numbers that each is made for."""


@njit(nogil=True, cache=True)
def _sum_line(line, skip, into):
    # Unsigned, so that no index is looked at for being negative: 2.5 times as fast.
    total, left = np.uint64(0), np.uint64(skip)
    for c in range(left):
        total += np.uint64(line[c])
    for c in range(np.uint64(len(into))):
        total += np.uint64(line[left + c])
        into[c] = total


def sum_up(block, width, samples, out, row, col, bands):
    """Predictor 2: each sample is the difference to the one of the pixel before.

    `block` holds native numbers; `out` may be `block` itself, seen as whole bands.
    """
    across = width * samples
    for r in range(out.shape[1]):
        start = (row + r) * across
        for k in range(len(bands)):
            if samples == 1:
                _sum_line(block[start : start + across], col, out[k, r])
            else:
                _sum_line(block[start + bands[k] : start + across : samples], col, out[k, r])


def join_bytes(block, width, samples, out, row, col, bands):
    """Predictor 3: each row holds the first (highest) bytes of all its numbers, then the second ones, and so on; and of
    all these, each is the difference to the one `samples` before.

    `block` holds bytes, and what is summed up stays in it. The order of bytes of the file does not matter.
    """
    size = out.itemsize
    across = width * samples
    for r in range(out.shape[1]):
        start = (row + r) * across * size
        for at in range(start + samples, start + across * size):
            block[at] += block[at - samples]
        for k in range(len(bands)):
            for c in range(out.shape[2]):
                at = start + (col + c) * samples + bands[k]
                value = types.uint64(0)
                for _ in range(size):
                    value = (value << types.uint64(8)) | types.uint64(block[at])
                    at += across
                out[k, r, c] = value


_KERNELS = {one.__name__: one for one in (sum_up, join_bytes)}


@cache  # of its own: those that are there are given without a lock
@one_at_a_time
def compiled(name: str, size: int) -> Any:
    """The kernel of that name for numbers of so many bytes, one of its `SIZES`."""
    number = getattr(types, f"uint{8 * size}")
    block = types.Array(number, 1, "C", readonly=True) if name == "sum_up" else types.uint8[::1]
    out, bands = types.Array(number, 3, "A"), types.Array(types.int64, 1, "C", readonly=True)
    signature = types.void(block, types.int64, types.int64, out, types.int64, types.int64, bands)
    return njit(signature, nogil=True, cache=True)(_KERNELS[name])
