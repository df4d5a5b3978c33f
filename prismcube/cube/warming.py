"""All kernels that reading and writing need, compiled before anybody waits for them.

    load()                                                   fetches them all, and compiles what is not kept
    python -m prismcube.cube.warming bilinear cubic          compiles some into the folder that NUMBA_CACHE_DIR names

numba keeps an index beside what it compiled of each function, which two processes that write at once can spoil: one
file for two signatures. So processes share the work by `GROUPS` of functions, which call nothing in common but `_row`,
which has one signature.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain

from numba.core import event

from prismcube.cube import kernels, tables
from prismcube.tiff import kernels as predictors
from prismcube.tiff import write_kernels as writing

GROUPS = (
    ("bilinear", "cubic", "widened"),
    (
        "sum_up", "unpack", "nearest", "fill", "join_bytes", "average", "look_up",
        "average_whole", "average_floats", "differences",
    ),
)  # fmt: skip
"""Kernels, each group for one process, which all take about as long."""


class _Counter(event.Listener):
    """Counts what is compiled, of any function; what is fetched from a folder is not told."""

    count = 0

    def on_start(self, event: object) -> None:
        self.count += 1

    def on_end(self, event: object) -> None:
        """Nothing to do."""


_compilations = _Counter()
event.register("numba:compile", _compilations)  # type: ignore[no-untyped-call]  # numba carries no types
_is_loaded = False


def compilations() -> int:
    """How many functions this process has compiled so far, and those that it was forked from."""
    return _compilations.count


def is_loaded() -> bool:
    """True when this process has all kernels, or one that it was forked from had."""
    return _is_loaded


def load() -> None:
    """Have all kernels in this process. What numba raises for a folder that is full or damaged is of any kind."""
    global _is_loaded
    _have(chain(*GROUPS))
    _is_loaded = True


def _have(names: Iterable[str]) -> None:
    for name in names:
        for size in predictors.SIZES.get(name, ()):
            predictors.compiled(name, size)
        for dtype in writing.TYPES.get(name, ()):
            writing.compiled(name, dtype)
        if name in kernels.KERNELS:
            for dtype in kernels.TYPES:
                kernels.compiled(name, dtype)
        if name == tables.look_up.__name__:
            for sizes in tables.SIZES:
                tables.compiled(*sizes)


if __name__ == "__main__":
    _have(sys.argv[1:])
