"""Room for the slices of an answer, taken from the system in pieces of many pages that come as one.

A slice of 512² is 128 pages, each of which the system fetches and clears when it is first written to: a quarter of the
time in which small windows of many dates are read. numpy asks for huge pages (madvise(2), MADV_HUGEPAGE) only for
arrays of 4 MiB and more, each by itself.
"""

from __future__ import annotations

import math
import mmap
from collections import deque
from contextlib import suppress
from typing import Any
from weakref import finalize

import numpy as np
import numpy.typing as npt

HUGE = 2**21
"""Bytes of a huge page of x86-64, and of ARM with pages of 4 KiB; elsewhere a piece is only larger than need be."""

LARGEST = 2 * HUGE
"""Bytes of an array from which on numpy does the same for it alone."""

PIECE = 4 * HUGE
"""Bytes of a piece, at most."""

LEAST = 2**17
"""Bytes of an array that gets its room here: smaller ones lie in memory that the process has anyway."""

LINE = 64
"""Bytes of a line of the processor's cache; arrays begin with one."""


class Rooms:
    """Makes the arrays of one answer; of one thread.

    `given_back`: memory of flags that nobody has any more, of whatever thread; may be that of all answers.

    A piece goes back to the system with the last of its arrays; those of a slice and the next few share one.
    """

    def __init__(self, given_back: deque[memoryview] | None = None) -> None:
        self._left: dict[int, npt.NDArray[np.uint8]] = {}
        """Of the last piece that was made for arrays of a size; others get of it when they would need a new one."""
        self._given_back = given_back if given_back is not None else deque()

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """As numpy's `zeros`."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if not LEAST <= size < LARGEST or not hasattr(mmap, "MADV_HUGEPAGE"):
            return np.zeros(shape, kind)
        owner = self._with_room(size)
        if owner is None:
            try:
                self._left[size] = _piece(_fitting(size))
            except OSError:  # there is little left; numpy takes less at once, or says so as callers expect it
                return np.zeros(shape, kind)
            owner = size
        left = self._left[owner]
        self._left[owner] = left[-(-size // LINE) * LINE :]
        return left[:size].view(kind).reshape(shape)

    def flags(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """An array that may hold anything; in memory of one that nobody has any more, if there is some."""
        size = math.prod(shape)
        if size < LEAST:
            return np.empty(shape, bool)
        try:
            memory = self._given_back.pop()
        except IndexError:
            memory = memoryview(b"")
        if len(memory) < size:
            memory = memoryview(np.empty(size, np.uint8))
        owner = np.frombuffer(memory, np.uint8)
        # All arrays that show some of it hold `owner`, whatever they are made of in turn: it ends with the last.
        finalize(owner, self._given_back.append, memory).atexit = False
        return owner[:size].view(bool).reshape(shape)

    def _with_room(self, size: int) -> int | None:
        """Which of `_left` has room for an array: that of its size, else the one with the least that is enough."""
        if len(self._left.get(size, _NOTHING)) >= size:
            return size
        fitting = [one for one, left in self._left.items() if len(left) >= size]
        return min(fitting, key=lambda one: len(self._left[one]), default=None)


_NOTHING = np.empty(0, np.uint8)


def _fitting(size: int) -> int:
    """Bytes of a piece of which arrays of that size waste as little as can be."""
    pages = range(-(-size // HUGE), PIECE // HUGE + 1)
    return HUGE * max(pages, key=lambda number: (number * HUGE // size) * size / number)


def _piece(size: int) -> npt.NDArray[np.uint8]:
    """Cleared bytes that begin with a huge page; they hold their memory as long as one who was given some lives."""
    memory = mmap.mmap(-1, size + HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    everything = np.frombuffer(memory, np.uint8)
    first = -everything.ctypes.data % HUGE
    with suppress(OSError):  # a kernel may be built without them
        memory.madvise(mmap.MADV_HUGEPAGE, first, size)
    return everything[first : first + size]
