"""What stored numbers become in an answer: values that are mapped and cast, or whether a mask keeps a pixel.

Cast(mapping, dtype, nodata)     number -> number of the answer
Judgement(mapping, rule)         number of a quality field -> kept or not
put(translation, stored, ...)    for many pixels: by a table of all numbers where that is faster
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from prismcube.cube import tables
from prismcube.model.formats import DataFormat, ValueMapping, cast
from prismcube.model.mask import MaskRule

AT_ONCE = 2**15
"""Pixels that are computed together: what is kept of them fits into a core's own cache."""

KEPT_TABLES = 32
"""Of half a megabyte each at most."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Translation(Protocol):
    """Of each number by itself, so that all numbers of a type may be a table of it. Hashable."""

    def __hash__(self) -> int: ...

    def of(self, stored: Array, valid: Mask) -> Array:
        """What `stored` becomes, in the type of the answer; where it is not `valid`, anything."""


@dataclass(frozen=True)
class Cast:
    """Real values in the type of a field."""

    mapping: ValueMapping
    dtype: str
    nodata: float | None

    @classmethod
    def to(cls, format: DataFormat, mapping: ValueMapping) -> Cast:
        """In that format."""
        nodata = format.nodata
        # Only one and the same NaN equals itself, as the key of a table must.
        return cls(mapping, format.dtype, math.nan if nodata is not None and math.isnan(nodata) else nodata)

    def of(self, stored: Array, valid: Mask) -> Array:
        return cast(external(stored, self.mapping), valid, DataFormat(dtype=self.dtype, nodata=self.nodata))


@dataclass(frozen=True)
class Judgement:
    """True for the values of a quality field with which a pixel counts."""

    mapping: ValueMapping
    rule: MaskRule

    def of(self, stored: Array, valid: Mask) -> Array:
        return self.rule.apply(external(stored, self.mapping), valid)


def external(stored: Array, mapping: ValueMapping) -> Array:
    """Real values: float64, or as they are stored when nothing changes."""
    return stored if mapping.is_identity else mapping.external(stored)


def put(translation: Translation, stored: Array, found: Mask, out: Array, valid: Mask, *, is_compiled: bool) -> int:
    """Store what pixels become that are `found` and not `valid` yet, and then are; how many.

    All arrays are (height, width). `is_compiled`: kernels may be used. Tables are for numbers of 8 and 16 bits, and at
    least as many pixels as they have entries.
    """
    size = stored.dtype.itemsize
    if is_compiled and size <= 2 and stored.size >= 2 ** (8 * size):
        index, value = f"u{size}", f"u{out.dtype.itemsize}"
        table = _table(translation, stored.dtype.name).view(value)
        kernel = tables.compiled(size, out.dtype.itemsize)
        return int(kernel(stored.view(index), found, table, out.view(value), valid))
    filled = 0
    rows = max(1, AT_ONCE // stored.shape[1])
    nothing = stored.dtype.type(0)
    for row in range(0, len(stored), rows):
        part = slice(row, row + rows)
        new = found[part] & ~valid[part]
        if count := int(np.count_nonzero(new)):
            np.copyto(out[part], translation.of(np.where(new, stored[part], nothing), new), where=new)
            valid[part] |= new
            filled += count
    return filled


@lru_cache(maxsize=KEPT_TABLES)
def _table(translation: Translation, dtype: str) -> Array:
    """What becomes of every number of a type, in the order of their bits."""
    size = np.dtype(dtype).itemsize
    every = np.arange(2 ** (8 * size), dtype=f"u{size}").view(dtype)
    found = translation.of(every, np.ones(every.shape, dtype=bool))
    found.flags.writeable = False
    return found
