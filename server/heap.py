"""The C library's heap: large arrays go back to the system when they are freed.

glibc takes blocks from the system singly only above a threshold, which it raises to up to 32 MB by what it has seen
freed; below it, arrays of many threads lie between each other in heaps that can't shrink. A worker then grows with each
mix of requests that it has not seen before (mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX).
"""

from __future__ import annotations

import ctypes

MMAP_THRESHOLD, TRIM_THRESHOLD, ARENA_MAX = -3, -1, -8
"""Numbers of malloc.h."""

LARGE = 2**20
"""Bytes from which on a block is taken from the system, and given back, by itself."""
ARENAS = 4
"""Heaps that all threads share; more keep more free memory apart."""


def bound_heap() -> bool:
    """Have freed arrays given back; False where the C library is not glibc. For this process and those it forks."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    values = {MMAP_THRESHOLD: LARGE, TRIM_THRESHOLD: LARGE, ARENA_MAX: ARENAS}
    return all(bool(library.mallopt(name, value)) for name, value in values.items())
