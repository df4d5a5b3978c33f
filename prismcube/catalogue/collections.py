"""Collections: their definition, which is put as a whole, and their extent, which the catalogue keeps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from prismcube.catalogue.engine import Session
from prismcube.catalogue.extent import compute_extent
from prismcube.catalogue.filters import visible
from prismcube.catalogue.spatial import ALWAYS
from prismcube.catalogue.tables import collection, dataset, field, instance, variable
from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Collection, ComputedField, Extent, Field, RGBStyle, StoredField
from prismcube.model.expression import Expression
from prismcube.model.grid import Bounds
from prismcube.model.mask import MaskRule
from prismcube.model.period import Period

BY_NAME = select(collection).where(collection.c.name == bindparam("key"))
PAGE = (
    select(collection)
    .where(collection.c.name > bindparam("after"))
    .order_by(collection.c.name)
    .limit(bindparam("limit"))
)
FIELDS = (  # of several collections, with what the variables say about the stored ones
    select(field, variable.c.format, variable.c.resampling)
    .select_from(field)
    .outerjoin(instance, instance.c.id == field.c.instance_id)
    .outerjoin(variable, variable.c.id == instance.c.variable_id)
    .where(field.c.collection_id.in_(bindparam("ids", expanding=True)))
    .order_by(field.c.collection_id, field.c.position)
)
BANDS_OF_INSTANCE = (
    select(variable.c.bands)
    .join(instance, instance.c.variable_id == variable.c.id)
    .where(instance.c.id == bindparam("key"))
)
USING = (  # names of the collections that have a field of these instances
    select(collection.c.name)
    .join(field, field.c.collection_id == collection.c.id)
    .where(field.c.instance_id.in_(bindparam("ids", expanding=True)))
    .distinct()
    .order_by(collection.c.name)
)
INSERT = insert(collection).returning(collection.c.id)
UPDATE = update(collection).where(collection.c.id == bindparam("key"))
DELETE = delete(collection).where(collection.c.name == bindparam("key"))
DELETE_FIELDS = delete(field).where(field.c.collection_id == bindparam("key"))
INSERT_FIELDS = insert(field)

Names = list[str]  # inside the class, `list` is the method
Times = list[datetime]


class Collections:
    """The repository of collections."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: str) -> Collection:
        """Raises NotFound."""
        with self._session.read() as connection:
            return _get(connection, name)

    def list(self, after: str | None = None, limit: int = 100) -> list[Collection]:
        """By name (code point order); the next page begins `after` the last name of this one."""
        with self._session.read() as connection:
            rows = connection.execute(PAGE, {"after": after or "", "limit": limit}).all()
            return _collections(connection, rows)

    def put(self, wanted: Collection) -> Collection:
        """Create a collection, or replace the one of that name; its extent is computed anew, `wanted.extent` ignored.

        Raises NotFound for a field's unknown instance, InvalidInput for a band that its variable does not have.
        """
        with self._session.write() as connection:
            for stored in wanted.stored_fields:
                _check_band(connection, stored)
            row = connection.execute(BY_NAME, {"key": wanted.name}).one_or_none()
            if row is None:
                id = connection.scalar(INSERT, _values(wanted))
            else:
                id = row.id
                connection.execute(UPDATE.values(_values(wanted)), {"key": id})
                connection.execute(DELETE_FIELDS, {"key": id})
            if wanted.fields:
                rows = [{"collection_id": id, "position": i, **_field_values(f)} for i, f in enumerate(wanted.fields)]
                connection.execute(INSERT_FIELDS, rows)
            return _refresh(connection, wanted.name)

    def delete(self, name: str) -> None:
        """Remove a collection; records, datasets and files stay. Raises NotFound."""
        with self._session.write() as connection:
            if not connection.execute(DELETE, {"key": name}).rowcount:
                raise NotFound("collection", name)

    def refresh_extent(self, name: str) -> Collection:
        """Compute a collection's extent anew from its active datasets. Raises NotFound."""
        with self._session.write() as connection:
            return _refresh(connection, name)

    def using(self, instances: Iterable[int]) -> Names:
        """Names of the collections that have a field of one of these instances, sorted."""
        with self._session.read() as connection:
            return [*connection.scalars(USING, {"ids": sorted(instances)})]

    def times(self, one: Collection, *, period: Period = ALWAYS) -> Times:
        """The distinct times at which a collection has data within `period`, rising."""
        seen = visible({f.instance_id for f in one.stored_fields}, one.record_tags, period=period)
        with self._session.read() as connection:
            return [*connection.scalars(select(dataset.c.time).where(seen).distinct().order_by(dataset.c.time))]


