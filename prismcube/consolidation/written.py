"""What is told of a file that was written, from the task that wrote it to the one that stores it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


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
    """Id of the dataset whose blocks were copied; its footprint is that of the date."""

    def to_json(self) -> list[Any]:
        return [self.record, self.subdir, self.valid, self.copied]

    @classmethod
    def from_json(cls, document: Sequence[Any]) -> Written:
        record, subdir, valid, copied = document
        return cls(record=int(record), subdir=subdir, valid=valid, copied=int(copied))
