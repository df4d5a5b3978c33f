"""Collections: their definition, which is put as a whole, and their extent, which the catalogue keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    false,
    insert,
    literal,
    select,
    true,
    update,
)

from prismcube.catalogue.changes import rebuild, tell
from prismcube.catalogue.collection_filter import CollectionFilter
from prismcube.catalogue.engine import Change
from prismcube.catalogue.filters import fits, within
from prismcube.catalogue.references import Deletion
from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.spatial import ALWAYS
from prismcube.catalogue.tables import collection, collection_time, field, instance, variable
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.access import FULL, Access, Scope
from prismcube.model.collection import Collection, ComputedField, Extent, Field, RGBStyle, StoredField
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Bounds
from prismcube.model.mask import MaskRule
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period
from prismcube.model.search import searched

BY_NAME = select(collection).where(collection.c.name == bindparam("key"))
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
Found = list[Collection]


class Collections(Repository[Collection]):
    """The repository of collections."""

    kind = "collection"
    table = collection
    select = select(collection)
    order = ("name",)

    def get(self, name: str) -> Collection:
        """Raises NotFound."""
        with self._session.read() as connection:
            return _get(connection, name)

    def list(
        self, *, name: Pattern | None = None, access: Access = FULL, after: Key | None = None, limit: int = 100
    ) -> list[Collection]:
        """Those that the caller may read, by name (code point order)."""
        with self._session.read() as connection:
            where = [readable(access), *([] if name is None else [fits(collection.c.name, name)])]
            return self._page(connection, *where, after=after, limit=limit)

    def search(
        self, wanted: CollectionFilter, *, access: Access = FULL, after: str | None = None, limit: int = 100
    ) -> Found:
        """Those that are meant and the caller may read, by name (code point order), from the one after `after` on."""
        with self._session.read() as connection:
            key = None if after is None else (after,)
            return self._page(connection, readable(access), *wanted.conditions(), after=key, limit=limit)

    def create(self, wanted: Collection) -> Collection:
        """Raises Conflict when the name is taken; else as `put`."""
        with self._session.write() as connection:
            if connection.execute(BY_NAME, {"key": wanted.name}).one_or_none() is not None:
                raise Conflict("collection", wanted.name, "exists already")
            return self._within(connection).put(wanted)[0]

    def put(self, wanted: Collection) -> tuple[Collection, Change]:
        """Create a collection, or replace the one of that name; its extent follows from the data, not from `wanted`.

        Raises NotFound for a field's unknown instance, InvalidInput for a band that its variable does not have.
        """
        with self._session.write() as connection:
            for one in wanted.stored_fields:
                _check_band(connection, one)
            row = connection.execute(BY_NAME, {"key": wanted.name}).one_or_none()
            if row is None:
                id = connection.scalar(INSERT, _values(wanted))
                stored = None
            else:
                id = row.id
                [stored] = _collections(connection, [row])
                if _definition(stored) == _definition(wanted):
                    return stored, Change.UNCHANGED
                connection.execute(UPDATE.values(_values(wanted)), {"key": id})
                connection.execute(DELETE_FIELDS, {"key": id})
            if wanted.fields:
                rows = [{"collection_id": id, "position": i, **_field_values(f)} for i, f in enumerate(wanted.fields)]
                connection.execute(INSERT_FIELDS, rows)
            if stored is None or _members(stored) != _members(wanted):
                rebuild(connection, id, wanted.record_tags)
            tell(connection, wanted.name, "definition")
            return _get(connection, wanted.name), Change.CREATED if stored is None else Change.UPDATED

    def delete(self, ids: Sequence[int], *, keep_referenced: bool = False) -> Deletion:
        """Remove collections by id, all or, with `keep_referenced`, those that are there; as `remove` does by name."""
        kept: dict[int, str] = {}
        with self._session.write() as connection:
            here = self._within(connection)
            for id in ids:
                try:
                    here.remove(here.get_by_id(id).name)
                except NotFound as error:
                    if not keep_referenced:
                        raise
                    kept[id] = str(error)
        return Deletion(deleted=tuple(id for id in ids if id not in kept), kept=kept)

    def remove(self, name: str) -> None:
        """Delete a collection; records, datasets and files stay. Raises NotFound."""
        with self._session.write() as connection:
            if not connection.execute(DELETE, {"key": name}).rowcount:
                raise NotFound("collection", name)
            tell(connection, name, "deleted")

    def rebuild(self, name: str) -> Collection:
        """Count a collection's datasets anew, in case somebody else changed the database. Raises NotFound."""
        with self._session.write() as connection:
            stored = _get(connection, name)
            rebuild(connection, stored.id or 0, stored.record_tags)
            tell(connection, name, "definition")
            return _get(connection, name)

    def using(self, instances: Iterable[int]) -> Names:
        """Names of the collections that have a field of one of these instances, sorted."""
        with self._session.read() as connection:
            return [*connection.scalars(USING, {"ids": sorted(instances)})]

    def times(
        self, one: Collection, *, period: Period = ALWAYS, after: datetime | None = None, limit: int | None = None
    ) -> Times:
        """The distinct times at which a collection has data within `period`, rising."""
        times = collection_time.c
        wanted = select(times.time).where(times.collection_id == one.id, within(times.time, period))
        if after is not None:
            wanted = wanted.where(times.time > after)
        with self._session.read() as connection:
            return [*connection.scalars(wanted.order_by(times.time).limit(limit))]

    def _entities(self, connection: Connection, rows: Iterable[Any]) -> Found:
        return _collections(connection, rows)


def readable(access: Access) -> ColumnElement[bool]:
    """True for collections that the caller may read: of the rules, the first that matches the name decides."""
    if access.reads_everything:
        return true()
    if Scope.READ not in access.scopes:
        return false()
    return case(
        *((fits(collection.c.name, pattern), literal(may)) for pattern, may in access.decisions()), else_=true()
    )


def _get(connection: Connection, name: str) -> Collection:
    row = connection.execute(BY_NAME, {"key": name}).one_or_none()
    if row is None:
        raise NotFound("collection", name)
    return _collections(connection, [row])[0]


def _members(one: Collection) -> tuple[set[int], dict[str, str]]:
    """What decides which datasets belong to a collection."""
    return {field.instance_id for field in one.stored_fields}, dict(one.record_tags)


def _definition(one: Collection) -> tuple[Any, ...]:
    """What `put` sets; format and resampling of stored fields are the variables'."""
    return _values(one), [_field_values(field) for field in one.fields]


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
        "style": one.style and {"fields": [*one.style.fields], "ranges": [[*pair] for pair in one.style.ranges]},
        "words": searched([one.name, one.title, one.description, *one.keywords]),
    }


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
    texts = (row.name, row.unit, row.description)
    if row.instance_id is None:
        return _computed(*texts, row.expression, row.minimum, row.maximum)
    return _stored(*texts, row.instance_id, row.band, row.format, row.resampling)


# Collections of an archive have fields in common, and a page of them is read at once: parse an expression once.
@lru_cache(maxsize=4096)
def _computed(
    name: str, unit: str, description: str, expression: str, minimum: float | None, maximum: float | None
) -> ComputedField:
    return ComputedField(
        name=name,
        expression=Expression(expression),
        unit=unit,
        description=description,
        minimum=minimum,
        maximum=maximum,
    )


@lru_cache(maxsize=4096)
def _stored(
    name: str, unit: str, description: str, instance_id: int, band: int, format: DataFormat, resampling: str
) -> StoredField:
    return StoredField(
        name=name,
        instance_id=instance_id,
        band=band,
        format=format,
        unit=unit,
        description=description,
        resampling=resampling,
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
