"""The outbox: what has changed in the data that readers see, in the order of the changes.

Tile invalidation, seeding and events read it, each keeping the id of the last row that it has dealt with. Rows are
written by `changes.py`, in the transaction of the change; since writers take turns, ids rise in the order of commits,
so that a reader who goes on after the last id misses none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import and_, bindparam, delete, func, select

from prismcube.catalogue.engine import Session
from prismcube.catalogue.tables import outbox
from prismcube.model.period import utc

LAST = select(func.max(outbox.c.id))
AFTER = select(outbox).where(outbox.c.id > bindparam("after")).order_by(outbox.c.id).limit(bindparam("limit"))


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One change of a collection."""

    id: int
    time: datetime
    """When it was written."""
    collection: str
    """Its name; it may have gone since."""
    kind: str
    """`data`, `definition` or `deleted`."""
    footprint: BaseGeometry | None
    """Where data have changed (longitude, latitude); None: everywhere."""
    start: datetime | None
    """The first and last time of the data that have changed; None: at all times."""
    end: datetime | None


class Outbox:
    """The repository of notices."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def after(self, id: int, limit: int = 100) -> Sequence[Notice]:
        """The notices that follow the one of this id, oldest first."""
        with self._session.read() as connection:
            return [_notice(row) for row in connection.execute(AFTER, {"after": id, "limit": limit})]

    def last(self) -> int:
        """The number of the last change: whoever has seen it has seen them all. It only grows; 0 at first."""
        with self._session.read() as connection:
            return connection.scalar(LAST) or 0

    def prune(self, before: datetime) -> int:
        """Remove the notices from before this time, but for the very last one, which `last` tells; how many."""
        old = and_(outbox.c.time < utc(before), outbox.c.id < LAST.scalar_subquery())
        with self._session.write() as connection:
            return connection.execute(delete(outbox).where(old)).rowcount


def _notice(row: Any) -> Notice:
    return Notice(**{name: getattr(row, name) for name in Notice.__dataclass_fields__})
