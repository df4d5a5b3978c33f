"""Variables and their instances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from prismcube.catalogue.changes import tell
from prismcube.catalogue.engine import Change
from prismcube.catalogue.filters import fits
from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.tables import collection, field, instance, palette, variable
from prismcube.catalogue.types import format_document
from prismcube.errors import Conflict, NotFound
from prismcube.model.entities import Instance, Variable
from prismcube.model.pattern import Pattern

SELECT_VARIABLE = select(variable, palette.c.name.label("palette")).outerjoin(
    palette, palette.c.id == variable.c.palette_id
)
VARIABLE_BY_NAME = SELECT_VARIABLE.where(variable.c.name == bindparam("key"))
INSERT_VARIABLE = insert(variable).returning(variable.c.id)
UPDATE_VARIABLE = update(variable).where(variable.c.id == bindparam("key"))
PALETTE_ID = select(palette.c.id).where(palette.c.name == bindparam("key"))
SHOWN_BY = (  # the collections that show a variable
    select(collection.c.name)
    .join(field, field.c.collection_id == collection.c.id)
    .join(instance, instance.c.id == field.c.instance_id)
    .where(instance.c.variable_id == bindparam("key"))
    .distinct()
    .order_by(collection.c.name)
)

INSTANCE_BY_NAME = select(instance).where(
    instance.c.variable_id == bindparam("variable"), instance.c.name == bindparam("key")
)
INSERT_INSTANCE = insert(instance).returning(instance.c.id)
UPDATE_INSTANCE = update(instance).where(instance.c.id == bindparam("key"))


class Variables(Repository[Variable]):
    """The repository of variables."""

    kind = "variable"
    table = variable
    select = SELECT_VARIABLE
    order = ("name",)

    def get(self, name: str) -> Variable:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(VARIABLE_BY_NAME, {"key": name}).one_or_none()
        if row is None:
            raise NotFound("variable", name)
        return self._entity(row)

    def list(
        self,
        *,
        name: Pattern | None = None,
        instance_id: int | None = None,
        after: Key | None = None,
        limit: int = 100,
    ) -> list[Variable]:
        """By name; with `instance_id`, the one that this instance is of."""
        with self._session.read() as connection:
            where = [] if name is None else [fits(variable.c.name, name)]
            if instance_id is not None:
                where.append(variable.c.id.in_(select(instance.c.variable_id).where(instance.c.id == instance_id)))
            return self._page(connection, *where, after=after, limit=limit)

    def create(self, wanted: Variable) -> Variable:
        """Raises Conflict, with the id, when the name is taken; NotFound for an unknown palette."""
        with self._session.write() as connection:
            row = connection.execute(VARIABLE_BY_NAME, {"key": wanted.name}).one_or_none()
            if row is not None:
                raise Conflict("variable", row.id, f"is named {wanted.name!r} already")
            return replace(wanted, id=connection.scalar(INSERT_VARIABLE, _variable_values(connection, wanted)))

    def put(self, wanted: Variable) -> tuple[Variable, Change]:
        """Store a variable, or change unit, description, resampling and palette of the one that has its name.

        Raises Conflict when bands or format differ: they never change.
        """
        with self._session.write() as connection:
            row = connection.execute(VARIABLE_BY_NAME, {"key": wanted.name}).one_or_none()
            if row is None:
                return self._within(connection).create(wanted), Change.CREATED
            stored = replace(wanted, id=row.id, format=row.format)  # NaN differs from itself
            _check_immutable(self._entity(row), wanted)
            if stored == self._entity(row):
                return stored, Change.UNCHANGED
            return self._within(connection).update(stored), Change.UPDATED

    def update(self, wanted: Variable) -> Variable:
        """Replace what is stored under its id. Raises NotFound, and Conflict when bands or format differ or the new
        name is taken.
        """
        with self._session.write() as connection:
            stored = self._one(connection, wanted.id or 0)
            _check_immutable(stored, wanted)
            other = connection.execute(VARIABLE_BY_NAME, {"key": wanted.name}).one_or_none()
            if other is not None and other.id != wanted.id:
                raise Conflict("variable", other.id, f"is named {wanted.name!r} already")
            values = _variable_values(connection, wanted)
            connection.execute(UPDATE_VARIABLE.values(values), {"key": wanted.id})
            for name in connection.scalars(SHOWN_BY, {"key": wanted.id}).all():
                tell(connection, name, "definition")
        return wanted

    @staticmethod
    def _entity(row: Any) -> Variable:
        return Variable(
            name=row.name,
            bands=tuple(row.bands),
            format=row.format,
            unit=row.unit,
            description=row.description,
            resampling=row.resampling,
            palette=row.palette or "",
            id=row.id,
        )


@dataclass(frozen=True, kw_only=True)
class InstanceFilter:
    """Which instances are meant; all that is given must hold."""

    variable_id: int | None = None
    name: Pattern | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.variable_id is not None:
            found.append(instance.c.variable_id == self.variable_id)
        if self.name is not None:
            found.append(fits(instance.c.name, self.name))
        return found


class Instances(Repository[Instance]):
    """The repository of instances."""

    kind = "instance"
    table = instance
    select = select(instance)

    def get(self, variable_id: int, name: str) -> Instance:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(INSTANCE_BY_NAME, {"variable": variable_id, "key": name}).one_or_none()
        if row is None:
            raise NotFound("instance", name)
        return self._entity(row)

    def list(
        self, wanted: InstanceFilter | None = None, *, after: Key | None = None, limit: int = 100
    ) -> list[Instance]:
        """By id."""
        with self._session.read() as connection:
            return self._page(connection, *(wanted or InstanceFilter()).conditions(), after=after, limit=limit)

    def create(self, wanted: Instance) -> Instance:
        """Raises Conflict, with the id, when the variable has one of that name; NotFound for an unknown variable."""
        with self._session.write() as connection:
            key = {"variable": wanted.variable_id, "key": wanted.name}
            row = connection.execute(INSTANCE_BY_NAME, key).one_or_none()
            if row is not None:
                raise Conflict("instance", row.id, f"is named {wanted.name!r} already")
            if connection.scalar(select(variable.c.id).where(variable.c.id == wanted.variable_id)) is None:
                raise NotFound("variable", wanted.variable_id)
            return replace(wanted, id=connection.scalar(INSERT_INSTANCE, _instance_values(wanted)))

    def get_or_create(self, wanted: Instance) -> tuple[Instance, Change]:
        """The variable's instance of that name, whatever its metadata; stores it when it is new."""
        with self._session.write() as connection:
            key = {"variable": wanted.variable_id, "key": wanted.name}
            row = connection.execute(INSTANCE_BY_NAME, key).one_or_none()
            if row is not None:
                return self._entity(row), Change.UNCHANGED
            return self._within(connection).create(wanted), Change.CREATED

    def put(self, wanted: Instance) -> tuple[Instance, Change]:
        """Store an instance, or replace the metadata of the variable's instance of that name."""
        with self._session.write() as connection:
            stored, change = self._within(connection).get_or_create(wanted)
            if dict(stored.metadata) == dict(wanted.metadata):
                return stored, change
            return self._within(connection).update(replace(wanted, id=stored.id)), Change.UPDATED

    def update(self, wanted: Instance) -> Instance:
        """Replace what is stored under its id; the variable stays.

        Raises NotFound, and Conflict when the variable differs or has another of that name.
        """
        with self._session.write() as connection:
            stored = self._one(connection, wanted.id or 0)
            if stored.variable_id != wanted.variable_id:
                raise Conflict("instance", wanted.id, f"its variable is {stored.variable_id} and can't change")
            key = {"variable": wanted.variable_id, "key": wanted.name}
            other = connection.execute(INSTANCE_BY_NAME, key).one_or_none()
            if other is not None and other.id != wanted.id:
                raise Conflict("instance", other.id, f"is named {wanted.name!r} already")
            connection.execute(UPDATE_INSTANCE.values(_instance_values(wanted)), {"key": wanted.id})
        return wanted

    @staticmethod
    def _entity(row: Any) -> Instance:
        return Instance(variable_id=row.variable_id, name=row.name, metadata=MappingProxyType(row.metadata), id=row.id)


def _variable_values(connection: Connection, one: Variable) -> dict[str, Any]:
    palette_id = None
    if one.palette:
        palette_id = connection.scalar(PALETTE_ID, {"key": one.palette})
        if palette_id is None:
            raise NotFound("palette", one.palette)
    return {
        "name": one.name,
        "bands": list(one.bands),
        "format": one.format,
        "unit": one.unit,
        "description": one.description,
        "resampling": one.resampling,
        "palette_id": palette_id,
    }


def _instance_values(one: Instance) -> dict[str, Any]:
    return {"variable_id": one.variable_id, "name": one.name, "metadata": dict(one.metadata)}


def _check_immutable(stored: Variable, wanted: Variable) -> None:
    differences = []
    if stored.bands != wanted.bands:
        differences.append(f"bands are {', '.join(stored.bands)}, not {', '.join(wanted.bands)}")
    old, new = format_document(stored.format), format_document(wanted.format)
    differences += [f"{key} is {old[key]}, not {new[key]}" for key in old if old[key] != new[key]]
    if differences:
        raise Conflict("variable", stored.name, f"{'; '.join(differences)} (bands and format never change)")
