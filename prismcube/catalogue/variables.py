"""Variables and their instances."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from prismcube.catalogue.engine import Change, Session
from prismcube.catalogue.tables import instance, variable
from prismcube.catalogue.types import format_document
from prismcube.errors import Conflict, NotFound
from prismcube.model.entities import Instance, Variable

VARIABLE_BY_ID = select(variable).where(variable.c.id == bindparam("key"))
VARIABLE_BY_NAME = select(variable).where(variable.c.name == bindparam("key"))
VARIABLE_PAGE = (
    select(variable).where(variable.c.name > bindparam("after")).order_by(variable.c.name).limit(bindparam("limit"))
)
INSERT_VARIABLE = insert(variable).returning(variable.c.id)
UPDATE_VARIABLE = update(variable).where(variable.c.id == bindparam("key"))

INSTANCE_BY_ID = select(instance).where(instance.c.id == bindparam("key"))
INSTANCE_BY_NAME = select(instance).where(
    instance.c.variable_id == bindparam("variable"), instance.c.name == bindparam("key")
)
INSTANCES_OF = select(instance).where(instance.c.variable_id == bindparam("variable")).order_by(instance.c.name)
INSERT_INSTANCE = insert(instance).returning(instance.c.id)
UPDATE_INSTANCE = update(instance).where(instance.c.id == bindparam("key"))


class Variables:
    """The repository of variables."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: str) -> Variable:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(VARIABLE_BY_NAME, {"key": name}).one_or_none()
        if row is None:
            raise NotFound("variable", name)
        return _variable(row)

    def get_by_id(self, id: int) -> Variable:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(VARIABLE_BY_ID, {"key": id}).one_or_none()
        if row is None:
            raise NotFound("variable", id)
        return _variable(row)

    def list(self, after: str | None = None, limit: int = 100) -> list[Variable]:
        """By name; the next page begins `after` the last name of this one."""
        with self._session.read() as connection:
            return [_variable(row) for row in connection.execute(VARIABLE_PAGE, {"after": after or "", "limit": limit})]

    def put(self, wanted: Variable) -> tuple[Variable, Change]:
        """Store a variable, or change unit, description and resampling of the one that has its name.

        Raises Conflict when bands or format differ: they never change.
        """
        texts = {"unit": wanted.unit, "description": wanted.description, "resampling": wanted.resampling}
        with self._session.write() as connection:
            row = connection.execute(VARIABLE_BY_NAME, {"key": wanted.name}).one_or_none()
            if row is None:
                values = {"name": wanted.name, "bands": list(wanted.bands), "format": wanted.format, **texts}
                connection.execute(INSERT_VARIABLE, values)
                change = Change.CREATED
            else:
                _check_immutable(_variable(row), wanted)
                same = all(getattr(row, key) == value for key, value in texts.items())
                change = Change.UNCHANGED if same else Change.UPDATED
                if not same:
                    connection.execute(UPDATE_VARIABLE.values(texts), {"key": row.id})
            stored = connection.execute(VARIABLE_BY_NAME, {"key": wanted.name}).one()
        return _variable(stored), change


class Instances:
    """The repository of instances."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, variable_id: int, name: str) -> Instance:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(INSTANCE_BY_NAME, {"variable": variable_id, "key": name}).one_or_none()
        if row is None:
            raise NotFound("instance", name)
        return _instance(row)

    def get_by_id(self, id: int) -> Instance:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(INSTANCE_BY_ID, {"key": id}).one_or_none()
        if row is None:
            raise NotFound("instance", id)
        return _instance(row)

    def list(self, variable_id: int) -> list[Instance]:
        """All instances of a variable, by name."""
        with self._session.read() as connection:
            return [_instance(row) for row in connection.execute(INSTANCES_OF, {"variable": variable_id})]

    def get_or_create(self, wanted: Instance) -> tuple[Instance, Change]:
        """The variable's instance of that name, whatever its metadata; stores it when it is new."""
        with self._session.write() as connection:
            key = {"variable": wanted.variable_id, "key": wanted.name}
            row = connection.execute(INSTANCE_BY_NAME, key).one_or_none()
            if row is not None:
                return _instance(row), Change.UNCHANGED
            values = {"variable_id": wanted.variable_id, "name": wanted.name, "metadata": dict(wanted.metadata)}
            id = connection.scalar(INSERT_INSTANCE, values)
        return replace(wanted, id=id), Change.CREATED

    def put(self, wanted: Instance) -> tuple[Instance, Change]:
        """Store an instance, or replace the metadata of the variable's instance of that name."""
        key = {"variable": wanted.variable_id, "key": wanted.name}
        metadata = dict(wanted.metadata)
        with self._session.write() as connection:
            row = connection.execute(INSTANCE_BY_NAME, key).one_or_none()
            if row is None:
                values = {"variable_id": wanted.variable_id, "name": wanted.name, "metadata": metadata}
                connection.execute(INSERT_INSTANCE, values)
                change = Change.CREATED
            elif row.metadata == metadata:
                change = Change.UNCHANGED
            else:
                connection.execute(UPDATE_INSTANCE.values(metadata=metadata), {"key": row.id})
                change = Change.UPDATED
            stored = connection.execute(INSTANCE_BY_NAME, key).one()
        return _instance(stored), change


def _check_immutable(stored: Variable, wanted: Variable) -> None:
    differences = []
    if stored.bands != wanted.bands:
        differences.append(f"bands are {', '.join(stored.bands)}, not {', '.join(wanted.bands)}")
    old, new = format_document(stored.format), format_document(wanted.format)
    differences += [f"{key} is {old[key]}, not {new[key]}" for key in old if old[key] != new[key]]
    if differences:
        raise Conflict("variable", stored.name, f"{'; '.join(differences)} (bands and format never change)")


def _variable(row: Any) -> Variable:
    return Variable(
        name=row.name,
        bands=tuple(row.bands),
        format=row.format,
        unit=row.unit,
        description=row.description,
        resampling=row.resampling,
        id=row.id,
    )


def _instance(row: Any) -> Instance:
    return Instance(variable_id=row.variable_id, name=row.name, metadata=MappingProxyType(row.metadata), id=row.id)
