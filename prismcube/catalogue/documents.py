"""Entities that are known by name and kept as documents: palettes, styles, layouts; and consolidation settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from prismcube.catalogue.changes import tell
from prismcube.catalogue.engine import Change, Session
from prismcube.catalogue.filters import fits
from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.tables import (
    collection,
    consolidation_params,
    container,
    field,
    grid,
    instance,
    layout,
    palette,
    style,
    variable,
)
from prismcube.errors import Conflict, NotFound
from prismcube.model.consolidation import ConsolidationParams
from prismcube.model.layout import CustomGrid, Layout
from prismcube.model.palette import GREY, Palette
from prismcube.model.pattern import Pattern
from prismcube.model.style import Style

SHOWING = (  # the collections with a variable that is drawn in a palette
    select(collection.c.name)
    .join(field, field.c.collection_id == collection.c.id)
    .join(instance, instance.c.id == field.c.instance_id)
    .join(variable, variable.c.id == instance.c.variable_id)
    .where(variable.c.palette_id == bindparam("key"))
    .distinct()
    .order_by(collection.c.name)
)


class Document(Protocol):
    """An entity with a name that can be written as JSON."""

    @property
    def name(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, document: object) -> Self: ...


@dataclass(frozen=True)
class Stored[Value]:
    """An entity with the id that the catalogue gave it."""

    id: int
    value: Value

    @property
    def name(self) -> str:
        """Of the entity."""
        return str(getattr(self.value, "name", ""))


class Documents[Value: Document](Repository[Stored[Value]]):
    """The repository of one kind of them."""

    order = ("name",)
    parse: ClassVar[Any]
    """The class of the values."""

    def get(self, name: str) -> Stored[Value]:
        """Raises NotFound."""
        with self._session.read() as connection:
            found = self._named(connection, name)
        if found is None:
            raise NotFound(self.kind, name)
        return found

    def list(self, *, name: Pattern | None = None, after: Key | None = None, limit: int = 100) -> list[Stored[Value]]:
        """By name."""
        with self._session.read() as connection:
            where = [] if name is None else [fits(self.table.c.name, name)]
            return self._page(connection, *where, after=after, limit=limit)

    def create(self, value: Value) -> Stored[Value]:
        """Raises Conflict, with the id, when the name is taken; NotFound for what it refers to."""
        with self._session.write() as connection:
            known = self._named(connection, value.name)
            if known is not None:
                raise Conflict(self.kind, known.id, f"is named {value.name!r} already")
            new = insert(self.table).values(self._values(connection, value)).returning(self.table.c.id)
            return Stored(connection.execute(new).scalar_one(), value)

    def put(self, value: Value) -> tuple[Stored[Value], Change]:
        """Store it, or replace the one of that name."""
        with self._session.write() as connection:
            known = self._named(connection, value.name)
            if known is None:
                return self._within(connection).create(value), Change.CREATED
            if known.value == value:
                return known, Change.UNCHANGED
            return self._within(connection).update(known.id, value), Change.UPDATED

    def update(self, id: int, value: Value) -> Stored[Value]:
        """Replace what is stored under this id.

        Raises NotFound, also for what it refers to, and Conflict when the name is taken or something relies on it.
        """
        with self._session.write() as connection:
            stored = self._one(connection, id)
            known = self._named(connection, value.name)
            if known is not None and known.id != id:
                raise Conflict(self.kind, known.id, f"is named {value.name!r} already")
            if stored.value != value:
                self._check_change(connection, stored, value)
                values = self._values(connection, value)
                connection.execute(update(self.table).where(self.table.c.id == id).values(values))
                self._tell(connection, id)
        return Stored(id, value)

    def _named(self, connection: Connection, name: str) -> Stored[Value] | None:
        row = connection.execute(self.select.where(self.table.c.name == name)).one_or_none()
        return None if row is None else self._entity(row)

    def _values(self, connection: Connection, value: Value) -> dict[str, Any]:
        return {"name": value.name, "document": value.to_json(), **self._references(connection, value)}

    def _references(self, connection: Connection, value: Value) -> Mapping[str, int | None]:
        """Ids of what the document names."""
        del connection, value
        return {}

    def _check_change(self, connection: Connection, stored: Stored[Value], value: Value) -> None:
        """Refuse to change what others rely on."""

    def _tell(self, connection: Connection, id: int) -> None:
        """Tell the collections that look another way now."""

    @classmethod
    def _entity(cls, row: Any) -> Stored[Value]:
        return Stored(row.id, cls.parse.from_json(row.document))


class Palettes(Documents[Palette]):
    """The repository of palettes."""

    kind = "palette"
    table = palette
    select = select(palette)
    parse = Palette

    def _check_change(self, connection: Connection, stored: Stored[Palette], value: Palette) -> None:
        if value.name == stored.name:
            return
        used = connection.scalar(select(func.count()).where(style.c.palette_id == stored.id))
        if used:
            raise Conflict("palette", stored.id, f"{used} style(s) name it {stored.name!r}")

    def _tell(self, connection: Connection, id: int) -> None:
        for name in connection.scalars(SHOWING, {"key": id}).all():
            tell(connection, name, "definition")


class Styles(Documents[Style]):
    """The repository of styles."""

    kind = "style"
    table = style
    select = select(style)
    parse = Style

    def _references(self, connection: Connection, value: Style) -> Mapping[str, int | None]:
        if not value.palette:
            return {"palette_id": None}
        id = connection.scalar(select(palette.c.id).where(palette.c.name == value.palette))
        if id is None and value.palette != GREY.name:  # which is always there
            raise NotFound("palette", value.palette)
        return {"palette_id": id}


class Layouts(Documents[Layout]):
    """The repository of layouts."""

    kind = "layout"
    table = layout
    select = select(layout)
    parse = Layout

    def _references(self, connection: Connection, value: Layout) -> Mapping[str, int | None]:
        if not isinstance(value.grid, CustomGrid):
            return {"grid_id": None}
        id = connection.scalar(select(grid.c.id).where(grid.c.name == value.grid.name))
        if id is None:
            raise NotFound("grid", value.grid.name)
        return {"grid_id": id}

    def _check_change(self, connection: Connection, stored: Stored[Layout], value: Layout) -> None:
        written = select(container.c.id).where(container.c.layout_id == stored.id).limit(1)
        if connection.execute(written).first() is not None:
            raise Conflict("layout", stored.id, "files are written in it; make another layout")


class ConsolidationSettings:
    """How the datasets of a variable are consolidated, if it has settings of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, variable_id: int) -> ConsolidationParams:
        """Raises NotFound when the variable has none."""
        params = consolidation_params.c
        with self._session.read() as connection:
            document = connection.scalar(select(params.document).where(params.variable_id == variable_id))
        if document is None:
            raise NotFound("consolidation setting", variable_id)
        return ConsolidationParams.from_json(document)

    def list(self, *, after: int = 0, limit: int = 100) -> list[tuple[int, ConsolidationParams]]:
        """With the id of the variable, by it."""
        params = consolidation_params.c
        page = (
            select(params.variable_id, params.document)
            .where(params.variable_id > bindparam("after"))
            .order_by(params.variable_id)
            .limit(limit)
        )
        with self._session.read() as connection:
            rows = connection.execute(page, {"after": after}).all()
        return [(row.variable_id, ConsolidationParams.from_json(row.document)) for row in rows]

    def put(self, variable_id: int, wanted: ConsolidationParams) -> Change:
        """Store or replace them. Raises NotFound for an unknown variable."""
        params, document = consolidation_params.c, wanted.to_json()
        with self._session.write() as connection:
            if connection.scalar(select(variable.c.id).where(variable.c.id == variable_id)) is None:
                raise NotFound("variable", variable_id)
            stored = connection.scalar(select(params.document).where(params.variable_id == variable_id))
            if stored == document:
                return Change.UNCHANGED
            if stored is None:
                connection.execute(insert(consolidation_params), {"variable_id": variable_id, "document": document})
                return Change.CREATED
            here = update(consolidation_params).where(params.variable_id == variable_id)
            connection.execute(here.values(document=document))
        return Change.UPDATED

    def delete(self, variable_id: int) -> None:
        """Raises NotFound when the variable has none."""
        params = consolidation_params.c
        with self._session.write() as connection:
            if not connection.execute(delete(consolidation_params).where(params.variable_id == variable_id)).rowcount:
                raise NotFound("consolidation setting", variable_id)
