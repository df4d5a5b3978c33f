"""One class an entity: how it is listed, made, read, changed and deleted.

`RESOURCES` is the one list of them; routes, the OpenAPI document and the command line follow it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from prismcube.catalogue import UnitOfWork
from prismcube.catalogue.containers import ContainerFilter
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.catalogue.documents import Documents, Stored
from prismcube.catalogue.grids import StoredGrid
from prismcube.catalogue.records import RecordFilter
from prismcube.catalogue.references import Deletion
from prismcube.catalogue.spatial import ALWAYS
from prismcube.catalogue.variables import InstanceFilter
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model import entities
from prismcube.model.consolidation import ConsolidationParams
from prismcube.model.custom_cells import custom_cells
from prismcube.model.layout import Layout
from prismcube.model.palette import Palette
from prismcube.model.period import format_instant, parse_instant
from prismcube.model.style import Style
from prismcube.storage.uri import canonical_uri
from providers.catalogue import documents as doc
from providers.catalogue import files, geojson
from providers.catalogue.collections import Collections
from providers.catalogue.filters import Filters
from providers.catalogue.resource import Key, Repositories, Resource


class AOIs(Resource[entities.AOI, doc.AOI]):
    name, kind, model, filters = "aois", "aoi", doc.AOI, ("bbox",)
    changeable = False

    def repository(self, of: Repositories) -> Any:
        return of.aois

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.AOI]:
        return of.aois.list(area=wanted.area(), after=after, limit=limit)

    def document(self, of: Repositories, entity: entities.AOI) -> dict[str, Any]:
        return {"geometry": geojson.write(entity.geometry)}

    def more(self, of: Repositories, entity: entities.AOI) -> dict[str, Any]:
        return {"id": entity.id, "hash": entity.hash, "bbox": list(entity.geometry.bounds)}

    def create(self, unit: UnitOfWork, model: doc.AOI) -> entities.AOI:
        return unit.aois.create(entities.AOI(geometry=geojson.read(model.geometry)))


class Records(Resource[entities.Record, doc.Record]):
    name, kind, model = "records", "record", doc.Record
    filters = ("ids", "name", "tags", "datetime", "bbox")
    order = ("time", "id")

    def repository(self, of: Repositories) -> Any:
        return of.records

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Record]:
        filter = RecordFilter(
            ids=wanted.ids("ids"),
            name=wanted.pattern("name"),
            tags=wanted.tags(),
            period=wanted.period() or ALWAYS,
            area=wanted.area(),
        )
        return of.records.list(filter, after=after, limit=limit)

    def document(self, of: Repositories, entity: entities.Record) -> dict[str, Any]:
        own = {"name": entity.name, "time": format_instant(entity.time), "tags": dict(entity.tags)}
        return {**own, "aoi": entity.aoi_id}

    def create(self, unit: UnitOfWork, model: doc.Record) -> entities.Record:
        return unit.records.create(self._entity(model))

    def create_many(self, unit: UnitOfWork, models: Sequence[doc.Record]) -> Sequence[entities.Record]:
        return unit.records.create_many([self._entity(model) for model in models])

    def replace(self, unit: UnitOfWork, key: Key, model: doc.Record) -> entities.Record:
        return unit.records.update(replace(self._entity(model), id=int(key)))

    @staticmethod
    def _entity(model: doc.Record) -> entities.Record:
        return entities.Record(name=model.name, time=parse_instant(model.time), tags=model.tags, aoi_id=model.aoi)


class Variables(Resource[entities.Variable, doc.VariableDocument]):
    name, kind, model, filters = "variables", "variable", doc.VariableDocument, ("name",)
    order = ("name",)

    def repository(self, of: Repositories) -> Any:
        return of.variables

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Variable]:
        return of.variables.list(name=wanted.pattern("name"), after=after, limit=limit)

    def document(self, of: Repositories, entity: entities.Variable) -> dict[str, Any]:
        return doc.VariableDocument.of(entity)

    def create(self, unit: UnitOfWork, model: doc.VariableDocument) -> entities.Variable:
        return unit.variables.create(self._entity(model))

    def replace(self, unit: UnitOfWork, key: Key, model: doc.VariableDocument) -> entities.Variable:
        return unit.variables.update(replace(self._entity(model), id=int(key)))

    @staticmethod
    def _entity(model: doc.VariableDocument) -> entities.Variable:
        return entities.Variable(
            name=model.name,
            bands=tuple(model.bands),
            format=model.format.value(),
            unit=model.unit,
            description=model.description,
            resampling=model.resampling,
            palette=model.palette,
        )


class Instances(Resource[entities.Instance, doc.Instance]):
    name, kind, model, filters = "instances", "instance", doc.Instance, ("variable", "name")

    def repository(self, of: Repositories) -> Any:
        return of.instances

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Instance]:
        filter = InstanceFilter(variable_id=wanted.id("variable"), name=wanted.pattern("name"))
        return of.instances.list(filter, after=after, limit=limit)

    def document(self, of: Repositories, entity: entities.Instance) -> dict[str, Any]:
        return {"variable": entity.variable_id, "name": entity.name, "metadata": dict(entity.metadata)}

    def create(self, unit: UnitOfWork, model: doc.Instance) -> entities.Instance:
        return unit.instances.create(self._entity(model))

    def replace(self, unit: UnitOfWork, key: Key, model: doc.Instance) -> entities.Instance:
        return unit.instances.update(replace(self._entity(model), id=int(key)))

    @staticmethod
    def _entity(model: doc.Instance) -> entities.Instance:
        return entities.Instance(variable_id=model.variable, name=model.name, metadata=model.metadata)


class Containers(Resource[entities.Container, doc.Container]):
    name, kind, model, filters = "containers", "container", doc.Container, ("uri", "managed", "layout", "records")

    def repository(self, of: Repositories) -> Any:
        return of.containers

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Container]:
        return of.containers.list(self.filter(of, wanted), after=after, limit=limit)

    @staticmethod
    def filter(of: Repositories, wanted: Filters) -> ContainerFilter:
        layout = wanted.text("layout")
        return ContainerFilter(
            uri=wanted.pattern("uri"),
            managed=wanted.flag("managed"),
            layout_id=None if layout is None else of.layouts.get(layout).id,
            records=wanted.ids("records"),
        )

    def document(self, of: Repositories, entity: entities.Container) -> dict[str, Any]:
        layout = None if entity.layout_id is None else of.layouts.get_by_id(entity.layout_id).name
        texts = {"uri": entity.uri, "storage_class": entity.storage_class, "etag": entity.etag}
        return {**texts, "managed": entity.managed, "layout": layout}

    def create(self, unit: UnitOfWork, model: doc.Container) -> entities.Container:
        return unit.containers.create(self._entity(unit, model))

    def replace(self, unit: UnitOfWork, key: Key, model: doc.Container) -> entities.Container:
        return unit.containers.update(replace(self._entity(unit, model), id=int(key)))

    def delete(self, unit: UnitOfWork, keys: Sequence[Key], *, keep_referenced: bool) -> Deletion:
        """Removes the files of managed containers as well, before the transaction ends: without it they stay known."""
        known = {id: one for id in map(int, keys) for one in _present(unit, id)}
        deletion = super().delete(unit, keys, keep_referenced=keep_referenced)
        for id in deletion.deleted:
            if known[id].managed:
                files.remove(known[id].uri)
        return deletion

    @staticmethod
    def _entity(unit: UnitOfWork, model: doc.Container) -> entities.Container:
        uri = canonical_uri(model.uri)
        return entities.Container(
            uri=uri,
            managed=model.managed,
            storage_class=model.storage_class,
            etag=model.etag or files.etag(uri),
            layout_id=None if model.layout is None else unit.layouts.get(model.layout).id,
        )


def _present(unit: UnitOfWork, id: int) -> list[entities.Container]:
    try:
        return [unit.containers.get_by_id(id)]
    except NotFound:
        return []


class Datasets(Resource[entities.Dataset, doc.Dataset]):
    name, kind, model = "datasets", "dataset", doc.Dataset
    filters = ("ids", "records", "instances", "containers", "uri", "status", "datetime", "bbox", "job")

    def repository(self, of: Repositories) -> Any:
        return of.datasets

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Dataset]:
        status = wanted.choice("status", [one.value for one in entities.DatasetStatus])
        filter = DatasetFilter(
            ids=wanted.ids("ids"),
            records=wanted.ids("records"),
            instances=wanted.ids("instances"),
            containers=wanted.ids("containers"),
            uri=wanted.pattern("uri"),
            status=None if status is None else entities.DatasetStatus(status),
            period=wanted.period() or ALWAYS,
            area=wanted.area(),
            job=wanted.text("job"),
        )
        return of.datasets.list(filter, after=after, limit=limit)

    def document(self, of: Repositories, entity: entities.Dataset) -> dict[str, Any]:
        format = doc.Format.of(entity.format)
        mapping = entity.mapping
        return {
            "record": entity.record_id,
            "instance": entity.instance_id,
            "uri": entity.uri,
            "subdir": entity.subdir,
            "bands": list(entity.bands),
            "nodata": format["nodata"],
            "minimum": format["minimum"],
            "maximum": format["maximum"],
            "mapping": {name: getattr(mapping, name) for name in ("imin", "imax", "emin", "emax", "exponent")},
            "status": entity.status.value,
        }

    def more(self, of: Repositories, entity: entities.Dataset) -> dict[str, Any]:
        return {
            "id": entity.id,
            "container": entity.container_id,
            "time": format_instant(entity.time),
            "dtype": entity.format.dtype,
            "grid": entity.grid.to_json(),
            "footprint": geojson.write(entity.footprint),
            "locked_by": of.datasets.locks([entity.id or 0]).get(entity.id or 0),
        }

    def create(self, unit: UnitOfWork, model: doc.Dataset) -> entities.Dataset:
        return unit.datasets.create(files.dataset(unit, model))

    def replace(self, unit: UnitOfWork, key: Key, model: doc.Dataset) -> entities.Dataset:
        return unit.datasets.update(replace(files.dataset(unit, model), id=int(key)))


class _Named[Value: (Palette, Style, Layout), Model: doc.Document](Resource[Stored[Value], Model]):
    """Entities that are documents already."""

    filters = ("name",)
    order = ("name",)
    value: ClassVar[Any]

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[Stored[Value]]:
        repository: Documents[Value] = self.repository(of)
        return repository.list(name=wanted.pattern("name"), after=after, limit=limit)

    def document(self, of: Repositories, entity: Stored[Value]) -> dict[str, Any]:
        # Through the model, so that what the entity leaves out is there with its default.
        given = self.model.model_validate(entity.value.to_json(), strict=False)
        return given.model_dump(mode="json")

    def create(self, unit: UnitOfWork, model: Model) -> Stored[Value]:
        repository: Documents[Value] = self.repository(unit)
        return repository.create(self._value(model))

    def replace(self, unit: UnitOfWork, key: Key, model: Model) -> Stored[Value]:
        repository: Documents[Value] = self.repository(unit)
        return repository.update(int(key), self._value(model))

    def _value(self, model: Model) -> Value:
        value: Value = self.value.from_json(model.model_dump(mode="json", exclude_none=True))
        return value


class Palettes(_Named[Palette, doc.Palette]):
    name, kind, model, value = "palettes", "palette", doc.Palette, Palette

    def repository(self, of: Repositories) -> Any:
        return of.palettes


class Styles(_Named[Style, doc.Style]):
    name, kind, model, value = "styles", "style", doc.Style, Style

    def repository(self, of: Repositories) -> Any:
        return of.styles


class Layouts(_Named[Layout, doc.Layout]):
    name, kind, model, value = "layouts", "layout", doc.Layout, Layout

    def repository(self, of: Repositories) -> Any:
        return of.layouts


class Grids(Resource[StoredGrid, doc.Grid]):
    name, kind, model, filters = "grids", "grid", doc.Grid, ("name",)
    order = ("name",)

    def repository(self, of: Repositories) -> Any:
        return of.grids

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[StoredGrid]:
        return of.grids.list(name=wanted.pattern("name"), after=after, limit=limit)

    def document(self, of: Repositories, entity: StoredGrid) -> dict[str, Any]:
        return doc.Grid.of(entity)

    def more(self, of: Repositories, entity: StoredGrid) -> dict[str, Any]:
        return {"id": entity.id, "cell_count": entity.cells}

    def create(self, unit: UnitOfWork, model: doc.Grid) -> StoredGrid:
        if model.cells is None:
            raise InvalidInput("cells", "must be given when a grid is made")
        cells = custom_cells(
            model.cells.model_dump(), id_property=model.id_property, crs_property=model.crs_property, snap=model.snap
        )
        return unit.grids.create(StoredGrid(name=model.name, description=model.description), cells)

    def replace(self, unit: UnitOfWork, key: Key, model: doc.Grid) -> StoredGrid:
        if model.cells is not None:
            raise Conflict("grid", key, "its cells never change; make another grid")
        return unit.grids.update(StoredGrid(name=model.name, description=model.description, id=int(key)))


class Consolidations(Resource[tuple[int, ConsolidationParams], doc.Consolidation]):
    """Under the id of the variable."""

    name, kind, model = "consolidation-params", "consolidation setting", doc.Consolidation
    creates = False

    def repository(self, of: Repositories) -> Any:
        return of.consolidation

    def page(
        self, of: Repositories, wanted: Filters, *, after: Any, limit: int
    ) -> list[tuple[int, ConsolidationParams]]:
        return of.consolidation.list(after=after[0] if after else 0, limit=limit)

    def cursor(self, of: Repositories, entity: tuple[int, ConsolidationParams]) -> tuple[Any, ...]:
        return (entity[0],)

    def get(self, of: Repositories, key: Key) -> tuple[int, ConsolidationParams]:
        return int(key), of.consolidation.get(int(key))

    def key(self, entity: tuple[int, ConsolidationParams]) -> Key:
        return entity[0]

    def document(self, of: Repositories, entity: tuple[int, ConsolidationParams]) -> dict[str, Any]:
        return doc.consolidation(entity[1])

    def more(self, of: Repositories, entity: tuple[int, ConsolidationParams]) -> dict[str, Any]:
        return {"id": entity[0], "variable": entity[0]}

    def replace(self, unit: UnitOfWork, key: Key, model: doc.Consolidation) -> tuple[int, ConsolidationParams]:
        given = model.model_dump(mode="json")
        given["format"] = {name: value for name, value in given["format"].items() if value is not None}
        wanted = ConsolidationParams.from_json(given)
        unit.consolidation.put(int(key), wanted)
        return int(key), wanted

    def delete(self, unit: UnitOfWork, keys: Sequence[Key], *, keep_referenced: bool) -> Deletion:
        for key in keys:
            unit.consolidation.delete(int(key))
        return Deletion(deleted=tuple(map(int, keys)), kept={})


RESOURCES: Mapping[str, Resource[Any, Any]] = {
    one.name: one
    for one in (
        AOIs(), Records(), Variables(), Instances(), Containers(), Datasets(), Palettes(), Styles(), Layouts(),
        Grids(), Consolidations(), Collections(),
    )
}  # fmt: skip
"""By their name in the path."""
