"""Mask rules: which pixels count, judged by a quality field.

Text form, as the `mask` parameter takes it (all lists are of numbers and ranges such as `4-7,11`):

    SCL:4-7          keep pixels whose SCL is one of these
    SCL:!3,8-10      drop pixels whose SCL is one of these
    QA:bits:1,6      keep pixels that have at least one of these bits set
    QA:!bits:3,4     drop pixels that have any of these bits set (bit 0 is the lowest)

A pixel whose quality field is itself empty is dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput

_TEXT = re.compile(r"(?P<field>[A-Za-z_]\w*):(?P<drop>!?)(?P<bits>bits:)?(?P<values>[0-9][0-9,-]*)", re.ASCII)
_MAX_VALUES = 1024


@dataclass(frozen=True, kw_only=True)
class MaskRule:
    """Keep (or drop) the pixels whose quality field has one of these values or bits."""

    name: str
    field: str
    """The stored field that judges; always read by nearest neighbour."""
    values: frozenset[int]
    """Values of the field, or positions of bits."""
    bits: bool = False
    """True: `values` are bit positions, and one that is set is enough."""
    keep: bool = True
    """True: matching pixels are kept, all else dropped; False: the other way round."""
    default_for: tuple[str, ...] = ()
    """Fields that are masked by this rule unless a request says otherwise."""

    def __post_init__(self) -> None:
        if not self.values:
            raise InvalidInput("mask", f"{self.name!r} names no values")
        if self.bits and not all(0 <= bit < 32 for bit in self.values):
            raise InvalidInput("mask", f"{self.name!r}: bits count from 0 to 31")

    @classmethod
    def parse(cls, text: str, *, name: str = "", default_for: tuple[str, ...] = ()) -> MaskRule:
        """A rule from its text form. Raises InvalidInput."""
        found = _TEXT.fullmatch(text)
        if not found:
            raise InvalidInput(
                "mask", f"{text[:60]!r} is no rule; write for example SCL:4-7, SCL:!8-10 or QA:!bits:3,4"
            )
        return cls(
            name=name or text,
            field=found["field"],
            values=parse_numbers(found["values"]),
            bits=bool(found["bits"]),
            keep=not found["drop"],
            default_for=default_for,
        )

    def __str__(self) -> str:
        values = ",".join(str(v) for v in sorted(self.values))
        return f"{self.field}:{'' if self.keep else '!'}{'bits:' if self.bits else ''}{values}"

    def apply(self, quality: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """True where a pixel counts; `quality` and `valid` have the same shape, as has the result."""
        if self.bits:
            pattern = sum(1 << bit for bit in self.values)
            whole = np.where(valid, quality, 0).astype(np.int64)  # what is empty may be NaN, which is no whole number
            matches = (whole & pattern) != 0
        else:
            matches = np.isin(quality, np.array(sorted(self.values)))
        kept: npt.NDArray[np.bool_] = valid & (matches if self.keep else ~matches)
        return kept


def parse_numbers(text: str) -> frozenset[int]:
    """Whole numbers from `4-7,11`. Raises InvalidInput."""
    numbers: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not (low.isdigit() and (high.isdigit() or not dash)) or len(part) > 21:
            raise InvalidInput("mask", f"{part[:30]!r} is neither a number nor a range such as 4-7")
        first, last = int(low), int(high or low)
        if first > last or last - first >= _MAX_VALUES or len(numbers) > _MAX_VALUES:
            raise InvalidInput("mask", f"{part[:30]!r} is not a rising range of at most {_MAX_VALUES} values")
        numbers.update(range(first, last + 1))
    return frozenset(numbers)
