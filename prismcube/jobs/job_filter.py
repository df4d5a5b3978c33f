"""Which jobs a list has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Double, bindparam, func

from prismcube.catalogue.dialects import PerDatabase
from prismcube.catalogue.job_tables import job
from prismcube.model.machine import Status


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs; all that is given must hold (18-062r2, clause 9, parameters of the job list)."""

    owner: str | None = None
    processes: Sequence[str] = ()
    statuses: Sequence[Status] = ()
    created_from: datetime | None = None
    """Inclusive, as is `created_to`."""
    created_to: datetime | None = None
    least_seconds: float | None = None
    """From its start to its end, or to now."""
    most_seconds: float | None = None

    def conditions(self, now: datetime) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.owner is not None:
            found.append(job.c.owner == self.owner)
        if self.processes:
            found.append(job.c.process.in_(self.processes))
        if self.statuses:
            found.append(job.c.status.in_([status.value for status in self.statuses]))
        if self.created_from is not None:
            found.append(job.c.created >= self.created_from)
        if self.created_to is not None:
            found.append(job.c.created <= self.created_to)
        until = func.coalesce(job.c.finished, bindparam(None, now, type_=job.c.finished.type))
        seconds = _seconds_between(job.c.started, until)  # NULL, and so neither, where nothing has begun
        if self.least_seconds is not None:
            found.append(seconds >= self.least_seconds)
        if self.most_seconds is not None:
            found.append(seconds <= self.most_seconds)
        return found


class _seconds_between(PerDatabase):
    type = Double()
    sqlite = "(({1} - {0}) / 1e6)"
    postgresql = "extract(epoch FROM {1} - {0})"
