"""Areas of interest, shared by records and known by their hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, bindparam, insert, select, true

from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.spatial import aoi_intersects
from prismcube.catalogue.tables import aoi
from prismcube.errors import Conflict
from prismcube.model.entities import AOI

IDS_BY_HASH = select(aoi.c.id, aoi.c.hash).where(aoi.c.hash.in_(bindparam("keys", expanding=True)))
INSERT = insert(aoi).returning(aoi.c.id, sort_by_parameter_order=True)


class AOIs(Repository[AOI]):
    """The repository of areas of interest."""

    kind = "aoi"
    table = aoi
    select = select(aoi)

    def create(self, area: AOI) -> AOI:
        """Raises Conflict, with the id, when the area is stored already."""
        with self._session.write() as connection:
            known = connection.execute(IDS_BY_HASH, {"keys": [area.hash]}).one_or_none()
            if known is not None:
                raise Conflict("aoi", known.id, "this area is stored already")
            return AOI(geometry=area.geometry, id=ids_of(connection, [area])[0])

    def get_or_create(self, area: AOI) -> AOI:
        """The stored area of this geometry; stores it when it is new."""
        with self._session.write() as connection:
            return AOI(geometry=area.geometry, id=ids_of(connection, [area])[0])

    def list(self, *, area: BaseGeometry | None = None, after: Key | None = None, limit: int = 100) -> list[AOI]:
        """By id, those that have a point in common with `area` (longitude, latitude)."""
        with self._session.read() as connection:
            touches = true() if area is None else aoi_intersects(area)
            return self._page(connection, touches, after=after, limit=limit)

    @staticmethod
    def _entity(row: Any) -> AOI:
        return AOI(geometry=row.geometry, id=row.id)


def ids_of(connection: Connection, areas: Sequence[AOI]) -> list[int]:
    """Ids of areas; stores those that are new."""
    by_hash = {area.hash: area for area in areas}
    ids = {row.hash: row.id for row in connection.execute(IDS_BY_HASH, {"keys": list(by_hash)})}
    new = [key for key in by_hash if key not in ids]
    if new:
        ids.update(zip(new, connection.scalars(INSERT, [_values(by_hash[key]) for key in new]), strict=True))
    return [ids[area.hash] for area in areas]


def _values(area: AOI) -> dict[str, Any]:
    west, south, east, north = area.geometry.bounds
    box = {"west": west, "south": south, "east": east, "north": north}
    return {"hash": area.hash, "geometry": area.geometry, **box}
