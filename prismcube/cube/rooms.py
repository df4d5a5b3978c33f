"""Room for the slices of an answer, taken from the system in pieces of many pages that come as one.

A slice of 512² is 128 pages, each of which the system fetches and clears when it is first written to: a quarter of the
time in which small windows of many dates are read. numpy asks for huge pages (madvise(2), MADV_HUGEPAGE) only for
arrays of 4 MiB and more, each by itself.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

HUGE = 2**21
"""Bytes of a huge page of x86-64, and of ARM with pages of 4 KiB; elsewhere a piece is only larger than need be."""

PIECE = 2 * HUGE
"""Bytes of a piece: from here on numpy does the same for a single array."""

LEAST = 2**17
"""Bytes of an array that gets its room here: smaller ones lie in memory that the process has anyway."""

LINE = 64
"""Bytes of a line of the processor's cache; arrays begin with one."""


class Rooms:
    """Makes the arrays of one answer; of one thread.

    A piece goes back to the system with the last of its arrays; those of a slice and the next few share one.
    """

    def __init__(self) -> None:
        self._left: npt.NDArray[np.uint8] | None = None

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """As numpy's `zeros`."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if not LEAST <= size < PIECE or not hasattr(mmap, "MADV_HUGEPAGE"):
            return np.zeros(shape, kind)
        if self._left is None or len(self._left) < size:
            self._left = _piece()
        mine, self._left = self._left[:size], self._left[-(-size // LINE) * LINE :]
        return mine.view(kind).reshape(shape)


def _piece() -> npt.NDArray[np.uint8]:
    """Cleared bytes that begin with a huge page; they hold their memory as long as one who was given some lives."""
    memory = mmap.mmap(-1, PIECE + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    everything = np.frombuffer(memory, np.uint8)
    first = -everything.ctypes.data % HUGE
    memory.madvise(mmap.MADV_HUGEPAGE, first, PIECE)
    return everything[first : first + PIECE]
