"""Tidying up: what nothing refers to goes, in an order in which each kind sets free the next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.catalogue import Catalogue
from prismcube.catalogue.tidy import KINDS
from prismcube.errors import InvalidInput
from prismcube.model.consolidation import ConsolidationParams
from prismcube.model.entities import AOI, Container, Instance, Record, Variable


def number(catalogue: Catalogue) -> dict[str, int]:
    """How many there are of each kind."""
    return {kind: len(getattr(catalogue, kind).list(limit=1000)) for kind in KINDS}


def fill(archive: Any, make: Any) -> None:
    """Of each kind one that something needs, and one or more that nothing does."""
    catalogue = archive.catalogue
    archive.add("used")  # with its record, its area, the archive's variable and the first of its two instances
    area = catalogue.aois.create(AOI(geometry=make.square(0, 0)))
    catalogue.aois.create(AOI(geometry=make.square(1, 1)))
    catalogue.records.create(Record(name="free", time=make.T0, aoi_id=area.id))
    for name, managed in (("ours", True), ("theirs", False)):
        catalogue.containers.create(Container(uri=f"file:///{name}", managed=managed))
    for name in ("v", "with instance", "with settings", "bare"):
        variable = catalogue.variables.put(Variable(name=name, bands=("a", "b"), format=make.FORMAT))[0]
        if name == "with instance":
            catalogue.instances.create(Instance(variable_id=variable.id, name="i"))
        if name != "bare":
            catalogue.consolidation.put(variable.id, ConsolidationParams(format=make.FORMAT))


EVERY = {"records": 1, "aois": 2, "containers": 1, "instances": 2, "consolidation": 2, "variables": 3}


def test_all_that_nothing_refers_to_goes(archive: Any, make: Any) -> None:
    fill(archive, make)
    catalogue = archive.catalogue
    before = number(catalogue)
    assert catalogue.tidy(simulate=True) == EVERY
    assert number(catalogue) == before
    assert catalogue.tidy() == EVERY
    assert number(catalogue) == {kind: before[kind] - EVERY[kind] for kind in KINDS}
    assert [one.uri for one in catalogue.containers.list()] == ["file:///used", "file:///ours"]
    assert [one.name for one in catalogue.records.list()] == ["used"]
    assert [one.name for one in catalogue.instances.list()] == ["x"]
    assert [one.name for one in catalogue.variables.list()] == ["v"]
    assert catalogue.tidy() == dict.fromkeys(KINDS, 0)


@pytest.mark.parametrize(
    ("kinds", "removed"),
    [
        (["aois"], {"aois": 1}),  # a record has the other one
        (["aois", "records"], {"records": 1, "aois": 2}),  # whatever the order in which they are named
        (["variables"], {"variables": 1}),
        (["variables", "instances"], {"instances": 2, "variables": 1}),  # settings keep the others
        (["consolidation"], {"consolidation": 1}),
        (["consolidation", "instances"], {"instances": 2, "consolidation": 2}),
        (["containers"], {"containers": 1}),
        ([], {}),
    ],
)
def test_only_the_kinds_asked_for_go(archive: Any, make: Any, kinds: Any, removed: Any) -> None:
    fill(archive, make)
    before = number(archive.catalogue)
    assert archive.catalogue.tidy(kinds, simulate=True) == removed
    assert archive.catalogue.tidy(kinds) == removed
    assert number(archive.catalogue) == {kind: before[kind] - removed.get(kind, 0) for kind in KINDS}


def test_a_collection_keeps_its_instance(archive: Any) -> None:
    archive.collection(instances=archive.instances[1:])
    assert archive.catalogue.tidy()["instances"] == 1
    assert [one.name for one in archive.catalogue.instances.list()] == ["y"]


def test_an_unknown_kind_is_refused_before_anything_goes(archive: Any, make: Any) -> None:
    fill(archive, make)
    before = number(archive.catalogue)
    with pytest.raises(InvalidInput, match="'datasets' is not one of records, aois"):
        archive.catalogue.tidy(["records", "datasets"])
    assert number(archive.catalogue) == before


CHOICE = st.none() | st.integers(0, 2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.tuples(CHOICE, st.booleans()), max_size=5),  # its area; whether it has a dataset
    containers=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=4),  # managed; whether it has a dataset
    kinds=st.sets(st.sampled_from(KINDS)),
)
def test_simulation_says_what_a_run_then_does(
    archive: Any, make: Any, records: Any, containers: Any, kinds: Any
) -> None:
    catalogue = archive.catalogue
    catalogue.datasets.delete([one.id for one in catalogue.datasets.list(limit=1000)])  # of the last example
    catalogue.containers.delete([one.id for one in catalogue.containers.list(limit=1000)])
    catalogue.tidy()
    variable = catalogue.variables.put(replace(archive.variable, id=None))[0]
    instance = catalogue.instances.put(Instance(variable_id=variable.id, name="x"))[0]
    areas = [catalogue.aois.get_or_create(AOI(geometry=make.square(i, 0))).id for i in range(3)]
    own = [
        catalogue.records.create(Record(name=f"{i}", time=make.T0, aoi_id=None if at is None else areas[at])).id
        for i, (at, _) in enumerate(records)
    ]
    files = [
        catalogue.containers.create(Container(uri=f"file:///{i}", managed=managed)).id
        for i, (managed, _) in enumerate(containers)
    ]
    holding = [id for id, (_, holds) in zip(own, records, strict=True) if holds]
    held = [id for id, (_, holds) in zip(files, containers, strict=True) if holds]
    one = archive.entry("x").holdings[0].datasets[0]
    for band, (record, file) in enumerate(((record, file) for record in holding for file in held), 1):
        keys = {"record_id": record, "container_id": file, "instance_id": instance.id}
        catalogue.datasets.create(replace(one, **keys, bands=(band,)))
    has_data = bool(holding and held)
    gone = [at for (at, holds) in records if not (holds and held)] if "records" in kinds else []
    kept = [at for (at, holds) in records if "records" not in kinds or (holds and held)]
    expected = {
        "records": len(gone),
        "aois": len({0, 1, 2} - {*kept}),
        "containers": sum(not managed and not (holds and holding) for managed, holds in containers),
        "instances": int(not has_data),
        "consolidation": 0,
        "variables": int(not has_data and "instances" in kinds),
    }
    wanted = {kind: expected[kind] for kind in KINDS if kind in kinds}
    before = number(catalogue)
    assert catalogue.tidy(kinds, simulate=True) == wanted
    assert number(catalogue) == before
    assert catalogue.tidy(kinds) == wanted
    assert number(catalogue) == {kind: before[kind] - wanted.get(kind, 0) for kind in KINDS}
