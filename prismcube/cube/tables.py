"""Numbers looked up in a table, compiled: what a mapping, a cast or a mask makes of all numbers of 8 or 16 bits.

Bits are looked up, whatever they stand for: numbers are taken as unsigned ones of the same size, on both sides. Like
those of `prismcube.cube.kernels`, kernels are compiled, or fetched from where the last process left them, when
`compiled` is first asked for them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from prismcube.tiff.compiling import one_at_a_time

SIZES = ((1, 1), (1, 2), (1, 4), (1, 8), (2, 1), (2, 2), (2, 4), (2, 8))
"""(bytes of what is looked up, bytes of what is found) that the kernel is made for."""


def look_up(stored, found, table, out, valid):
    """Pixels that are `found`, and not `valid` yet, become `table[stored]`, and valid; how many.

    All are of shape (height, width) but the table.
    """
    filled = 0
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            r, c = np.uint64(row), np.uint64(col)
            if found[r, c] and not valid[r, c]:
                out[r, c] = table[stored[r, c]]
                valid[r, c] = 1
                filled += 1
    return filled


@cache  # of its own: those that are there are given without a lock
@one_at_a_time
def compiled(index: int, found: int) -> Any:
    """The kernel for numbers of so many bytes that are looked up, and so many that are found: one of `SIZES`."""
    source, value = getattr(types, f"uint{8 * index}"), getattr(types, f"uint{8 * found}")
    flags, table = types.Array(types.boolean, 2, "A"), types.Array(value, 1, "C", readonly=True)
    signature = types.int64(types.Array(source, 2, "A"), flags, table, types.Array(value, 2, "A"), flags)
    return njit(signature, nogil=True, cache=True)(look_up)
