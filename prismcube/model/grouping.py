"""Groups: which records become one time step of a cube.

    record              each record is a step (Geocube's default)
    day, month, year    records of the same UTC day, month or year are one step
    all                 all records are one step
    A,B;C               the caller's own: step one is A then B, step two is C; names, or id:N

Inside a step the mosaic rule sees records by time then id, or in the caller's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prismcube.errors import InvalidInput
from prismcube.model.entities import Record
from prismcube.model.period import utc

CALENDAR = {"day": 10, "month": 7, "year": 4, "all": 0}
"""Calendar groupings, and how much of the ISO date the records of a step share."""


@dataclass(frozen=True)
class Group:
    """One time step."""

    records: tuple[Record, ...]
    """In mosaic order: the last lies on top."""

    @property
    def start(self) -> datetime:
        """The earliest record's time; the step's coordinate on the time axis."""
        return min(record.time for record in self.records)

    @property
    def end(self) -> datetime:
        return max(record.time for record in self.records)


def group_records(records: Sequence[Record], how: str) -> list[Group]:
    """Time steps from records, see the module's text.

    Calendar steps come by time; the caller's own in the caller's order. Raises InvalidInput("group", ...) for a name
    that no record has, that several have, or that is listed twice.
    """
    ordered = sorted(records, key=lambda r: (r.time, r.id or 0))
    if how == "record":
        return [Group((record,)) for record in ordered]
    if how in CALENDAR:
        steps: dict[str, list[Record]] = {}
        for record in ordered:
            steps.setdefault(utc(record.time).isoformat()[: CALENDAR[how]], []).append(record)
        return [Group(tuple(step)) for step in steps.values()]
    taken: set[int | None] = set()
    groups = []
    for step_text in how.split(";"):
        members = tuple(_find(ordered, token.strip()) for token in step_text.split(","))
        for member in members:
            if member.id in taken:
                raise InvalidInput("group", f"record {member.name!r} is listed twice")
            taken.add(member.id)
        groups.append(Group(members))
    return groups


def _find(records: Sequence[Record], token: str) -> Record:
    if token.startswith("id:"):
        found = [r for r in records if str(r.id) == token[3:]]
    else:
        found = [r for r in records if r.name == token]
    if not found:
        raise InvalidInput(
            "group", f"{token[:80]!r} is neither record, day, month, year, all nor a record of this selection"
        )
    if len(found) > 1:
        raise InvalidInput(
            "group", f"{len(found)} records are named {token[:80]!r}; write id:{found[0].id} (see items)"
        )
    return found[0]
