"""Storing entities: idempotent, and refused with the difference named."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.catalogue import Catalogue, Change
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.entities import AOI, Container, DatasetStatus, Record, Variable
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.pattern import Pattern

ODD_TEXTS = ["O'Brien\"; DROP TABLE record; --", "Çanakkale 湖 🛰", "%_*?", "a\nb\tc", '$."k"[0]', " ", "é" * 300]


def test_aoi_is_one_for_one_area(catalogue: Catalogue, make: Any) -> None:
    first = catalogue.aois.get_or_create(AOI(geometry=make.square(1, 2)))
    again = catalogue.aois.get_or_create(AOI(geometry=make.square(1, 2).reverse()))
    other = catalogue.aois.get_or_create(AOI(geometry=make.square(1, 3)))
    assert first.id == again.id != other.id
    assert catalogue.aois.get_by_id(first.id or 0).geometry.equals(make.square(1, 2))


def test_record_is_one_for_name_time_and_tags(catalogue: Catalogue) -> None:
    time = datetime(2020, 5, 1, 23, 59, 59, 123456, tzinfo=UTC)
    first, change = catalogue.records.get_or_create(Record(name="r", time=time, tags={"b": "2", "a": "1"}))
    assert change is Change.CREATED
    assert catalogue.records.get(first.id or 0).time == time  # to the microsecond
    elsewhere = time.astimezone(timezone(timedelta(hours=9)))
    same, change = catalogue.records.get_or_create(Record(name="r", time=elsewhere, tags={"a": "1", "b": "2"}))
    assert (same.id, change) == (first.id, Change.UNCHANGED)
    for other in (
        Record(name="R", time=time, tags=first.tags),
        Record(name="r", time=time + timedelta(microseconds=1), tags=first.tags),
        Record(name="r", time=time, tags={"a": "1"}),
    ):
        assert catalogue.records.get_or_create(other)[1] is Change.CREATED


def test_records_of_any_number_come_in_the_order_asked(catalogue: Catalogue, make: Any) -> None:
    with catalogue.transaction() as unit:
        ids = [unit.records.get_or_create(Record(name=f"r{i}", time=make.T0))[0].id or 0 for i in range(2500)]
    wanted = [*reversed(ids), ids[7]]
    assert [one.id for one in catalogue.records.get_many(wanted)] == wanted
    assert catalogue.records.get_many([]) == []
    with pytest.raises(NotFound, match="no record 999999"):
        catalogue.records.get_many([ids[0], 999999])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(min_size=1) | st.sampled_from(ODD_TEXTS),
    tags=st.dictionaries(st.text() | st.sampled_from(ODD_TEXTS), st.text() | st.sampled_from(ODD_TEXTS), max_size=4),
)
def test_any_text_comes_back_as_it_was(archive: Any, make: Any, name: str, tags: dict[str, str]) -> None:
    record = Record(name=name, time=make.T0, tags=tags)
    if any("\0" in text for text in (name, *tags, *tags.values())):
        with pytest.raises(InvalidInput, match="NUL"):
            archive.catalogue.records.get_or_create(record)
        return
    stored, _ = archive.catalogue.records.get_or_create(record)
    found = archive.catalogue.records.get(stored.id or 0)
    assert (found.name, dict(found.tags)) == (name, tags)
    # ... and it is found by each of its tags
    archive.add(f"file {stored.id}", record=name, tags=tags)
    collection = archive.collection(record_tags={key: Pattern.literal(value).text for key, value in tags.items()})
    assert stored.id in {one.id for one, _ in archive.catalogue.records.items(collection, limit=1000)}


def test_half_a_character_is_refused(catalogue: Catalogue, make: Any) -> None:
    with pytest.raises(InvalidInput, match="not valid Unicode"):
        catalogue.records.get_or_create(Record(name="a\udcff", time=make.T0))


def test_variable_keeps_bands_and_format(catalogue: Catalogue) -> None:
    nan = DataFormat(dtype="float32", nodata=float("nan"), minimum=-1, maximum=1)
    first = Variable(name="ndvi", bands=("ndvi",), format=nan, unit="1")
    assert catalogue.variables.put(first)[1] is Change.CREATED
    assert catalogue.variables.put(replace(first, format=replace(nan)))[1] is Change.UNCHANGED
    changed, change = catalogue.variables.put(replace(first, unit="%", resampling="cubic", description="d"))
    assert change is Change.UPDATED
    assert catalogue.variables.get("ndvi") == changed or changed.format.nodata != changed.format.nodata
    assert (changed.unit, changed.resampling, changed.description) == ("%", "cubic", "d")
    with pytest.raises(Conflict, match="bands are ndvi, not a, b"):
        catalogue.variables.put(replace(first, bands=("a", "b")))
    with pytest.raises(Conflict, match="dtype is float32, not int16; nodata is nan, not None"):
        catalogue.variables.put(replace(first, format=DataFormat(dtype="int16", minimum=-1, maximum=1)))
    assert [one.name for one in catalogue.variables.list()] == ["ndvi"]


def test_container_never_changes_hands(catalogue: Catalogue) -> None:
    first = Container(uri="file:///a", etag="1")
    assert catalogue.containers.put(first)[1] is Change.CREATED
    assert catalogue.containers.put(first)[1] is Change.UNCHANGED
    assert catalogue.containers.put(replace(first, etag="2"))[1] is Change.UPDATED
    assert catalogue.containers.get("file:///a").etag == "2"
    with pytest.raises(Conflict, match="managed"):
        catalogue.containers.put(replace(first, managed=True))


def test_file_again_is_unchanged_and_a_new_etag_updates(archive: Any) -> None:
    assert archive.add("a") is Change.CREATED
    assert archive.add("a") is Change.UNCHANGED
    assert archive.add("a", etag="2") is Change.UPDATED
    assert archive.add("a", etag="2") is Change.UNCHANGED
    assert archive.catalogue.datasets.count() == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"record": "other"}, "record is 'a' .*not 'other'"),
        ({"tags": {"k": "v"}}, "record is 'a'"),
        ({"instance": 2}, "instance is 'v/x', not 'v/y'"),
        ({"bands": (2, 1)}, r"bands is \[1, 2\], not \[2, 1\]"),
        ({"bands": (2, 3)}, "band 2': bands is"),
        ({"mapping": ValueMapping(imax=2)}, "mapping is"),
    ],
)
@pytest.mark.parametrize("etag", ["1", "2"])
def test_a_band_has_one_owner(archive: Any, changes: dict[str, Any], named: str, etag: str) -> None:
    archive.add("a")
    outcome = archive.add("a", etag=etag, **changes)
    assert isinstance(outcome, Conflict)
    with pytest.raises(Conflict, match=named):
        raise outcome
    assert archive.add("a") is Change.UNCHANGED  # nothing of the refused one is left, its etag neither


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": DataFormat(dtype="int16", nodata=0)}, "format is"),
        ({"format": DataFormat(dtype="uint16", nodata=1)}, "format is"),
        ({"grid": "moved"}, "transform is"),
        ({"grid": "other CRS"}, "crs is EPSG:32632, not EPSG:32633"),
    ],
)
def test_what_a_file_says_changes_with_the_file_alone(
    archive: Any, make: Any, changes: dict[str, Any], named: str
) -> None:
    grids = {"moved": make.grid(x=500_005), "other CRS": make.grid(crs="EPSG:32632")}
    changes = {key: grids.get(value, value) if key == "grid" else value for key, value in changes.items()}
    elsewhere = make.square(20, 50)
    archive.add("a")
    changed = archive.entry("a", etag="2", footprint=elsewhere, **changes)
    wanted = changed.holdings[0].datasets[0]
    assert archive.catalogue.files.put_many([changed]) == [Change.UPDATED]
    assert archive.catalogue.files.put_many([changed]) == [Change.UNCHANGED]
    collection = archive.collection()
    (found,) = archive.catalogue.datasets.find(collection, collection.stored_fields, area=elsewhere).datasets
    assert (found.grid, found.format) == (wanted.grid, wanted.format)
    assert not archive.catalogue.datasets.find(collection, collection.stored_fields, area=make.square(15, 45)).datasets
    outcome = archive.add("a", etag="2")  # the same file can't say two things
    assert isinstance(outcome, Conflict)
    with pytest.raises(Conflict, match=named):
        raise outcome
    assert archive.catalogue.files.put_many([changed]) == [Change.UNCHANGED]  # nothing of the refused one is left


def test_one_file_of_a_batch_fails_alone(archive: Any, make: Any) -> None:
    archive.add("b")
    batch = [
        archive.entry("a"),
        archive.entry("b", record="other"),
        archive.entry("bad\0name"),
        archive.entry("a", record="twice in a batch"),
        archive.entry("c", record="a"),
        archive.entry("d", bands=()),
    ]
    outcomes = archive.catalogue.files.put_many(batch)
    kinds = [one if isinstance(one, Change) else type(one) for one in outcomes]
    assert kinds == [Change.CREATED, Conflict, InvalidInput, Conflict, Change.CREATED, InvalidInput]
    assert archive.catalogue.datasets.count() == 3


def test_other_bands_of_a_known_file_may_have_another_instance(archive: Any) -> None:
    archive.add("a", bands=(1, 2))
    assert archive.add("a", bands=(3, 4), instance=archive.instances[1]) is Change.UPDATED


def test_status_hides_and_publishes(archive: Any) -> None:
    archive.add("a")
    collection = archive.collection()
    one = archive.catalogue.datasets.find(collection, collection.stored_fields).datasets[0]
    assert one == archive.catalogue.datasets.get(one.id or 0)
    archive.catalogue.datasets.set_status([one.id or 0], DatasetStatus.INACTIVE)
    assert archive.catalogue.datasets.find(collection, collection.stored_fields).datasets == []
    assert archive.catalogue.records.items(collection) == []
    assert archive.catalogue.collections.rebuild("c").extent is None
    assert isinstance(archive.add("a"), Conflict)


def test_a_transaction_is_all_or_nothing(catalogue: Catalogue, make: Any) -> None:
    def store_and_fail() -> None:
        with catalogue.transaction() as unit:
            unit.records.get_or_create(Record(name="gone", time=make.T0))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        store_and_fail()
    assert catalogue.records.find(Record(name="gone", time=make.T0)) is None


def test_threads_write_and_read_at_once(archive: Any) -> None:
    problems: list[BaseException] = []
    archive.collection()

    def work(number: int) -> None:
        try:
            for i in range(10):
                outcome = archive.add(f"{number}-{i}")
                assert outcome is Change.CREATED
                archive.catalogue.collections.get("c")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert archive.catalogue.datasets.count() == 60
