"""What collections keep of their data, and what the outbox tells, after any changes: as if counted anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from prismcube.catalogue import changes
from prismcube.catalogue.tables import collection_grid, collection_time
from prismcube.errors import Conflict, NotFound
from prismcube.model.collection import Collection
from prismcube.model.entities import DatasetStatus, Record
from prismcube.model.formats import DataFormat, ValueMapping

NAMES = st.integers(0, 7)
PARTS = st.none() | st.tuples(*[st.integers(0, 40), st.integers(41, 100)] * 2)
STEPS = st.lists(
    st.tuples(
        st.just("add"), NAMES, st.integers(0, 3), st.integers(0, 5), st.sampled_from([10, 20]), st.booleans(), PARTS
    )
    | st.tuples(st.just("status"), NAMES, st.sampled_from([*DatasetStatus]))
    | st.tuples(st.just("delete"), NAMES)
    | st.tuples(st.just("tag"), NAMES, st.sampled_from(["yes", "no"]))
    | st.tuples(st.just("moved"), NAMES, st.integers(0, 5)),
    max_size=14,
)


def counts(catalogue: Any) -> Any:
    with catalogue.engine.connect() as connection:
        times = sorted(tuple(row) for row in connection.execute(select(collection_time)))
        grids = sorted(tuple(row) for row in connection.execute(select(collection_grid)))
    return times, grids, [one.extent for one in catalogue.collections.list()]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_counting_along_equals_counting_anew(archive: Any, make: Any, steps: Any) -> None:
    catalogue = archive.catalogue
    catalogue.datasets.delete([one.id for one in catalogue.datasets.list(limit=1000)])  # of the last example
    catalogue.containers.delete([one.id for one in catalogue.containers.list(limit=1000)])
    catalogue.records.delete([one.id for one in catalogue.records.list(limit=1000)])
    archive.collection("all", instances=archive.instances)
    archive.collection("tagged", record_tags={"k": "y*"})
    for kind, name, *how in steps:
        try:
            if kind == "add":
                day, place, pixel, other, part = how
                at = {"crs": "EPSG:32634" if place == 5 else "EPSG:32633", "pixel": pixel}
                grid = make.grid(500_000 + 700 * place, **at)
                archive.add(
                    f"{name}",
                    time=make.T0 + timedelta(days=day),
                    grid=grid,
                    part=None if part is None else make.part(grid, slice(*part[:2]), slice(*part[2:])),
                    footprint=make.square(15 + place, 45),
                    instance=archive.instances[other],
                    tags={"k": "yes"} if day else {},
                    record=f"{name} {day}",
                )
            else:
                uri = f"file:///{name}"
                [one] = [one for one in catalogue.datasets.list(limit=1000) if one.uri == uri] or [None]
                if one is None:
                    continue
                if kind == "status":
                    catalogue.datasets.set_status([one.id], how[0])
                elif kind == "delete":
                    catalogue.datasets.delete([one.id])
                elif kind == "tag":
                    catalogue.records.add_tags([one.record_id], {"k": how[0]})
                else:
                    grid = make.grid(500_000 + 700 * how[0])
                    moved = replace(one, grid=grid, part=None, footprint=make.square(15 + how[0], 45))
                    catalogue.datasets.put(moved, file_changed=True)
        except Conflict:
            continue
    along = counts(catalogue)
    for name in ("all", "tagged"):
        catalogue.collections.rebuild(name)
    assert counts(catalogue) == along


def test_collections_span_data_and_not_all_of_a_grid(archive: Any, make: Any) -> None:
    """Rows 20 to 60 of one file; of another all. Where the first goes, the second is left."""
    wide = make.grid(500_000, 5_000_000)
    archive.add("a", grid=wide, part=make.part(wide, slice(20, 60), slice(10, 100)))
    archive.collection("c")
    native = archive.catalogue.collections.get("c").extent.native
    assert native == wide.shifted(20, 10, height=40, width=90)
    archive.add("b", grid=make.grid(500_100, 4_999_500))
    native = archive.catalogue.collections.get("c").extent.native
    assert native == wide.shifted(20, 10, height=130, width=100)
    [a] = [one for one in archive.catalogue.datasets.list() if one.uri.endswith("a")]
    archive.catalogue.datasets.delete([a.id])
    assert archive.catalogue.collections.get("c").extent.native == make.grid(500_100, 4_999_500)


def told(catalogue: Any, after: int = 0) -> Any:
    return [(one.collection, one.kind) for one in catalogue.outbox.after(after)]


def newest(catalogue: Any) -> int:
    return max((one.id for one in catalogue.outbox.after(0, limit=1000)), default=0)


def test_every_change_that_readers_see_is_told(archive: Any, make: Any) -> None:
    catalogue = archive.catalogue
    archive.collection("c")
    archive.collection("other", instances=archive.instances[1:])
    archive.collection("tagged", record_tags={"k": "v"})
    assert told(catalogue) == [("c", "definition"), ("other", "definition"), ("tagged", "definition")]

    def follows(call: Any) -> Any:
        before = newest(catalogue)
        call()
        return told(catalogue, before)

    assert follows(lambda: archive.add("a")) == [("c", "data")]
    assert follows(lambda: archive.add("a")) == []
    [one] = catalogue.outbox.after(newest(catalogue) - 1)
    assert (one.footprint, one.start, one.end) == (make.square(15, 45), make.T0, make.T0)
    [dataset] = catalogue.datasets.list()
    record = catalogue.records.get(dataset.record_id)
    assert follows(lambda: catalogue.records.add_tags([record.id], {"k": "v"})) == [("c", "data"), ("tagged", "data")]
    assert follows(lambda: catalogue.records.update(replace(record, tags={}))) == [("c", "data"), ("tagged", "data")]
    assert follows(lambda: catalogue.datasets.set_status([dataset.id], DatasetStatus.INACTIVE)) == [("c", "data")]
    assert follows(lambda: catalogue.datasets.set_status([dataset.id], DatasetStatus.INACTIVE)) == []
    hidden = {"format": DataFormat(dtype="uint16", nodata=1), "mapping": ValueMapping(imax=2, emax=4)}
    assert follows(lambda: catalogue.datasets.update_mapping(dataset.instance_id, **hidden)) == []
    assert follows(lambda: catalogue.datasets.set_status([dataset.id], DatasetStatus.ACTIVE)) == [("c", "data")]
    shown = {"format": DataFormat(dtype="uint16", nodata=2), "mapping": ValueMapping()}
    simulated = catalogue.datasets.update_mapping(dataset.instance_id, **shown, simulate=True)
    assert [(one.number, one.changes) for one in simulated] == [(1, True)]
    assert follows(lambda: catalogue.datasets.update_mapping(dataset.instance_id, **shown)) == [("c", "data")]
    assert follows(lambda: catalogue.variables.put(replace(archive.variable, unit="m"))) == [
        ("c", "definition"), ("other", "definition"), ("tagged", "definition"),
    ]  # fmt: skip
    assert follows(lambda: archive.collection("c", title="new")) == [("c", "definition")]
    assert follows(lambda: archive.collection("c", title="new")) == []
    assert follows(lambda: catalogue.datasets.delete([dataset.id])) == [("c", "data")]
    assert follows(lambda: catalogue.collections.remove("c")) == [("c", "deleted")]


def test_a_change_that_fails_tells_nothing(archive: Any) -> None:
    archive.collection()
    archive.add("a")
    before = newest(archive.catalogue)
    [dataset] = archive.catalogue.datasets.list()
    with pytest.raises(NotFound):
        archive.catalogue.datasets.set_status([dataset.id, 999], DatasetStatus.INACTIVE)
    assert told(archive.catalogue, before) == []
    assert archive.catalogue.datasets.get(dataset.id).status is DatasetStatus.ACTIVE


def test_many_footprints_are_told_as_one(archive: Any, make: Any) -> None:
    archive.collection()
    number = changes.FOOTPRINTS + 1
    days = [make.T0 + timedelta(days=i) for i in range(number)]
    entries = [archive.entry(f"{i}", footprint=make.square(i, 0), time=days[i]) for i in range(number)]
    archive.catalogue.files.put_many(entries)
    [_, one] = archive.catalogue.outbox.after(0)
    assert shapely.equals(one.footprint, shapely.box(0, 0, number, 1))
    assert (one.start, one.end) == (days[0], days[-1])


def test_outbox_is_read_in_pages_and_pruned(archive: Any, make: Any) -> None:
    for i in range(5):
        archive.collection(f"c{i}")
    first = archive.catalogue.outbox.after(0, limit=2)
    second = archive.catalogue.outbox.after(first[-1].id, limit=2)
    assert [one.collection for one in (*first, *second)] == ["c0", "c1", "c2", "c3"]
    assert archive.catalogue.outbox.prune(second[-1].time) == 3
    assert [one.collection for one in archive.catalogue.outbox.after(0)] == ["c3", "c4"]


def test_a_swap_is_seen_as_a_whole(archive: Any) -> None:
    archive.collection()
    archive.add("old")
    archive.add("new", record="old", status=DatasetStatus.INACTIVE)
    old, new = archive.catalogue.datasets.list()
    archive.catalogue.datasets.swap({DatasetStatus.ACTIVE: [new.id], DatasetStatus.TO_DELETE: [old.id]})
    statuses = {one.uri: one.status for one in archive.catalogue.datasets.list()}
    assert statuses == {"file:///old": DatasetStatus.TO_DELETE, "file:///new": DatasetStatus.ACTIVE}
    with archive.catalogue.engine.connect() as connection:
        assert [row.number for row in connection.execute(select(collection_time))] == [1]


def test_records_never_become_the_same(catalogue: Any, make: Any) -> None:
    a = catalogue.records.create(Record(name="r", time=make.T0, tags={"k": "a"}))
    b = catalogue.records.create(Record(name="r", time=make.T0, tags={"k": "b", "l": ""}))
    with pytest.raises(Conflict, match="same name, time and tags"):
        catalogue.records.update(replace(a, tags=b.tags))
    assert catalogue.records.add_tags([a.id, b.id], {"m": "1"}) == 2
    with pytest.raises(Conflict, match="same name, time and tags"):
        catalogue.records.remove_tags([a.id, b.id], ["k", "l"])
    assert dict(catalogue.records.get(a.id).tags) == {"k": "a", "m": "1"}


def test_the_number_of_the_last_change_only_grows(catalogue):
    """It is the version of what servers keep, so pruning must not take it back."""
    numbers = [catalogue.outbox.last()]
    for name in ("a", "b"):
        catalogue.collections.put(Collection(name=name))
        numbers.append(catalogue.outbox.last())
        catalogue.outbox.prune(datetime.now(UTC) + timedelta(days=1))
        numbers.append(catalogue.outbox.last())
    assert numbers[0] == 0
    assert numbers[1] == numbers[2] < numbers[3] == numbers[4]
    catalogue.collections.rebuild("a")
    assert catalogue.outbox.last() > numbers[4]
