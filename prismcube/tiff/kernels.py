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
from prismcube.tiff.instructions import WIDE, add_up, decode_deflate, decode_zstd

SIZES = {"sum_up": (1, 2, 4, 8), "join_bytes": (4, 8), "unpack": (1, 2, 4, 8)}
"""Kernels, and the bytes of the numbers that each is made for."""

UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}
"""Types of numbers by their bytes; not taken from names for each block."""


@njit(nogil=True, cache=True)
def _sum_line(line, skip, into):
    # Unsigned, so that no index is looked at for being negative: 2.5 times as fast.
    total, left = np.uint64(0), np.uint64(skip)
    for c in range(left):
        total += np.uint64(line[c])
    for c in range(np.uint64(len(into))):
        total += np.uint64(line[left + c])
        into[c] = total


@njit(nogil=True, cache=True)
def _sum_dense(block, width, out, row, col):
    """Of a block of one sample, to rows of numbers that lie side by side: 2.6 times as fast, a register at a time."""
    size, left = out.itemsize, np.uint64(col)
    lanes = WIDE // size
    count = out.shape[1] // lanes
    for r in range(out.shape[0]):
        start = np.uint64((row + r) * width)
        total = np.uint64(0)
        for c in range(left):
            total += np.uint64(block[start + c])
        first = block.ctypes.data + ((row + r) * width + col) * size
        total = np.uint64(add_up(first, out.ctypes.data + r * out.strides[0], count, out.dtype.type(total)))
        for c in range(np.uint64(count * lanes), np.uint64(out.shape[1])):
            total += np.uint64(block[start + left + c])
            out[np.uint64(r), c] = total


def sum_up(block, width, samples, out, row, col, bands):
    """Predictor 2: each sample is the difference to the one of the pixel before.

    `block` holds native numbers; `out` may be `block` itself, seen as whole bands.
    """
    across = width * samples
    if samples == 1 and out.strides[2] == out.itemsize:
        for k in range(len(bands)):
            _sum_dense(block, width, out[k], row, col)
        return
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


def pick(block, width, samples, out, row, col, bands):
    """No predictor. `block` holds native numbers."""
    for r in range(out.shape[1]):
        for k in range(len(bands)):
            at = ((row + r) * width + col) * samples + bands[k]
            for c in range(np.uint64(out.shape[2])):
                out[k, r, c] = block[np.uint64(at)]
                at += samples


_sum_up, _join_bytes, _pick = (njit(nogil=True)(one) for one in (sum_up, join_bytes, pick))


def unpack(codec, function, state, data, places, buffer, predictor, width, samples, bands, out):
    """Blocks of `data` to their places in `out`; how many, or -1: a place is none. See `prismcube.tiff.unpack`.

    `codec` 0 is zstd, 1 is deflate; `function` and `state` are addresses. `buffer` has room for a block.
    """
    numbers = buffer.view(out.dtype)
    across = width * samples * out.itemsize
    for number in range(len(places)):
        start, size, row, col, first, at_row, at_col, height, beside = places[number]
        if (
            min(places[number]) < 0
            or start > len(data) - size
            or row > len(buffer) // across - height
            or col > width - beside
            or first > out.shape[0] - len(bands)
            or at_row > out.shape[1] - height
            or at_col > out.shape[2] - beside
            or min(bands) < 0
            or max(bands) >= samples
        ):
            return -1
        made = types.int64(0)
        if codec == 0:
            made = decode_zstd(function, state, buffer.ctypes.data, len(buffer), data.ctypes.data + start, size)
        else:
            made = decode_deflate(function, state, buffer.ctypes.data, len(buffer), data.ctypes.data + start, size)
        if made < (row + height) * across:
            return number
        into = out[first : first + len(bands), at_row : at_row + height, at_col : at_col + beside]
        if predictor == 2:
            _sum_up(numbers, width, samples, into, row, col, bands)
        elif predictor == 3:
            _join_bytes(buffer, width, samples, into, row, col, bands)
        else:
            _pick(numbers, width, samples, into, row, col, bands)
    return len(places)


_KERNELS = {one.__name__: one for one in (sum_up, join_bytes, unpack)}


@cache  # of its own: those that are there are given without a lock
@one_at_a_time
def compiled(name: str, size: int) -> Any:
    """The kernel of that name for numbers of so many bytes, one of its `SIZES`."""
    return njit(_signature(name, size), nogil=True, cache=True)(_KERNELS[name])


def _signature(name: str, size: int) -> Any:
    number = getattr(types, f"uint{8 * size}")
    out, bands = types.Array(number, 3, "A"), types.Array(types.int64, 1, "C", readonly=True)
    if name == "unpack":
        stored = types.Array(types.uint8, 1, "C", readonly=True)
        rest = (stored, types.int64[:, ::1], types.uint8[::1], types.int64, types.int64, types.int64, bands, out)
        return types.int64(types.int64, types.int64, types.int64, *rest)
    block = types.Array(number, 1, "C", readonly=True) if name == "sum_up" else types.uint8[::1]
    return types.void(block, types.int64, types.int64, out, types.int64, types.int64, bands)
