"""What is told of a file that was written, from the task that wrote it to the one that stores it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prismcube.consolidation.parts import Part


@dataclass(frozen=True, kw_only=True)
class Written:
    """A date of a file that was written."""

    record: int
    """Id; 0: the new record."""
    subdir: str
    """Of the file."""
    valid: str
    """Where it has valid pixels, as `ValidMap.to_text`."""
    copied: int = 0
    """Id of the dataset whose blocks were copied; its footprint and part are those of the date."""
    part: Part | None = None
    """Of the cell, that its sources cover; None for what is copied."""

    def to_json(self) -> list[Any]:
        return [self.record, self.subdir, self.valid, self.copied, *(self.part or ())]

    @classmethod
    def from_json(cls, document: Sequence[Any]) -> Written:
        record, subdir, valid, copied, *part = document
        known = Part(*map(int, part)) if part else None  # which no version before this one told
        return cls(record=int(record), subdir=subdir, valid=valid, copied=int(copied), part=known)
