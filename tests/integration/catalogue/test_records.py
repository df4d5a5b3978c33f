"""Records: found as by going through all of them, stored all or none, never two the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, box

from prismcube.catalogue import Catalogue, Change, filters
from prismcube.catalogue.records import RecordFilter
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.collection import matches_tags
from prismcube.model.entities import AOI, Record
from prismcube.model.globe import box_on_globe
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period
from prismcube.model.text import LONGEST_TEXT

BOXES = st.tuples(  # west, south, width, height in degrees; all edges off the date line, where two would only touch
    st.integers(-180, 179).map(lambda lon: lon + 0.25),
    st.integers(-90, 89),
    st.integers(1, 40) | st.just(360),
    st.integers(1, 40),
)
MICROSECONDS = st.integers(-2, 2)
TAGS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "12"]))
PATTERNS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "1*", "?", "*"]), max_size=2)
RECORDS = st.lists(
    st.tuples(st.sampled_from(["a", "ab", "B", "b_"]), MICROSECONDS, TAGS, st.none() | BOXES),
    max_size=12,
    unique_by=lambda one: (one[0], one[1], *sorted(one[2].items())),
)


def on_globe(west: float, south: float, width: float, height: float) -> Any:
    return box_on_globe(west, south, west + width, min(90.0, south + height))


def touch(one: Any, other: Any) -> bool:
    """True for boxes with a point in common, by arithmetic alone: longitudes go round."""
    (west, south, width, height), (west2, south2, width2, height2) = one, other
    beside = (west2 - west) % 360 <= width or (west - west2) % 360 <= width2
    return beside and south <= min(90, south2 + height2) and south2 <= min(90, south + height)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=RECORDS,
    chosen=st.none() | st.sets(st.integers(0, 12)),
    name=st.none() | st.sampled_from(["a", "a*", "?", "*b*(?i)", "b_", ""]),
    tags=PATTERNS,
    limits=st.tuples(st.none() | MICROSECONDS, st.none() | st.integers(0, 3)),
    area=st.none() | BOXES,
    size=st.integers(1, 5),
    many=st.booleans(),
)
def test_filter_equals_going_through_all(
    catalogue: Catalogue,
    make: Any,
    drawn: Any,
    chosen: Any,
    name: Any,
    tags: Any,
    limits: Any,
    area: Any,
    size: int,
    many: bool,
) -> None:
    tick = timedelta(microseconds=1)
    catalogue.records.delete([one.id or 0 for one in catalogue.records.list(limit=1000)])  # of the last example
    with catalogue.transaction() as unit:
        areas = [where and unit.aois.get_or_create(AOI(geometry=on_globe(*where))).id for *_, where in drawn]
        stored = unit.records.create_many(
            [
                Record(name=called, time=make.T0 + at * tick, tags=own, aoi_id=area_id)
                for (called, at, own, _), area_id in zip(drawn, areas, strict=True)
            ]
        )
    start, length = limits
    end = None if length is None else (start or 0) + length
    period = Period(*(None if limit is None else make.T0 + limit * tick for limit in (start, end)))
    ids = None if chosen is None else tuple(one.id or 0 for i, one in enumerate(stored) if i in chosen)

    def wanted(one: Record, where: Any) -> bool:
        return (
            (ids is None or one.id in ids)
            and (name is None or Pattern(name).matches(one.name))
            and matches_tags(tags, one.tags)
            and (period.start is None or one.time >= period.start)
            and (period.end is None or one.time <= period.end)
            and (area is None or (where is not None and touch(where, area)))
        )

    expected = [one for one, (*_, where) in zip(stored, drawn, strict=True) if wanted(one, where)]
    expected.sort(key=lambda one: (one.time, one.id))
    asked = RecordFilter(
        ids=ids,
        name=None if name is None else Pattern(name),
        tags=tags,
        period=period,
        area=None if area is None else on_globe(*area),
    )
    found: list[Record] = []
    with pytest.MonkeyPatch.context() as patch:
        if many:  # go through the records in their order
            patch.setattr(filters, "MANY", 0)
        after = None
        while page := catalogue.records.list(asked, after=after, limit=size):
            assert len(page) <= size
            found += page
            after = catalogue.records.key(page[-1])
    assert [one.id for one in found] == [one.id for one in expected]
    assert [(one.name, one.time, dict(one.tags), one.aoi_id) for one in found] == [
        (one.name, one.time, dict(one.tags), one.aoi_id) for one in expected
    ]


CAP = [(lon, 80.0) for lon in range(-180, 181, 30)]
ACROSS = Polygon([(170, 10), (190, 10), (190, 20), (170, 20)])


@pytest.mark.parametrize(
    ("geometry", "area", "found"),
    [
        (ACROSS, box(175, 12, 176, 13), True),
        (ACROSS, box(-176, 12, -175, 13), True),
        (ACROSS, Point(-180, 15), True),
        (ACROSS, Point(180, 15), True),
        (ACROSS, box(-169, 12, 169, 13), False),  # what lies between
        (ACROSS, box(-100, 12, 100, 13), False),
        (ACROSS, box_on_globe(179, 15, -179, 16), True),
        (ACROSS, box_on_globe(-200, 15, -195, 16), False),
        (box(175, 12, 176, 13), box_on_globe(170, 10, -170, 20), True),
        (box(-176, 12, -175, 13), box_on_globe(170, 10, -170, 20), True),
        (box(0, 12, 1, 13), box_on_globe(170, 10, -170, 20), False),
        (Polygon([*CAP, (180, 90), (-180, 90)]), Point(77, 89), True),  # over a pole
        (Polygon([*CAP, (180, 90), (-180, 90)]), box(-180, 89.5, 180, 90), True),
        (Polygon([*CAP, (180, 90), (-180, 90)]), box(-180, -90, 180, 79), False),
        (Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(2, 2), (8, 2), (8, 8), (2, 8)]]), Point(5, 5), False),
        (MultiPolygon([box(0, 0, 1, 1), box(9, 9, 10, 10)]), box(4, 4, 5, 5), False),
        (box(0, 0, 1, 1), Polygon([(-1, -1), (2, 2), (2, -1), (-1, 2)]), True),  # a bow-tie
        (box(0, 0, 1, 1), Polygon(), False),
        (box(0, 0, 1, 1), Point(1, 1), True),  # a corner counts
    ],
)
def test_place(catalogue: Catalogue, make: Any, geometry: Any, area: Any, found: bool) -> None:
    one = catalogue.aois.create(AOI(geometry=geometry))
    record = catalogue.records.create(Record(name="r", time=make.T0, aoi_id=one.id))
    catalogue.records.create(Record(name="without area", time=make.T0))
    assert catalogue.records.list(RecordFilter(area=area)) == ([record] if found else [])
    assert [area.id for area in catalogue.aois.list(area=area)] == ([one.id] if found else [])


def test_aois_are_paged_by_id(catalogue: Catalogue, make: Any) -> None:
    with catalogue.transaction() as unit:
        stored = [unit.aois.create(AOI(geometry=make.square(lon, 0))).id for lon in range(7)]
    pages: list[Any] = []
    after = None
    while page := catalogue.aois.list(after=after, limit=3):
        pages += page
        after = catalogue.aois.key(page[-1])
    assert [one.id for one in pages] == stored
    touching = catalogue.aois.list(area=box(1.5, 0, 2.5, 1), after=(stored[1],))
    assert [one.id for one in touching] == [stored[2]]


def test_an_area_that_is_stored_is_a_conflict(catalogue: Catalogue, make: Any) -> None:
    stored = catalogue.aois.create(AOI(geometry=make.square(1, 2)))
    with pytest.raises(Conflict) as caught:
        catalogue.aois.create(AOI(geometry=make.square(1, 2).reverse()))
    assert caught.value.key == stored.id
    with pytest.raises(NotFound, match="no aoi 99"):
        catalogue.aois.get_by_id(99)


@pytest.mark.parametrize(
    "time",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2262, 4, 12, 1, 2, 3, 4, tzinfo=UTC),  # beyond 64 bits of nanoseconds
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_any_instant_is_kept_and_found_to_the_microsecond(catalogue: Catalogue, time: datetime) -> None:
    stored = catalogue.records.create(Record(name="r", time=time))
    assert catalogue.records.get(stored.id or 0).time == time
    assert catalogue.records.list(RecordFilter(period=Period(time, time))) == [stored]
    if time.year > 1:
        assert catalogue.records.list(RecordFilter(period=Period(None, time - timedelta(microseconds=1)))) == []
    else:
        assert catalogue.records.list(RecordFilter(period=Period(time + timedelta(microseconds=1)))) == []


def test_names_and_tags_may_be_long(catalogue: Catalogue, make: Any) -> None:
    long = "🛰" * LONGEST_TEXT
    texts = {"a" * 10_000: "b" * 10_000, long: long}
    stored = catalogue.records.create(Record(name=long, time=make.T0, tags=texts))
    other = catalogue.records.create(Record(name=long[:-1] + "x", time=make.T0, tags=texts | {long: long[:-1]}))
    found = catalogue.records.get(stored.id or 0)
    assert (found.name, dict(found.tags)) == (long, texts)
    assert catalogue.records.find(Record(name=long, time=make.T0, tags=texts)) == found
    assert catalogue.records.list(RecordFilter(name=Pattern.literal(long))) == [found]
    assert catalogue.records.list(RecordFilter(name=Pattern("🛰" * 10_000 + "*x"))) == [
        catalogue.records.get(other.id or 0)
    ]
    assert catalogue.records.list(RecordFilter(tags={long: long})) == [found]
    assert len(catalogue.records.list(RecordFilter(tags=dict.fromkeys(texts, "")))) == 2
    for wrong in (
        Record(name=long + "x", time=make.T0),
        Record(name="r", time=make.T0, tags={long + "x": ""}),
        Record(name="r", time=make.T0, tags={"k": long + "x"}),
    ):
        with pytest.raises(InvalidInput, match=r"has 16,385 characters, at most 16,384"):
            catalogue.records.create(wrong)
    assert len(catalogue.records.list()) == 2


def test_the_same_name_time_and_tags_are_one_record(catalogue: Catalogue, make: Any) -> None:
    first = Record(name="r", time=make.T0, tags={"a": "1", "b": "2"})
    stored = catalogue.records.create(first)
    with pytest.raises(Conflict, match=r"'r' of 2020-01-01T00:00:00Z .* is stored already") as caught:
        catalogue.records.create(replace(first, tags={"b": "2", "a": "1"}))
    assert caught.value.key == stored.id
    # None of these can be told from it by a careless joining of its parts:
    others = [
        replace(first, name="r2"),
        replace(first, time=make.T0 + timedelta(microseconds=1)),
        replace(first, tags={"a": "2", "b": "1"}),
        replace(first, tags={'a","b': "1,2"}),
        replace(first, tags={"a": '1","b":"2'}),
        replace(first, tags={}),
    ]
    assert len({one.id for one in catalogue.records.create_many(others)}) == len(others)
    assert catalogue.records.get_or_create(first) == (catalogue.records.get(stored.id or 0), Change.UNCHANGED)


@pytest.mark.parametrize("position", [0, 1500])
@pytest.mark.parametrize("fault", ["stored already", "twice", "unknown aoi", "NUL"])
def test_many_are_stored_all_or_none(catalogue: Catalogue, make: Any, position: int, fault: str) -> None:
    known = catalogue.records.create(Record(name="known", time=make.T0))
    wanted = [Record(name=f"{i}", time=make.T0) for i in range(2500)]
    wanted[position] = {
        "stored already": known,
        "twice": wanted[position - 1],
        "unknown aoi": replace(wanted[position], aoi_id=99),
        "NUL": replace(wanted[position], name="\0"),
    }[fault]
    error = {"stored already": Conflict, "twice": (Conflict, InvalidInput), "unknown aoi": NotFound}
    with pytest.raises(error.get(fault, InvalidInput)):
        catalogue.records.create_many(wanted)
    assert catalogue.records.list() == [known]


def test_ids_come_in_the_order_given(catalogue: Catalogue, make: Any) -> None:
    wanted = [Record(name=f"{i}", time=make.T0 - timedelta(days=i)) for i in range(2500)]
    stored = catalogue.records.create_many(wanted)
    assert [replace(one, id=None) for one in stored] == wanted
    assert [one.name for one in catalogue.records.get_many([one.id or 0 for one in stored])] == [
        one.name for one in wanted
    ]
    assert catalogue.records.create_many([]) == []


def test_an_unknown_aoi_is_not_found(catalogue: Catalogue, make: Any) -> None:
    one = catalogue.records.create(Record(name="r", time=make.T0))
    for call in (catalogue.records.create, catalogue.records.get_or_create):
        with pytest.raises(NotFound, match="no aoi 99"):
            call(Record(name="s", time=make.T0, aoi_id=99))
    with pytest.raises(NotFound, match="no aoi 99"):
        catalogue.records.update(replace(one, aoi_id=99))
    assert catalogue.records.list() == [one]


def test_update_replaces_all_but_the_time(catalogue: Catalogue, make: Any) -> None:
    area = catalogue.aois.create(AOI(geometry=make.square(0, 0)))
    one = catalogue.records.create(Record(name="r", time=make.T0, tags={"a": "1"}))
    changed = replace(one, name="s", tags={"b": "2"}, aoi_id=area.id)
    catalogue.records.update(changed)
    found = catalogue.records.get(one.id or 0)
    assert (found.name, dict(found.tags), found.aoi_id) == ("s", {"b": "2"}, area.id)
    assert catalogue.records.list(RecordFilter(tags={"a": ""})) == []
    assert catalogue.records.find(one) is None  # its old name is free ...
    catalogue.records.create(one)
    with pytest.raises(Conflict, match="same name, time and tags"):  # ... and taken again
        catalogue.records.update(one)
    with pytest.raises(Conflict, match="its time is 2020-01-01T00:00:00Z and can't change"):
        catalogue.records.update(replace(changed, time=make.T0 + timedelta(seconds=1)))
    with pytest.raises(NotFound, match="no record 99"):
        catalogue.records.update(replace(one, id=99))
    assert catalogue.records.get(one.id or 0) == found


def test_tags_are_added_and_removed_for_all_or_none(catalogue: Catalogue, make: Any) -> None:
    stored = catalogue.records.create_many(
        [Record(name=f"{i}", time=make.T0, tags={"k": "old", f"own {i}": ""}) for i in range(1200)]
    )
    ids = [one.id or 0 for one in stored]

    def number(**tags: str) -> int:
        return len(catalogue.records.list(RecordFilter(tags=tags), limit=5000))

    assert catalogue.records.add_tags([*ids[:1100], ids[0]], {"k": "new", "l": "1"}) == 1100
    assert (number(k="new"), number(k="old"), number(l="")) == (1100, 100, 1100)
    assert catalogue.records.add_tags(ids, {"k": "new"}) == 100  # the others have it already
    assert catalogue.records.remove_tags(ids, ["l", "unheard of"]) == 1100
    assert catalogue.records.remove_tags(ids, ["l"]) == 0
    assert (number(k="new"), number(l="")) == (1200, 0)
    assert dict(catalogue.records.get(ids[7]).tags) == {"k": "new", "own 7": ""}
    for call in (
        lambda: catalogue.records.add_tags([*ids, 99_999], {"m": ""}),
        lambda: catalogue.records.remove_tags([*ids, 99_999], ["k"]),
    ):
        with pytest.raises(NotFound, match="no record 99999"):
            call()
    with pytest.raises(InvalidInput, match="NUL"):
        catalogue.records.add_tags(ids, {"m": "\0"})
    assert (number(k="new"), number(m="")) == (1200, 0)
