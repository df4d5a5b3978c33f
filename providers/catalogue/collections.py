"""Collections as entities of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prismcube.catalogue import Repositories, UnitOfWork
from prismcube.catalogue.references import Deletion
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.collection import Collection, ComputedField, Field, RGBStyle, StoredField
from prismcube.model.expression import Expression
from prismcube.model.mask import MaskRule
from prismcube.model.period import format_instant
from providers.catalogue import documents as doc
from providers.catalogue.filters import Filters
from providers.catalogue.resource import Key, Resource


class Collections(Resource[Collection, doc.CollectionDocument]):
    name, kind, model, filters = "collections", "collection", doc.CollectionDocument, ("name",)
    by_name = True
    order = ("name",)

    def repository(self, of: Repositories) -> Any:
        return of.collections

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[Collection]:
        return of.collections.list(name=wanted.pattern("name"), after=after, limit=limit)

    def get(self, of: Repositories, key: Key) -> Collection:
        return of.collections.get(str(key))

    def document(self, of: Repositories, entity: Collection) -> dict[str, Any]:
        ids = [one.instance_id for one in entity.stored_fields]
        return doc.CollectionDocument.of(entity, _bands(of, ids))

    def more(self, of: Repositories, entity: Collection) -> dict[str, Any]:
        extent = entity.extent and {
            "bbox": list(entity.extent.bounds.as_tuple()),
            "interval": [format_instant(entity.extent.start), format_instant(entity.extent.end)],
            "grid": entity.extent.native.to_json(),
        }
        return {"id": entity.name, "extent": extent}

    def create(self, unit: UnitOfWork, model: doc.CollectionDocument) -> Collection:
        return unit.collections.create(self._entity(unit, model))

    def replace(self, unit: UnitOfWork, key: Key, model: doc.CollectionDocument) -> Collection:
        if model.name != key:
            raise Conflict("collection", key, "its name can't change; make another collection")
        unit.collections.get(str(key))
        return unit.collections.put(self._entity(unit, model))[0]

    def delete(self, unit: UnitOfWork, keys: Sequence[Key], *, keep_referenced: bool) -> Deletion:
        kept: dict[int | str, str] = {}
        for key in keys:
            try:
                unit.collections.remove(str(key))
            except NotFound as error:
                if not keep_referenced:
                    raise
                kept[key] = str(error)
        return Deletion(deleted=tuple(key for key in keys if key not in kept), kept=kept)

    def _entity(self, unit: UnitOfWork, model: doc.CollectionDocument) -> Collection:
        try:
            return Collection(
                name=model.name,
                title=model.title,
                description=model.description,
                attribution=model.attribution,
                license=model.license,
                keywords=tuple(model.keywords),
                fields=tuple(_field(unit, field) for field in model.fields),
                masks=tuple(
                    MaskRule.parse(mask.rule, name=mask.name, default_for=tuple(mask.default_for))
                    for mask in model.masks
                ),
                record_tags=model.record_tags,
                group=model.group,
                style=_style(model.style),
            )
        except NotFound as error:
            if error.entity != "field":
                raise
            raise InvalidInput("collection", f"masks or style name {error.key!r}, which is not a field") from error


def _style(given: doc.Picture | None) -> RGBStyle | None:
    if given is None:
        return None
    return RGBStyle(fields=tuple(given.fields), ranges=tuple((low, high) for low, high in given.ranges))


def _bands(of: Repositories, instances: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    """Names of the bands of the variables of instances, by the instance's id."""
    found = of.instances.get_many(dict.fromkeys(instances))
    variables = {one.id: one for one in of.variables.get_many(dict.fromkeys(one.variable_id for one in found))}
    return {one.id or 0: variables[one.variable_id].bands for one in found}


def _field(unit: UnitOfWork, given: doc.FieldDocument) -> Field:
    where = f"fields.{given.name}"
    if given.expression is not None:
        if given.instance is not None or given.band is not None:
            raise InvalidInput(where, "is computed, so it has no instance and no band")
        return ComputedField(
            name=given.name,
            expression=Expression(given.expression),
            unit=given.unit,
            description=given.description,
            minimum=given.minimum,
            maximum=given.maximum,
        )
    if given.instance is None:
        raise InvalidInput(where, "needs an instance or an expression")
    if given.minimum is not None or given.maximum is not None:
        raise InvalidInput(where, "is stored, so its minimum and maximum are the variable's")
    variable = unit.variables.get_by_id(unit.instances.get_by_id(given.instance).variable_id)
    band = given.band if given.band is not None or len(variable.bands) > 1 else variable.bands[0]
    if band not in variable.bands:
        raise InvalidInput(f"{where}.band", f"{band!r} is not one of {', '.join(variable.bands)}")
    return StoredField(
        name=given.name,
        instance_id=given.instance,
        band=variable.bands.index(band),
        format=variable.format,
        unit=given.unit,
        description=given.description,
        resampling=variable.resampling,
    )
