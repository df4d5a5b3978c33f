"""Containers: the files of the archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from prismcube.catalogue.changes import publish, seen
from prismcube.catalogue.engine import Change
from prismcube.catalogue.filters import fits
from prismcube.catalogue.records import RecordFilter
from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.tables import container, dataset, layout, record
from prismcube.errors import Conflict, NotFound
from prismcube.model.entities import Container
from prismcube.model.pattern import Pattern
from prismcube.storage.uri import without_secret

BY_URI = select(container).where(container.c.uri == bindparam("key"))
DATASETS_OF = select(dataset.c.id).where(dataset.c.container_id == bindparam("key"))
INSERT = insert(container).returning(container.c.id)
UPDATE = (
    update(container)
    .where(container.c.id == bindparam("key"))
    .values(
        etag=bindparam("new_etag"),
        storage_class=bindparam("new_storage_class"),
        layout_id=bindparam("new_layout_id"),
        loss=bindparam("new_loss"),
    )
)


@dataclass(frozen=True, kw_only=True)
class ContainerFilter:
    """Which containers are meant; all that is given must hold."""

    uri: Pattern | None = None
    managed: bool | None = None
    layout_id: int | None = None
    records: RecordFilter | None = None
    """That hold a dataset of one of these records."""

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.uri is not None:
            found.append(fits(container.c.uri, self.uri))
        if self.managed is not None:
            found.append(container.c.managed == self.managed)
        if self.layout_id is not None:
            found.append(container.c.layout_id == self.layout_id)
        if self.records is not None:
            theirs = select(dataset.c.container_id).join(record, record.c.id == dataset.c.record_id)
            found.append(container.c.id.in_(theirs.where(*self.records.conditions(lead=False))))
        return found


class Containers(Repository[Container]):
    """The repository of containers."""

    kind = "container"
    table = container
    select = select(container)

    def get(self, uri: str) -> Container:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(BY_URI, {"key": uri}).one_or_none()
        if row is None:
            raise NotFound("container", uri)
        return self._entity(row)

    def list(
        self, wanted: ContainerFilter | None = None, *, after: Key | None = None, limit: int = 100
    ) -> list[Container]:
        """By id."""
        with self._session.read() as connection:
            where = (wanted or ContainerFilter()).conditions()
            return self._page(connection, *where, after=after, limit=limit)

    def create(self, wanted: Container) -> Container:
        """Raises Conflict, with the id, when the URI is stored already; NotFound for an unknown layout."""
        with self._session.write() as connection:
            row = connection.execute(BY_URI, {"key": wanted.uri}).one_or_none()
            if row is not None:
                raise Conflict("container", row.id, f"{without_secret(wanted.uri)} is stored already")
            _check_layout(connection, wanted)
            return replace(wanted, id=connection.scalar(INSERT, container_values(wanted)))

    def put(self, wanted: Container) -> tuple[Container, Change]:
        """Store a container, or take over etag, storage class and layout for the one of that URI.

        Raises Conflict when it would change hands (`managed`): that decides who deletes the file. NotFound for an
        unknown layout.
        """
        with self._session.write() as connection:
            _check_layout(connection, wanted)
            row = connection.execute(BY_URI, {"key": wanted.uri}).one_or_none()
            if row is None:
                return replace(wanted, id=connection.scalar(INSERT, container_values(wanted))), Change.CREATED
            _check_hands(self._entity(row), wanted)
            stored = replace(wanted, id=row.id)
            if stored == self._entity(row):
                return stored, Change.UNCHANGED
            values = container_values(wanted)
            change = {f"new_{name}": values[name] for name in ("etag", "storage_class", "layout_id", "loss")}
            connection.execute(UPDATE, {"key": row.id, **change})
            _tell_content(connection, self._entity(row), stored)
        return stored, Change.UPDATED

    def update(self, wanted: Container) -> Container:
        """Replace what is stored under its id; the URI and who manages the file stay.

        Raises NotFound, also for an unknown layout, and Conflict when URI or `managed` differ.
        """
        with self._session.write() as connection:
            stored = self._one(connection, wanted.id or 0)
            if stored.uri != wanted.uri:
                raise Conflict("container", wanted.id, f"its URI is {without_secret(stored.uri)} and can't change")
            _check_hands(stored, wanted)
            _check_layout(connection, wanted)
            connection.execute(update(container).where(container.c.id == wanted.id).values(container_values(wanted)))
            _tell_content(connection, stored, wanted)
        return wanted

    def layouts(self, wanted: ContainerFilter) -> Iterable[str]:
        """Names of the layouts of a set of containers, sorted."""
        names = (
            select(layout.c.name)
            .join(container, container.c.layout_id == layout.c.id)
            .where(*wanted.conditions())
            .distinct()
            .order_by(layout.c.name)
        )
        with self._session.read() as connection:
            return [*connection.scalars(names)]

    @staticmethod
    def _entity(row: Any) -> Container:
        return container_of(row)


def _tell_content(connection: Connection, before: Container, after: Container) -> None:
    """Tell the collections that show a file when its content is another."""
    if before.etag != after.etag:
        changed = seen(connection, connection.scalars(DATASETS_OF, {"key": before.id}))
        publish(connection, removed=changed, added=changed)


def _check_hands(stored: Container, wanted: Container) -> None:
    if stored.managed != wanted.managed:
        raise Conflict("container", without_secret(wanted.uri), f"managed is {stored.managed}, not {wanted.managed}")


def _check_layout(connection: Connection, wanted: Container) -> None:
    id = wanted.layout_id
    if id is not None and connection.scalar(select(layout.c.id).where(layout.c.id == id)) is None:
        raise NotFound("layout", id)


def container_of(row: Any) -> Container:
    return Container(
        uri=row.uri,
        managed=row.managed,
        storage_class=row.storage_class,
        etag=row.etag,
        layout_id=row.layout_id,
        loss=row.loss,
        id=row.id,
    )


def container_values(one: Container) -> dict[str, Any]:
    return {
        "uri": one.uri,
        "managed": one.managed,
        "storage_class": one.storage_class,
        "etag": one.etag,
        "layout_id": one.layout_id,
        "loss": one.loss,
    }
