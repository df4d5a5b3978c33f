"""Searches: equal to going through everything by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, box
from sqlalchemy import text

from prismcube.catalogue import Change, spatial
from prismcube.errors import NotFound
from prismcube.model.entities import DatasetStatus
from prismcube.model.period import Period

HOURS = st.integers(0, 48)
LON, LAT = st.integers(-178, 177).map(float), st.integers(-88, 87).map(float)
TAGS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
FILES = st.lists(st.tuples(HOURS, LON, LAT, TAGS, st.integers(0, 1), st.booleans()), max_size=15)
AREAS = st.none() | st.builds(
    lambda x, y, w, h: box(x, y, x + w, y + h), LON, LAT, st.floats(0, 200), st.floats(0, 100)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, area=AREAS, tags=TAGS, start=st.none() | HOURS, length=st.none() | HOURS, many=st.booleans())
def test_filters_equal_brute_force(
    archive: Any, make: Any, files: Any, area: Any, tags: Any, start: Any, length: Any, many: bool
) -> None:
    catalogue, hour = archive.catalogue, timedelta(hours=1)
    with catalogue.transaction() as unit:  # empty what the last example left
        for table in ("dataset_band", "dataset", "container", "record"):
            unit.connection.execute(text(f"DELETE FROM {table}"))
    for number, (at, lon, lat, own, instance, _) in enumerate(files):
        where = {"footprint": make.square(lon, lat), "time": make.T0 + at * hour}
        outcome = archive.add(f"{number}", tags=own, instance=archive.instances[instance], **where)
        assert outcome is Change.CREATED
    collection = archive.collection(record_tags=tags)
    everything = archive.collection("all", instances=archive.instances)
    stored = {one.uri: one for one in catalogue.datasets.search(everything, everything.stored_fields)}
    assert len(stored) == len(files)
    hidden = [stored[f"file:///{number}"].id for number, file in enumerate(files) if not file[5]]
    catalogue.datasets.set_status(hidden, DatasetStatus.TO_DELETE)
    period = Period(
        None if start is None else make.T0 + start * hour,
        None if length is None else make.T0 + ((start or 0) + length) * hour,
    )

    def wanted(number: int) -> bool:
        at, lon, lat, own, instance, active = files[number]
        time = make.T0 + at * hour
        return (
            instance == 0
            and active
            and all(own.get(key) == value for key, value in tags.items())
            and (period.start is None or time >= period.start)
            and (period.end is None or time <= period.end)
            and (area is None or shapely.intersects(make.square(lon, lat), area))
        )

    expected = [stored[f"file:///{number}"] for number in range(len(files)) if wanted(number)]
    expected.sort(key=lambda one: (one.time, one.id))
    found = catalogue.datasets.search(collection, collection.stored_fields, period=period, area=area)
    assert [one.id for one in found] == [one.id for one in expected]

    pages, after = [], None
    with pytest.MonkeyPatch.context() as patch:
        if many:  # take the way for areas that hold very much
            patch.setattr(spatial, "MANY", 0)
        while page := catalogue.records.items(collection, period=period, area=area, after=after, limit=3):
            pages += page
            after = (page[-1][0].time, page[-1][0].id)
    assert [one.id for one, _ in pages] == [
        record_id for _, record_id in sorted({(one.time, one.record_id) for one in expected})
    ]
    if area is None:
        assert catalogue.collections.times(collection, period=period) == sorted({one.time for one in expected})


def test_footprint_of_a_time_step_is_the_union(archive: Any, make: Any) -> None:
    archive.add("a", record="r", footprint=make.square(10, 50))
    archive.add("b", record="r", footprint=make.square(11, 50))
    archive.add("c", record="r", footprint=make.square(20, 50), instance=archive.instances[1])
    collection = archive.collection()
    [(record, footprint)] = archive.catalogue.records.items(collection, area=make.square(10.2, 50.2, 0.1))
    assert isinstance(footprint, MultiPolygon)
    assert footprint.equals(box(10, 50, 12, 51))
    assert archive.catalogue.records.item(collection, record.id or 0) == (record, footprint)


def test_item_of_another_collection_is_not_found(archive: Any) -> None:
    archive.add("a", tags={"k": "v"})
    archive.add("b", instance=archive.instances[1])
    items = archive.catalogue.records.items(archive.collection("all", instances=archive.instances))
    ids = {record.name: record.id for record, _ in items}
    ours = archive.collection(record_tags={"k": "v"})
    assert archive.catalogue.records.item(ours, ids["a"])[0].name == "a"
    for id in (ids["b"], 12345):
        with pytest.raises(NotFound):
            archive.catalogue.records.item(ours, id)
    with pytest.raises(NotFound):
        archive.catalogue.records.item(archive.collection("other", record_tags={"k": "w"}), ids["a"])


@pytest.mark.parametrize(
    ("area", "found"),
    [
        (Point(15.5, 45.5), True),
        (Point(15, 45), True),  # a corner counts
        (Point(14.999999, 45), False),
        (Polygon(), False),
        (Polygon([(14, 44), (17, 47), (17, 44), (14, 47)]), True),  # a bow-tie
        (Polygon([(14, 44), (15.4, 44), (14, 45.4)]), False),  # the boxes meet, the areas don't
        (box(-180, -90, 180, 90), True),
    ],
)
def test_area(archive: Any, area: Any, found: bool) -> None:
    archive.add("a")
    collection = archive.collection()
    assert bool(archive.catalogue.datasets.search(collection, collection.stored_fields, area=area)) is found
    assert bool(archive.catalogue.records.items(collection, area=area)) is found


def test_no_fields_find_nothing(archive: Any) -> None:
    archive.add("a")
    assert archive.catalogue.datasets.search(archive.collection(), []) == []


def test_rtree_and_tags_follow_every_change(archive: Any) -> None:
    archive.add("a", tags={"k": "v"})
    archive.add("b")
    with archive.catalogue.transaction() as unit:
        unit.connection.execute(text("UPDATE dataset SET west = west + 50, east = east + 50 WHERE id = 1"))
        unit.connection.execute(text('UPDATE record SET tags = \'{"k":"w","l":"m"}\' WHERE id = 1'))
        unit.connection.execute(text("DELETE FROM dataset WHERE id = 2"))
        unit.connection.execute(text("DELETE FROM record WHERE id = 2"))
        boxes = unit.connection.execute(text("SELECT id, west, east FROM dataset_rtree")).all()
        tags = unit.connection.execute(text("SELECT key, value, record_id FROM record_tag ORDER BY key")).all()
        bands = unit.connection.execute(text("SELECT dataset_id FROM dataset_band")).all()
    assert boxes == [(1, 65, 66)]
    assert tags == [("k", "w", 1), ("l", "m", 1)]
    assert set(bands) == {(1,)}
