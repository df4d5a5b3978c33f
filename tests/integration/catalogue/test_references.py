"""Deletion: refused while something refers to an entity, with the reason; every kind of reference has its turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from prismcube.catalogue.grids import StoredGrid
from prismcube.catalogue.references import REFERENCES
from prismcube.catalogue.tables import metadata
from prismcube.errors import Conflict, NotFound
from prismcube.model.consolidation import ConsolidationParams
from prismcube.model.custom_cells import CustomCell
from prismcube.model.entities import AOI, Container, Instance, Record, Variable
from prismcube.model.layout import CustomGrid, Layout, SingleCell
from prismcube.model.palette import GREY
from prismcube.model.style import Channel, Style, StyleKind

NAMED = [(table, column, name) for table, references in REFERENCES.items() for column, name in references]
"""Each table, a column that refers to it, and what a row with one is called."""

CHANNEL = Channel(field="a", low=0, high=1)
ONE_CELL = SingleCell("EPSG:3857", 10)
Ids = list[int]


def aois(archive: Any, make: Any, number: int) -> Ids:
    return [archive.catalogue.aois.create(AOI(geometry=make.square(i, 0))).id for i in range(number)]


def records(archive: Any, make: Any, number: int) -> Ids:
    return [archive.catalogue.records.create(Record(name=f"{i}", time=make.T0)).id for i in range(number)]


def variables(archive: Any, make: Any, number: int) -> Ids:
    wanted = [Variable(name=f"v{i}", bands=("a", "b"), format=make.FORMAT) for i in range(number)]
    return [archive.catalogue.variables.create(one).id for one in wanted]


def instances(archive: Any, make: Any, number: int) -> Ids:
    wanted = [Instance(variable_id=archive.variable.id, name=f"i{i}") for i in range(number)]
    return [archive.catalogue.instances.create(one).id for one in wanted]


def containers(archive: Any, make: Any, number: int) -> Ids:
    return [archive.catalogue.containers.create(Container(uri=f"file:///c{i}")).id for i in range(number)]


def palettes(archive: Any, make: Any, number: int) -> Ids:
    return [archive.catalogue.palettes.create(replace(GREY, name=f"p{i}")).id for i in range(number)]


def styles(archive: Any, make: Any, number: int) -> Ids:
    wanted = [Style(name=f"s{i}", kind=StyleKind.RGB, channels=(CHANNEL,) * 3) for i in range(number)]
    return [archive.catalogue.styles.create(one).id for one in wanted]


def grids(archive: Any, make: Any, number: int) -> Ids:
    cell = CustomCell(id="c", crs="EPSG:3857", footprint=make.square(0, 0))
    return [archive.catalogue.grids.create(StoredGrid(name=f"g{i}"), [cell]).id for i in range(number)]


def layouts(archive: Any, make: Any, number: int) -> Ids:
    wanted = [Layout(name=f"l{i}", grid=ONE_CELL, max_records=1) for i in range(number)]
    return [archive.catalogue.layouts.create(one).id for one in wanted]


def datasets(archive: Any, make: Any, number: int) -> Ids:
    outcomes = archive.catalogue.files.put_many([archive.entry(f"d{i}") for i in range(number)])
    assert len(outcomes) == number
    return [one.id for one in archive.catalogue.datasets.list()]


MAKERS: dict[str, Callable[[Any, Any, int], Ids]] = {
    "aoi": aois,
    "record": records,
    "variable": variables,
    "instance": instances,
    "container": containers,
    "palette": palettes,
    "style": styles,
    "grid": grids,
    "layout": layouts,
    "dataset": datasets,
}
"""How to make some of what can be deleted; ids of the same order."""

REPOSITORIES = {name: f"{name}s" for name in MAKERS}


def datasets_of(name: str) -> Callable[[Any, Any, int], int]:
    def refer(archive: Any, make: Any, id: int) -> int:
        """Two datasets that share what they refer to by this column."""
        catalogue = archive.catalogue
        record = catalogue.records.create(Record(name="of datasets", time=make.T0)).id
        container = catalogue.containers.create(Container(uri="file:///of datasets")).id
        ids = {"record_id": record, "instance_id": archive.instances[0], "container_id": container} | {name: id}
        one = archive.entry("x").holdings[0].datasets[0]
        return len([catalogue.datasets.create(replace(one, **ids, bands=(band,))) for band in (1, 2)])

    return refer


def records_of_aoi(archive: Any, make: Any, id: int) -> int:
    wanted = [Record(name=f"of aoi {i}", time=make.T0, aoi_id=id) for i in range(2)]
    return len(archive.catalogue.records.create_many(wanted))


def fields_of_instance(archive: Any, make: Any, id: int) -> int:
    for name in ("a", "b"):
        archive.collection(name, instances=[id])
    return 2


def instances_of_variable(archive: Any, make: Any, id: int) -> int:
    for name in ("a", "b", "c"):
        archive.catalogue.instances.create(Instance(variable_id=id, name=name))
    return 3


def settings_of_variable(archive: Any, make: Any, id: int) -> int:
    archive.catalogue.consolidation.put(id, ConsolidationParams(format=make.FORMAT))
    return 1


def variables_of_palette(archive: Any, make: Any, id: int) -> int:
    name = archive.catalogue.palettes.get_by_id(id).name
    for one in ("one", "two"):
        archive.catalogue.variables.create(Variable(name=one, bands=("b",), format=make.FORMAT, palette=name))
    return 2


def styles_of_palette(archive: Any, make: Any, id: int) -> int:
    name = archive.catalogue.palettes.get_by_id(id).name
    archive.catalogue.styles.create(Style(name="one", kind=StyleKind.PALETTE, channels=(CHANNEL,), palette=name))
    return 1


def layouts_of_grid(archive: Any, make: Any, id: int) -> int:
    grid = CustomGrid(archive.catalogue.grids.get_by_id(id).name, 10)
    for name in ("one", "two"):
        archive.catalogue.layouts.create(Layout(name=name, grid=grid, max_records=1))
    return 2


def containers_of_layout(archive: Any, make: Any, id: int) -> int:
    for name in ("one", "two"):
        archive.catalogue.containers.create(Container(uri=f"file:///{name}", layout_id=id))
    return 2


def lock_of_dataset(archive: Any, make: Any, id: int) -> int:
    archive.catalogue.datasets.lock([id], "job")
    return 1


REFERRERS: dict[str, Callable[[Any, Any, int], int]] = {
    "record.aoi_id": records_of_aoi,
    "dataset.record_id": datasets_of("record_id"),
    "dataset.instance_id": datasets_of("instance_id"),
    "dataset.container_id": datasets_of("container_id"),
    "field.instance_id": fields_of_instance,
    "instance.variable_id": instances_of_variable,
    "consolidation_params.variable_id": settings_of_variable,
    "variable.palette_id": variables_of_palette,
    "style.palette_id": styles_of_palette,
    "layout.grid_id": layouts_of_grid,
    "container.layout_id": containers_of_layout,
    "dataset_lock.dataset_id": lock_of_dataset,
}
"""How to make rows that refer to an id by a column; how many were made."""


def test_every_reference_of_the_schema_is_asked_about() -> None:
    """Rows that go with what they belong to, and the bands of datasets, are no reason to keep anything."""
    in_schema = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        for key in column.foreign_keys
        if key.ondelete != "CASCADE" and str(column) != "dataset_band.container_id"
    }
    asked = {str(column) for _, column, _ in NAMED}
    assert asked == in_schema | {"dataset_lock.dataset_id"}
    assert asked == set(REFERRERS)
    assert {table.name for table in REFERENCES} == set(MAKERS)


@pytest.mark.parametrize(("table", "column", "name"), NAMED, ids=[str(column) for _, column, _ in NAMED])
def test_what_is_referred_to_stays(archive: Any, make: Any, table: Any, column: Any, name: str) -> None:
    repository = getattr(archive.catalogue, REPOSITORIES[table.name])
    free, referred, last = MAKERS[table.name](archive, make, 3)
    number = REFERRERS[str(column)](archive, make, referred)
    reason = f"{number} {name}s refer to it" if number > 1 else f"1 {name} refers to it"
    with pytest.raises(Conflict) as caught:
        repository.delete([free, referred])
    assert (caught.value.entity, caught.value.key, caught.value.reason) == (table.name, referred, reason)
    repository.get_by_id(free)  # all or none

    done = repository.delete([last, referred, free, 99_999, free], keep_referenced=True)
    assert done.deleted == (last, free)
    assert done.kept == {referred: reason, 99_999: f"no {table.name} 99999"}
    repository.get_by_id(referred)
    for id in (free, last):
        with pytest.raises(NotFound):
            repository.get_by_id(id)
    if table.name != "dataset":  # its lock would go with it; here the database itself refuses
        with pytest.raises(IntegrityError), archive.catalogue.transaction() as unit:
            unit.connection.execute(table.delete().where(table.c.id == referred))


@pytest.mark.parametrize("kind", MAKERS)
def test_deletion_is_all_or_none(archive: Any, make: Any, kind: str) -> None:
    repository = getattr(archive.catalogue, REPOSITORIES[kind])
    ids = MAKERS[kind](archive, make, 3)
    with pytest.raises(NotFound, match=f"no {kind} 99999"):
        repository.delete([*ids, 99_999])
    assert [repository.get_by_id(id).id for id in ids] == ids
    assert repository.delete([ids[1], ids[0]]).deleted == (ids[1], ids[0])
    assert repository.delete([]).deleted == ()
    assert repository.get_by_id(ids[2]).id == ids[2]
    with pytest.raises(NotFound):
        repository.delete([ids[0]])


def test_what_was_deleted_leaves_nothing_and_its_id_is_not_used_again(archive: Any, make: Any) -> None:
    catalogue = archive.catalogue
    first = grids(archive, make, 1)
    datasets(archive, make, 2)
    for kind in ("dataset", "container", "record", "aoi", "grid"):
        repository = getattr(catalogue, REPOSITORIES[kind])
        ids = [one.id for one in repository.list(limit=1000)]
        assert ids
        repository.delete(ids)
        assert repository.list() == []
        assert min(MAKERS[kind](archive, make, 1)) > max(ids)
        if kind == "dataset":
            catalogue.datasets.delete([one.id for one in catalogue.datasets.list()])
    with catalogue.engine.connect() as connection:
        left = connection.execute(select(metadata.tables["cell"].c.grid_id)).scalars().all()
    assert len(left) == 1
    assert left != first


def test_more_than_one_statement_takes_are_deleted_at_once(archive: Any, make: Any) -> None:
    catalogue = archive.catalogue
    stored = catalogue.records.create_many([Record(name=f"{i}", time=make.T0) for i in range(2100)])
    ids = [one.id or 0 for one in stored]
    archive.add("2050")  # takes the record of that name
    with pytest.raises(Conflict, match="1 dataset refers to it"):
        catalogue.records.delete(ids)
    assert len(catalogue.records.list(limit=5000)) == 2100
    done = catalogue.records.delete(ids, keep_referenced=True)
    assert (len(done.deleted), dict(done.kept)) == (2099, {ids[2050]: "1 dataset refers to it"})
    assert [one.name for one in catalogue.records.list()] == ["2050"]
