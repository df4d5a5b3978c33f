"""One class an entity: how it is listed, made, read, changed and deleted; definitions.py and collections.py have more.

`RESOURCES` is the one list of them; routes, the OpenAPI document and the command line follow it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from prismcube.catalogue import Catalogue, Repositories, UnitOfWork
from prismcube.catalogue.containers import ContainerFilter
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.catalogue.records import RecordFilter
from prismcube.catalogue.references import Deletion
from prismcube.catalogue.spatial import ALWAYS
from prismcube.catalogue.variables import InstanceFilter
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model import entities
from prismcube.model.period import format_instant, parse_instant
from prismcube.storage.uri import canonical_uri
from providers.catalogue import documents as doc
from providers.catalogue import files, geojson
from providers.catalogue.collections import Collections
from providers.catalogue.definitions import Consolidations, Grids, Layouts, Palettes, Styles
from providers.catalogue.filters import Filters
from providers.catalogue.resource import Check, Key, Resource


def record_filter(of: Repositories, wanted: Filters, *, ids: str) -> RecordFilter:
    """Which records the parameters mean; `ids` is the name of the one with their ids."""
    aoi = wanted.id("aoi")
    area = wanted.area()
    if aoi is not None:
        if area is not None:
            raise InvalidInput("aoi", "goes without bbox; give one of them")
        area = of.aois.get_by_id(aoi).geometry
    return RecordFilter(
        ids=wanted.ids(ids),
        name=wanted.pattern("name"),
        tags=wanted.tags(),
        period=wanted.period() or ALWAYS,
        area=area,
    )


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

    def prepare(self, of: Catalogue, model: doc.AOI) -> entities.AOI:
        return entities.AOI(geometry=geojson.read(model.geometry))

    def create(self, unit: UnitOfWork, wanted: entities.AOI) -> entities.AOI:
        return unit.aois.create(wanted)


class Records(Resource[entities.Record, doc.Record]):
    name, kind, model = "records", "record", doc.Record
    filters = ("ids", "name", "tags", "datetime", "bbox", "aoi")
    order = ("time", "id")
    creates_many = True

    def repository(self, of: Repositories) -> Any:
        return of.records

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Record]:
        return of.records.list(record_filter(of, wanted, ids="ids"), after=after, limit=limit)

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
    name, kind, model, filters = "variables", "variable", doc.VariableDocument, ("name", "instance")
    order = ("name",)

    def repository(self, of: Repositories) -> Any:
        return of.variables

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Variable]:
        name, instance = wanted.pattern("name"), wanted.id("instance")
        return of.variables.list(name=name, instance_id=instance, after=after, limit=limit)

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
    name, kind, model = "containers", "container", doc.Container
    filters = ("uri", "managed", "layout", "records", "name", "tags", "datetime", "bbox", "aoi")

    def repository(self, of: Repositories) -> Any:
        return of.containers

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[entities.Container]:
        return of.containers.list(self.filter(of, wanted), after=after, limit=limit)

    @staticmethod
    def filter(of: Repositories, wanted: Filters) -> ContainerFilter:
        layout = wanted.text("layout")
        records = record_filter(of, wanted, ids="records")
        return ContainerFilter(
            uri=wanted.pattern("uri"),
            managed=wanted.flag("managed"),
            layout_id=None if layout is None else of.layouts.get(layout).id,
            records=records if records != RecordFilter() else None,
        )

    def document(self, of: Repositories, entity: entities.Container) -> dict[str, Any]:
        layout = None if entity.layout_id is None else of.layouts.get_by_id(entity.layout_id).name
        texts = {"uri": entity.uri, "storage_class": entity.storage_class, "etag": entity.etag, "loss": entity.loss}
        return {**texts, "managed": entity.managed, "layout": layout}

    def prepare(self, of: Catalogue, model: doc.Container) -> doc.Container:
        uri = canonical_uri(model.uri)
        if model.managed:
            files.check_managed(of, uri)
        return model.model_copy(update={"uri": uri, "etag": model.etag or files.etag(uri)})

    def create(self, unit: UnitOfWork, wanted: doc.Container) -> entities.Container:
        return unit.containers.create(self._entity(unit, wanted))

    def replace(self, unit: UnitOfWork, key: Key, wanted: doc.Container) -> entities.Container:
        return unit.containers.update(replace(self._entity(unit, wanted), id=int(key)))

    def remove(
        self, of: Catalogue, keys: Sequence[Key], *, keep_referenced: bool, check: Check | None = None
    ) -> Deletion:
        """Removes the files of managed containers as well, each before its row: a run that is cut off may be repeated.

        Nothing goes unless all may go as far as the catalogue is concerned. A file that can't be deleted stops the
        rest, and stays known; those before it are gone with their rows. Raises Conflict, naming it.
        """
        with of.transaction() as unit:
            if check:
                check(unit)
            known = {one.id: one for id in map(int, keys) for one in _present(unit, id)}
            if not any(one.managed for one in known.values()):
                return self.delete(unit, keys, keep_referenced=keep_referenced)
            may_go = unit.containers.deletable([int(key) for key in keys], keep_referenced=keep_referenced)
        gone: list[int] = []
        problem: Conflict | None = None
        for id in may_go.deleted:  # other writers don't wait for the storage
            try:
                if known[id].managed:
                    files.remove(of, known[id].uri)
            except Conflict as error:
                problem = error
                break
            gone.append(id)
        with of.transaction() as unit:
            done = self.delete(unit, gone, keep_referenced=keep_referenced)
        if problem:
            raise problem
        return Deletion(deleted=done.deleted, kept={**may_go.kept, **done.kept})

    @staticmethod
    def _entity(unit: UnitOfWork, model: doc.Container) -> entities.Container:
        return entities.Container(
            uri=model.uri,
            managed=model.managed,
            storage_class=model.storage_class,
            loss=model.loss,
            etag=model.etag,
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
            "slant": None if entity.slant is None else entity.slant.to_json(),
            "footprint": geojson.write(entity.footprint),
        }

    def documents(self, of: Repositories, found: Sequence[entities.Dataset]) -> list[dict[str, Any]]:
        locks = of.datasets.locks([one.id or 0 for one in found])  # of all at once
        return [{**self.more(of, one), **self.document(of, one), "locked_by": locks.get(one.id or 0)} for one in found]

    def prepare(self, of: Catalogue, model: doc.Dataset) -> files.Read:
        return files.read(of, model)

    def create(self, unit: UnitOfWork, wanted: files.Read) -> entities.Dataset:
        return unit.datasets.create(replace(wanted.dataset, container_id=files.container_id(unit, wanted)))

    def replace(self, unit: UnitOfWork, key: Key, wanted: files.Read) -> entities.Dataset:
        stored = unit.datasets.get(int(key))
        if stored.uri != wanted.dataset.uri:
            raise Conflict("dataset", key, "its file can't change; make another dataset")
        return unit.datasets.update(replace(wanted.dataset, container_id=stored.container_id, id=stored.id))


RESOURCES: Mapping[str, Resource[Any, Any]] = {
    one.name: one
    for one in (
        AOIs(), Records(), Variables(), Instances(), Containers(), Datasets(), Palettes(), Styles(), Layouts(),
        Grids(), Consolidations(), Collections(),
    )
}  # fmt: skip
"""By their name in the path."""
