"""What became of each file of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Status(StrEnum):
    """What became of a file."""

    CREATED = "created"  # new in the catalogue
    UPDATED = "updated"  # known; the file or what is taken from it has changed
    UNCHANGED = "unchanged"  # known and the same
    SKIPPED = "skipped"  # in a folder or an item, and no rule of the mapping takes it
    FAILED = "failed"  # left out; the catalogue is as it was before


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one file."""

    name: str
    """Its path; `item/asset` of an asset."""
    status: Status
    reason: str = ""
    """Of a failure, naming the file; also of an asset that was skipped."""
    uri: str = ""
    """Where the file lies, without what a signed URL keeps secret; empty when that could not be told."""
    notes: tuple[str, ...] = ()
    """How the file differs from what its item says; the file is believed."""
    fallbacks: tuple[str, ...] = ()
    """Why its pixels are left to GDAL, of each part for which they are."""

    @property
    def path(self) -> Path:
        """The name as a path."""
        return Path(self.name)

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return {
            "name": self.name,
            "status": self.status.value,
            "uri": self.uri,
            "reason": self.reason,
            "notes": list(self.notes),
            "fallbacks": list(self.fallbacks),
        }


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How many files met which outcome, and the collections that show what was loaded."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    collections: tuple[str, ...] = ()

    @classmethod
    def of(cls, counts: Mapping[Status, int], *, collections: tuple[str, ...]) -> Summary:
        return cls(**{status.value: Counter(counts)[status] for status in Status}, collections=collections)


def failed(name: str, reason: str, *, uri: str = "") -> Outcome:
    """A failure whose reason names the file."""
    named = reason if name in reason or (uri and uri in reason) else f"{name}: {reason}"
    return Outcome(name=name, status=Status.FAILED, reason=named, uri=uri)
