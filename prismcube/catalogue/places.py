"""Places: the areas of interest that a collection's records are of, each with when it was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, Select, func, select

from prismcube.catalogue.engine import Session
from prismcube.catalogue.filters import has_tags, visible, within
from prismcube.catalogue.spatial import ALWAYS, aoi_intersects
from prismcube.catalogue.tables import aoi, dataset, record
from prismcube.errors import NotFound
from prismcube.model.collection import Collection
from prismcube.model.period import Period


@dataclass(frozen=True, kw_only=True)
class Place:
    """An area of interest, as a collection knows it."""

    id: int
    """Of the AOI."""
    geometry: MultiPolygon
    """Longitude, latitude."""
    records: int
    """How many of the collection's records are of it."""
    start: datetime
    """Of the earliest of them."""
    end: datetime
    """Of the latest."""


class Places:
    """Reads places; AOIs and records are changed through their own repositories."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(
        self,
        collection: Collection,
        *,
        area: BaseGeometry | None = None,
        period: Period = ALWAYS,
        after: int | None = None,
        limit: int = 100,
    ) -> list[Place]:
        """By id, those with a record in the period whose area has a point in common with `area`.

        The next page begins `after` the id of the last place of this one.
        """
        page = _seen(collection, period).order_by(record.c.aoi_id).limit(limit)
        if area is not None:
            page = page.where(record.c.aoi_id.in_(select(aoi.c.id).where(aoi_intersects(area))))
        if after is not None:
            page = page.where(record.c.aoi_id > after)
        with self._session.read() as connection:
            return _places(connection, page)

    def get(self, collection: Collection, id: int) -> Place:
        """Raises NotFound when no record of the collection is of this area."""
        with self._session.read() as connection:
            found = _places(connection, _seen(collection, ALWAYS).where(record.c.aoi_id == id))
        if not found:
            raise NotFound("location", id)
        return found[0]


def _seen(collection: Collection, period: Period) -> Select[Any]:
    """A row for each area of the collection's records that readers see."""
    instances = {one.instance_id for one in collection.stored_fields}
    theirs = select(dataset.c.id).where(dataset.c.record_id == record.c.id, visible(instances, {}))
    return (
        select(
            record.c.aoi_id.label("id"),
            func.count(record.c.id).label("records"),
            func.min(record.c.time).label("start"),
            func.max(record.c.time).label("end"),
        )
        .where(
            record.c.aoi_id.is_not(None),
            within(record.c.time, period),
            has_tags(collection.record_tags),
            theirs.correlate(record).exists(),
        )
        .group_by(record.c.aoi_id)
    )


def _places(connection: Connection, page: Select[Any]) -> list[Place]:
    rows = connection.execute(page).all()
    wanted = select(aoi.c.id, aoi.c.geometry).where(aoi.c.id.in_([row.id for row in rows]))
    shapes = {row.id: row.geometry for row in connection.execute(wanted)} if rows else {}
    return [
        Place(id=row.id, geometry=shapes[row.id], records=row.records, start=row.start, end=row.end) for row in rows
    ]
