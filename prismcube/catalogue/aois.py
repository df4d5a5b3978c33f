"""Areas of interest, shared by records and known by their hash."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select

from prismcube.catalogue.engine import Session
from prismcube.catalogue.tables import aoi
from prismcube.errors import NotFound
from prismcube.model.entities import AOI

BY_ID = select(aoi).where(aoi.c.id == bindparam("key"))
ID_BY_HASH = select(aoi.c.id).where(aoi.c.hash == bindparam("key"))
INSERT = insert(aoi).returning(aoi.c.id)


class AOIs:
    """The repository of areas of interest."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, id: int) -> AOI:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(BY_ID, {"key": id}).one_or_none()
        if row is None:
            raise NotFound("aoi", id)
        return AOI(geometry=row.geometry, id=row.id)

    def get_or_create(self, area: AOI) -> AOI:
        """The stored area of this geometry; stores it when it is new."""
        with self._session.write() as connection:
            id = connection.scalar(ID_BY_HASH, {"key": area.hash})
            if id is None:
                id = connection.scalar(INSERT, {"hash": area.hash, "geometry": area.geometry})
        return AOI(geometry=area.geometry, id=id)