def _get(connection: Connection, name: str) -> Collection:
    row = connection.execute(BY_NAME, {"key": name}).one_or_none()
    if row is None:
        raise NotFound("collection", name)
    return _collections(connection, [row])[0]


def _refresh(connection: Connection, name: str) -> Collection:
    stored = _get(connection, name)
    extent = compute_extent(connection, {f.instance_id for f in stored.stored_fields}, stored.record_tags)
    connection.execute(UPDATE.values(_extent_values(extent)), {"key": stored.id})
    return _get(connection, name)


def _check_band(connection: Connection, stored: StoredField) -> None:
    bands = connection.scalar(BANDS_OF_INSTANCE, {"key": stored.instance_id})
    if bands is None:
        raise NotFound("instance", stored.instance_id)
    if not 0 <= stored.band < len(bands):
        raise InvalidInput(f"fields.{stored.name}", f"its variable has {len(bands)} band(s), none at {stored.band}")


def _values(one: Collection) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "description": one.description,
        "attribution": one.attribution,
        "license": one.license,
        "keywords": list(one.keywords),
        "masks": [_mask_document(rule) for rule in one.masks],
        "record_tags": dict(one.record_tags),
        "group": one.group,
        "style": one.style and {"fields": one.style.fields, "ranges": one.style.ranges},
    }


def _extent_values(extent: Extent | None) -> dict[str, Any]:
    if extent is None:
        return dict.fromkeys(("west", "south", "east", "north", "start", "end", "native"))
    bounds = dict(zip(("west", "south", "east", "north"), extent.bounds.as_tuple(), strict=True))
    return {**bounds, "start": extent.start, "end": extent.end, "native": extent.native}


def _mask_document(rule: MaskRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "field": rule.field,
        "values": sorted(rule.values),
        "bits": rule.bits,
        "keep": rule.keep,
        "default_for": list(rule.default_for),
    }


def _field_values(one: Field) -> dict[str, Any]:
    texts = {"name": one.name, "unit": one.unit, "description": one.description}
    stored = {"instance_id": None, "band": None}
    computed = {"expression": None, "minimum": None, "maximum": None}
    if isinstance(one, StoredField):
        return {**texts, **computed, "instance_id": one.instance_id, "band": one.band}
    return {**texts, **stored, "expression": one.expression.text, "minimum": one.minimum, "maximum": one.maximum}


def _collections(connection: Connection, rows: Iterable[Any]) -> list[Collection]:
    rows = [*rows]
    fields: dict[int, list[Field]] = {row.id: [] for row in rows}
    for row in connection.execute(FIELDS, {"ids": [*fields]}):
        fields[row.collection_id].append(_field(row))
    return [_collection(row, fields[row.id]) for row in rows]


def _field(row: Any) -> Field:
    if row.instance_id is None:
        return ComputedField(
            name=row.name,
            expression=Expression(row.expression),
            unit=row.unit,
            description=row.description,
            minimum=row.minimum,
            maximum=row.maximum,
        )
    return StoredField(
        name=row.name,
        instance_id=row.instance_id,
        band=row.band,
        format=row.format,
        unit=row.unit,
        description=row.description,
        resampling=row.resampling,
    )


def _collection(row: Any, fields: list[Field]) -> Collection:
    masks = (
        MaskRule(**{**rule, "values": frozenset(rule["values"]), "default_for": tuple(rule["default_for"])})
        for rule in row.masks
    )
    style = row.style and RGBStyle(
        fields=tuple(row.style["fields"]), ranges=tuple((low, high) for low, high in row.style["ranges"])
    )
    extent = None
    if row.native is not None:
        bounds = Bounds(row.west, row.south, row.east, row.north)
        extent = Extent(bounds=bounds, start=row.start, end=row.end, native=row.native)
    return Collection(
        name=row.name,
        title=row.title,
        description=row.description,
        attribution=row.attribution,
        license=row.license,
        keywords=tuple(row.keywords),
        fields=tuple(fields),
        masks=tuple(masks),
        record_tags=MappingProxyType(row.record_tags),
        group=row.group,
        style=style,
        extent=extent,
        id=row.id,
    )
