"""Containers: the files of the archive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from prismcube.catalogue.engine import Change, Session
from prismcube.catalogue.tables import container
from prismcube.errors import Conflict, NotFound
from prismcube.model.entities import Container

BY_ID = select(container).where(container.c.id == bindparam("key"))
BY_URI = select(container).where(container.c.uri == bindparam("key"))
INSERT = insert(container).returning(container.c.id)
UPDATE = (
    update(container)
    .where(container.c.id == bindparam("key"))
    .values(etag=bindparam("new_etag"), storage_class=bindparam("new_storage_class"))
)


class Containers:
    """The repository of containers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, uri: str) -> Container:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(BY_URI, {"key": uri}).one_or_none()
        if row is None:
            raise NotFound("container", uri)
        return _container(row)

    def get_by_id(self, id: int) -> Container:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(BY_ID, {"key": id}).one_or_none()
        if row is None:
            raise NotFound("container", id)
        return _container(row)

    def put(self, wanted: Container) -> tuple[Container, Change]:
        """Store a container, or take over etag and storage class for the one of that URI.

        Raises Conflict when it would change hands (`managed`): that decides who deletes the file.
        """
        with self._session.write() as connection:
            row = connection.execute(BY_URI, {"key": wanted.uri}).one_or_none()
            if row is None:
                values = {
                    "uri": wanted.uri,
                    "managed": wanted.managed,
                    "storage_class": wanted.storage_class,
                    "etag": wanted.etag,
                }
                return replace(wanted, id=connection.scalar(INSERT, values)), Change.CREATED
            if row.managed != wanted.managed:
                raise Conflict("container", wanted.uri, f"managed is {row.managed}, not {wanted.managed}")
            stored = replace(wanted, id=row.id)
            if stored == _container(row):
                return stored, Change.UNCHANGED
            change = {"key": row.id, "new_etag": wanted.etag, "new_storage_class": wanted.storage_class}
            connection.execute(UPDATE, change)
        return stored, Change.UPDATED


def _container(row: Any) -> Container:
    return Container(uri=row.uri, managed=row.managed, storage_class=row.storage_class, etag=row.etag, id=row.id)
