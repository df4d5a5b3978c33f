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

from prismcube.catalogue import Catalogue, Change, spatial
from prismcube.catalogue.items import ItemFilter
from prismcube.catalogue.records import RecordFilter
from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import matches_tags
from prismcube.model.entities import DatasetStatus, Record
from prismcube.model.pattern import LONGEST, Pattern
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
    catalogue.datasets.delete([one.id for one in catalogue.datasets.list(limit=1000)])  # of the last example
    catalogue.containers.delete([one.id for one in catalogue.containers.list(limit=1000)])
    for number, (at, lon, lat, own, instance, _) in enumerate(files):
        where = {"footprint": make.square(lon, lat), "time": make.T0 + at * hour}
        outcome = archive.add(f"{number}", tags=own, instance=archive.instances[instance], **where)
        assert outcome is Change.CREATED
    collection = archive.collection(record_tags=tags)
    everything = archive.collection("all", instances=archive.instances)
    stored = {one.uri: one for one in catalogue.datasets.find(everything, everything.stored_fields).datasets}
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
    found = catalogue.datasets.find(collection, collection.stored_fields, period=period, area=area).datasets
    assert [one.id for one in found] == [one.id for one in expected]

    pages, after = [], None
    with pytest.MonkeyPatch.context() as patch:
        if many:  # take the way for areas that hold very much
            patch.setattr(spatial, "MANY", 0)
        while page := catalogue.records.items(collection, ItemFilter(period=period, area=area), after=after, limit=3):
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
    [(record, footprint)] = archive.catalogue.records.items(collection, ItemFilter(area=make.square(10.2, 50.2, 0.1)))
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
    assert bool(archive.catalogue.datasets.find(collection, collection.stored_fields, area=area).datasets) is found
    assert bool(archive.catalogue.records.items(collection, ItemFilter(area=area))) is found


def test_no_fields_find_nothing(archive: Any) -> None:
    archive.add("a")
    assert archive.catalogue.datasets.find(archive.collection(), []).datasets == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
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


ODD = st.text(
    st.sampled_from([*"aAbBz*?\\[]^-%_.(i)'\"$\n\r\t ", "é", "É", "\u212a", "\ud7ff", "湖", "🛰", "\U0010ffff"]),
    max_size=6,
)
LONG = st.builds(lambda one, other, number: one + "x%_*[" * number + other, ODD, ODD, st.sampled_from([19, 20, 2000]))
NAMES = st.lists((ODD | LONG).filter(bool), min_size=1, max_size=8, unique=True)
PIECES = st.lists(st.sampled_from(["*", "?"]) | ODD.map(lambda text: Pattern.literal(text).text), max_size=5)


@st.composite
def names_and_pattern(draw: st.DrawFn) -> tuple[list[str], Pattern]:
    """Names, and a pattern that was made of one of them or of anything."""
    names = draw(NAMES)
    text = "".join(draw(PIECES))
    if draw(st.booleans()):
        name = draw(st.sampled_from(names))
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(name))] * 2)))
        beginning, end = (Pattern.literal(part).text for part in (name[:first], name[last:]))
        text = beginning + ("?" * (last - first) if draw(st.booleans()) and last - first < 9 else "*") + end
    return names, Pattern(text + draw(st.sampled_from(["", "", "(?i)"])))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=names_and_pattern())
def test_names_and_tags_match_as_in_python(catalogue: Catalogue, make: Any, drawn: Any) -> None:
    names, pattern = drawn
    catalogue.records.delete([one.id or 0 for one in catalogue.records.list(limit=1000)])  # of the last example
    catalogue.records.create_many([Record(name=name, time=make.T0, tags={"k": name, name: ""}) for name in names])

    def found(**wanted: Any) -> list[str]:
        return [one.name for one in catalogue.records.list(RecordFilter(**wanted), limit=1000)]

    expected = [name for name in names if pattern.matches(name)]
    assert found(name=pattern) == expected
    if pattern.text:  # an empty one asks for the key
        assert found(tags={"k": pattern.text}) == expected
    assert found(tags={names[0]: ""}) == names[:1]
    assert found(name=Pattern.literal(names[0])) == names[:1]


TAG_TEXTS = st.sampled_from(["", "a", "ab", "b", "1"])
TAG_PATTERNS = st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["", "a", "a*", "?", "*", "B(?i)"]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags=st.lists(st.dictionaries(st.sampled_from(["k", "l"]), TAG_TEXTS), max_size=5), patterns=TAG_PATTERNS)
def test_a_collection_has_the_records_that_a_filter_finds(
    archive: Any, make: Any, tags: list[dict[str, str]], patterns: dict[str, str]
) -> None:
    catalogue = archive.catalogue
    catalogue.datasets.delete([one.id for one in catalogue.datasets.list(limit=1000)])  # of the last example
    catalogue.tidy(["records", "containers"])
    catalogue.files.put_many([archive.entry(f"{number}", tags=own) for number, own in enumerate(tags)])
    collection = archive.collection(record_tags=patterns)
    expected = [f"{number}" for number, own in enumerate(tags) if matches_tags(patterns, own)]
    assert [record.name for record, _ in catalogue.records.items(collection)] == expected
    assert [one.name for one in catalogue.records.list(RecordFilter(tags=patterns))] == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "*" + "a" * 16_000,
        "🛰" * (LONGEST // 4 - 1) + "*",
        "*" + "%" * 16_000 + "(?i)",
        "*" + r"\*" * 8_000,
        "*a" * 40 + "*b",
    ],
)
def test_a_pattern_of_any_length_can_be_asked(catalogue: Catalogue, make: Any, pattern: str) -> None:
    """A database that looks at it must not refuse it, nor take for ever."""
    names = ["a" * 16_000, "🛰" * (LONGEST // 4 - 1), "%" * 16_000, "*" * 8_000]
    catalogue.records.create_many([Record(name=name, time=make.T0, tags={"k": name}) for name in names])
    parsed = Pattern(pattern)
    expected = [name for name in names if parsed.matches(name)]
    assert [one.name for one in catalogue.records.list(RecordFilter(name=parsed))] == expected
    assert [one.name for one in catalogue.records.list(RecordFilter(tags={"k": pattern}))] == expected


def test_a_tag_pattern_that_is_none_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(InvalidInput, match="lone backslash"):
        catalogue.records.list(RecordFilter(tags={"k": "a\\"}))
