"""What all repositories have in common: one table, its rows as entities, pages of them, and their deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import batched
from typing import Any, ClassVar, Self

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, tuple_

from prismcube.catalogue.bulk import CHUNK
from prismcube.catalogue.engine import BoundSession, Session
from prismcube.catalogue.references import Deletion, deletable_rows, delete_rows
from prismcube.errors import NotFound

Key = tuple[Any, ...]
"""Where a page ends: the values of the columns that it is sorted by."""


class Repository[Entity]:
    """The repository of the entities in one table."""

    kind: ClassVar[str]
    """What an entity is called in messages."""
    table: ClassVar[Table]
    select: ClassVar[Select[Any]]
    """What `_entity` needs of a row."""
    order: ClassVar[tuple[str, ...]] = ("id",)
    """Columns that pages are sorted by; unique together."""
    _entity: Callable[[Any], Entity]
    """The entity of a row of `select`, unless `_entities` takes more than rows to make them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_by_id(self, id: int) -> Entity:
        """Raises NotFound."""
        with self._session.read() as connection:
            return self._one(connection, id)

    def get_many(self, ids: Iterable[int]) -> list[Entity]:
        """Those of these ids, in their order, any number of them. Raises NotFound for one that is missing."""
        wanted = list(ids)
        found: dict[int, Entity] = {}
        by_ids = self.select.where(self.table.c.id.in_(bindparam("ids", expanding=True)))
        with self._session.read() as connection:
            for some in batched(sorted(set(wanted)), CHUNK):
                rows = connection.execute(by_ids, {"ids": some}).all()
                found.update(zip((row.id for row in rows), self._entities(connection, rows), strict=True))
        for id in wanted:
            if id not in found:
                raise NotFound(self.kind, id)
        return [found[id] for id in wanted]

    def delete(self, ids: Sequence[int], *, keep_referenced: bool = False) -> Deletion:
        """Remove entities, all or none.

        Raises NotFound, and Conflict when something refers to one of them; with `keep_referenced` those stay instead,
        as do those that are missing, and the answer names them.
        """
        with self._session.write() as connection:
            return delete_rows(connection, self.table, ids, kind=self.kind, keep_referenced=keep_referenced)

    def deletable(self, ids: Sequence[int], *, keep_referenced: bool = False) -> Deletion:
        """What `delete` would do; raises as it does."""
        with self._session.read() as connection:
            return deletable_rows(connection, self.table, ids, kind=self.kind, keep_referenced=keep_referenced)

    def key(self, entity: Any) -> Key:
        """What the page after this entity begins after."""
        return tuple(getattr(entity, name) for name in self.order)

    def _within(self, connection: Connection) -> Self:
        """This repository within a transaction that has begun; one of its own would wait for it."""
        return type(self)(BoundSession(connection))

    def _page(
        self, connection: Connection, *where: ColumnElement[bool], after: Key | None = None, limit: int = 100
    ) -> list[Entity]:
        return self._entities(connection, connection.execute(self._paged(*where, after=after, limit=limit)).all())

    def _paged(self, *where: ColumnElement[bool], after: Key | None, limit: int) -> Select[Any]:
        columns = [self.table.c[name] for name in self.order]
        page = self.select.where(*where).order_by(*columns).limit(limit)
        if after is None:
            return page
        values = [bindparam(None, value, type_=one.type) for value, one in zip(after, columns, strict=True)]
        return page.where(columns[0] > values[0] if len(columns) == 1 else tuple_(*columns) > tuple_(*values))

    def _one(self, connection: Connection, id: int) -> Entity:
        rows = connection.execute(self.select.where(self.table.c.id == id)).all()
        if not rows:
            raise NotFound(self.kind, id)
        return self._entities(connection, rows)[0]

    def _entities(self, connection: Connection, rows: Iterable[Any]) -> list[Entity]:
        return [self._entity(row) for row in rows]
