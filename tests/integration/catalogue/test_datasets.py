"""Datasets: found as by going through all of them, moved by the table of states, kept from others by locks."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from prismcube.catalogue import Change
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.entities import MOVES, Container, Dataset, DatasetStatus, Record
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.globe import box_on_globe
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period

ACTIVE, INACTIVE, TO_DELETE = DatasetStatus.ACTIVE, DatasetStatus.INACTIVE, DatasetStatus.TO_DELETE
OTHER = DataFormat(dtype="uint16", nodata=9)


def only(archive: Any) -> Dataset:
    [one] = archive.catalogue.datasets.list()
    return one


def add(archive: Any, *names: str, **changes: Any) -> list[Any]:
    """Ids of new datasets."""
    known = {one.id for one in archive.catalogue.datasets.list(limit=1000)}
    for name in names:
        assert archive.add(name, **changes) is Change.CREATED
    return [one.id for one in archive.catalogue.datasets.list(limit=1000) if one.id not in known]


PLACES = st.tuples(st.sampled_from([-179.75, -20.25, 0.25, 150.25, 178.25]), st.integers(-80, 60), st.integers(1, 25))
NUMBERS = st.none() | st.sets(st.integers(0, 9), max_size=5)
STORED = st.lists(
    st.tuples(
        st.integers(0, 2),  # its record
        st.integers(0, 1),  # its instance
        st.integers(0, 2),  # its file
        PLACES,
        st.sampled_from(DatasetStatus),
        st.sampled_from(["", "one", "two"]),  # the job that has locked it
    ),
    max_size=10,
)


def footprint(west: float, south: float, side: float) -> Any:
    return box_on_globe(west, south, west + side, south + side)


def touch(one: Any, other: Any) -> bool:
    """By arithmetic alone: longitudes go round."""
    (west, south, side), (west2, south2, side2) = one, other
    beside = (west2 - west) % 360 <= side or (west - west2) % 360 <= side2
    return beside and south <= south2 + side2 and south2 <= south + side


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stored=STORED,
    chosen=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    uri=st.none() | st.sampled_from(["*", "*1", "file:///[2]", "FILE*(?i)", "file:///file 2"]),
    status=st.none() | st.sampled_from(DatasetStatus),
    limits=st.tuples(st.none() | st.integers(0, 2), st.none() | st.integers(0, 2)),
    place=st.none() | PLACES,
    job=st.none() | st.sampled_from(["one", "three"]),
)
def test_filter_equals_going_through_all(
    archive: Any,
    make: Any,
    stored: Any,
    chosen: Any,
    uri: str | None,
    status: DatasetStatus | None,
    limits: Any,
    place: Any,
    job: str | None,
) -> None:
    catalogue, tick = archive.catalogue, timedelta(microseconds=1)
    for name in ("one", "two"):  # of the last example
        catalogue.datasets.unlock(name)
    catalogue.datasets.delete([one.id for one in catalogue.datasets.list(limit=1000)])
    times = [make.T0 + i * tick for i in range(3)]
    records = [catalogue.records.get_or_create(Record(name=f"{i}", time=times[i]))[0].id for i in range(3)]
    files = [catalogue.containers.put(Container(uri=f"file:///file {i}"))[0] for i in range(3)]
    like = archive.entry("x").holdings[0].datasets[0]
    every: list[Any] = []
    with catalogue.transaction() as unit:
        for band, (record, instance, file, at, of_status, holder) in enumerate(stored, 1):
            one = replace(
                like,
                record_id=records[record],
                instance_id=archive.instances[instance],
                container_id=files[file].id,
                uri=files[file].uri,
                time=times[record],
                bands=(band,),
                footprint=footprint(*at),
                status=of_status,
            )
            every.append(unit.datasets.create(one))
            if holder:
                unit.datasets.lock([every[-1].id], holder)

    def ids(of: Any, wanted: Any) -> Any:
        return None if wanted is None else tuple(of[number] for number in wanted if number < len(of))

    of_files = [one.id for one in files]
    columns = ([one.id for one in every], records, archive.instances, of_files)
    asked = [ids(of, wanted) for of, wanted in zip(columns, chosen, strict=True)]
    start, length = limits
    period = Period(
        None if start is None else times[start],
        None if length is None else times[0] + ((start or 0) + length) * tick,
    )
    expected = [
        one
        for one, (*_, at, _, holder) in zip(every, stored, strict=True)
        if all(
            wanted is None or value in wanted
            for wanted, value in zip(asked, (one.id, one.record_id, one.instance_id, one.container_id), strict=True)
        )
        and (uri is None or Pattern(uri).matches(one.uri))
        and (status is None or one.status is status)
        and (period.start is None or one.time >= period.start)
        and (period.end is None or one.time <= period.end)
        and (place is None or touch(at, place))
        and (job is None or holder == job)
    ]
    wanted = DatasetFilter(
        ids=asked[0],
        records=asked[1],
        instances=asked[2],
        containers=asked[3],
        uri=None if uri is None else Pattern(uri),
        status=status,
        period=period,
        area=None if place is None else footprint(*place),
        job=job,
    )
    found: list[Dataset] = []
    after = None
    while page := catalogue.datasets.list(wanted, after=after, limit=3):
        found += page
        after = catalogue.datasets.key(page[-1])
    assert found == expected


@pytest.mark.parametrize(("old", "new"), [*product(DatasetStatus, repeat=2)])
def test_moves(archive: Any, old: DatasetStatus, new: DatasetStatus) -> None:
    [id] = add(archive, "a", status=old)
    datasets = archive.catalogue.datasets
    allowed = old is new or new in MOVES[old]
    for move in (
        lambda: datasets.set_status([id], new),
        lambda: datasets.swap({new: [id]}),
        lambda: datasets.update(replace(only(archive), status=new)),
    ):
        if allowed:
            move()
            assert datasets.get(id).status is new
            datasets.set_status([id], old)
            continue
        with pytest.raises(Conflict, match=f"is {old.value} and can't become {new.value}"):
            move()
        assert datasets.get(id).status is old


def test_a_move_that_is_not_in_the_table_is_refused_for_all(archive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Today's table allows every move; what asks it must not forget to."""
    datasets = archive.catalogue.datasets
    [first] = add(archive, "a")
    [second] = add(archive, "b", status=INACTIVE)
    monkeypatch.setitem(MOVES, INACTIVE, (ACTIVE,))
    for move in (
        lambda: datasets.set_status([first, second], TO_DELETE),
        lambda: datasets.swap({ACTIVE: [first], TO_DELETE: [second]}),
        lambda: datasets.update(replace(datasets.get(second), status=TO_DELETE)),
    ):
        with pytest.raises(Conflict, match="is inactive and can't become to-delete"):
            move()
    assert (datasets.get(first).status, datasets.get(second).status) == (ACTIVE, INACTIVE)


def test_every_status_has_its_moves() -> None:
    assert set(MOVES) == {*DatasetStatus}
    for old, allowed in MOVES.items():
        assert old not in allowed


def test_a_lock_keeps_others_away(archive: Any) -> None:
    catalogue, datasets = archive.catalogue, archive.catalogue.datasets
    [locked] = add(archive, "a")
    [free] = add(archive, "b")
    datasets.lock([locked], "one")
    stored = datasets.get(locked)
    changed = replace(stored, grid=replace(stored.grid, width=7))
    is_held = "is locked by job 'one'"
    for refused in (
        lambda: datasets.set_status([free, locked], INACTIVE),
        lambda: datasets.set_status([free, locked], INACTIVE, job="two"),
        lambda: datasets.swap({INACTIVE: [free], TO_DELETE: [locked]}, job="two"),
        lambda: datasets.lock([free, locked], "two"),
        lambda: datasets.put(changed, file_changed=True),
        lambda: datasets.put(replace(stored, bands=(2, 1)), replace_differing=True),
        lambda: datasets.update(replace(stored, status=INACTIVE)),
        lambda: datasets.update(replace(stored, format=OTHER)),
        lambda: datasets.update_mapping(stored.instance_id, OTHER, ValueMapping()),
    ):
        with pytest.raises(Conflict, match=is_held) as caught:
            refused()
        assert caught.value.key == locked
    with pytest.raises(Conflict, match="1 lock of a job refers to it"):
        datasets.delete([free, locked])
    for outcome in (archive.add("a", etag="2", format=OTHER), *catalogue.files.put_many(
        [archive.entry("a", bands=(2, 1))], replace=True
    )):  # fmt: skip
        assert isinstance(outcome, Conflict)
        assert is_held in str(outcome)
    assert catalogue.containers.get("file:///a").etag == "1"
    assert datasets.get(locked) == stored
    assert datasets.get(free).status is ACTIVE
    assert datasets.locks([locked, free]) == {locked: "one"}

    assert datasets.put(stored)[1] is Change.UNCHANGED  # what changes nothing disturbs nobody
    assert archive.add("a") is Change.UNCHANGED
    datasets.set_status([locked], INACTIVE, job="one")
    datasets.swap({ACTIVE: [locked], INACTIVE: [free]}, job="one")
    assert (datasets.get(locked).status, datasets.get(free).status) == (ACTIVE, INACTIVE)
    done = datasets.delete([locked, free], keep_referenced=True)
    assert (done.deleted, dict(done.kept)) == ((free,), {locked: "1 lock of a job refers to it"})
    assert datasets.unlock("two") == 0
    assert datasets.unlock("one") == 1
    datasets.delete([locked])
    assert datasets.list() == []


def test_locks_are_taken_all_or_none(archive: Any) -> None:
    datasets = archive.catalogue.datasets
    first, second, third = add(archive, "a", "b", "c")
    datasets.lock([first, second, first], "one")
    datasets.lock([second, third], "one")  # again, and one more
    with pytest.raises(NotFound, match="no dataset 99"):
        datasets.lock([first, 99], "one")
    assert datasets.locks([first, second, third, 99]) == dict.fromkeys((first, second, third), "one")
    assert [one.id for one in datasets.list(DatasetFilter(job="one"))] == [first, second, third]
    assert datasets.unlock("one") == 3
    datasets.lock([first], "two")
    with pytest.raises(Conflict, match="is locked by job 'two'"):
        datasets.lock([third, second, first], "one")
    assert datasets.locks([first, second, third]) == {first: "two"}


def test_a_swap_is_seen_as_a_whole_by_one_who_reads_all_the_time(archive: Any, make: Any) -> None:
    """Each answer has the old dataset or the new one: never both, never neither."""
    catalogue = archive.catalogue
    [old] = add(archive, "old", record="r", footprint=make.square(10, 10))
    [new] = add(archive, "new", record="r", footprint=make.square(20, 20), status=INACTIVE)
    collection = archive.collection()
    places = {old: make.square(10, 10), new: make.square(20, 20)}
    answers: list[Any] = []
    problems: list[BaseException] = []
    seen_both, stop = threading.Event(), threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                answers.append(
                    [one.id for one in catalogue.datasets.find(collection, collection.stored_fields).datasets]
                )
                [(_, footprint)] = catalogue.records.items(collection)
                assert any(footprint.equals(place) for place in places.values())
                if {*map(tuple, answers)} >= {(old,), (new,)}:
                    seen_both.set()
        except BaseException as error:
            problems.append(error)
            seen_both.set()

    reader = threading.Thread(target=read)
    reader.start()
    shown, hidden, swaps = old, new, 0
    while swaps < 40 or (not seen_both.is_set() and swaps < 5000):
        catalogue.datasets.swap({ACTIVE: [hidden], INACTIVE: [shown]})
        shown, hidden, swaps = hidden, shown, swaps + 1
    stop.set()
    reader.join()
    assert problems == []
    assert {*map(tuple, answers)} == {(old,), (new,)}


def test_a_swap_of_what_is_missing_changes_nothing(archive: Any) -> None:
    [id] = add(archive, "a")
    with pytest.raises(NotFound, match="no dataset 99"):
        archive.catalogue.datasets.swap({TO_DELETE: [id], ACTIVE: [99]})
    assert archive.catalogue.datasets.get(id).status is ACTIVE


def test_more_than_one_statement_takes_change_at_once(archive: Any) -> None:
    catalogue = archive.catalogue
    archive.collection()
    catalogue.files.put_many([archive.entry(f"{i}") for i in range(1100)])
    ids = [one.id for one in catalogue.datasets.list(limit=2000)]
    catalogue.datasets.set_status(ids, INACTIVE)
    assert catalogue.collections.get("c").extent is None
    assert len(catalogue.datasets.list(DatasetFilter(status=INACTIVE), limit=2000)) == 1100
    catalogue.datasets.lock(ids, "job")
    assert len(catalogue.datasets.locks(ids)) == 1100
    assert catalogue.datasets.unlock("job") == 1100
    assert len(catalogue.datasets.delete(ids).deleted) == 1100


def test_simulated_mapping_tells_what_an_update_then_does(archive: Any, make: Any) -> None:
    datasets, [first, second] = archive.catalogue.datasets, archive.instances
    wanted = ValueMapping(imax=2, emax=4)
    plain = add(archive, "a", "b", "c")
    mapped = add(archive, "d", mapping=wanted, format=OTHER)
    add(archive, "e", instance=second)

    def told(**options: Any) -> Any:
        found = datasets.update_mapping(first, OTHER, wanted, **options)
        return {(one.format, one.mapping, one.number, one.changes) for one in found}

    expected = {(make.FORMAT, ValueMapping(), 3, True), (OTHER, wanted, 1, False)}
    before = datasets.list()
    assert told(simulate=True) == expected
    assert datasets.list() == before
    of_records = [datasets.get(plain[0]).record_id, datasets.get(mapped[0]).record_id]
    assert told(records=of_records, simulate=True) == {
        (OTHER, wanted, 1, False),
        (make.FORMAT, ValueMapping(), 1, True),
    }
    assert told(records=[]) == set()
    assert datasets.list() == before
    assert told(records=of_records[:1]) == {(make.FORMAT, ValueMapping(), 1, True)}
    assert [one.mapping == wanted for one in datasets.list()] == [True, False, False, True, False]
    assert told() == {(OTHER, wanted, 2, False), (make.FORMAT, ValueMapping(), 2, True)}
    assert told(simulate=True) == {(OTHER, wanted, 4, False)}
    assert [one.format for one in datasets.list()] == [OTHER] * 4 + [make.FORMAT]
    with pytest.raises(NotFound, match="no instance 99"):
        datasets.update_mapping(99, OTHER, wanted, simulate=True)


def test_whole_numbers_and_their_doubles_are_one_mapping(archive: Any) -> None:
    datasets, instance = archive.catalogue.datasets, archive.instances[0]
    whole = {"format": DataFormat(dtype="uint16", nodata=1), "mapping": ValueMapping(imax=2)}
    double = {"format": DataFormat(dtype="uint16", nodata=1.0), "mapping": ValueMapping(imax=2.0)}
    [locked, _] = add(archive, "a", **whole) + add(archive, "b", **double)
    datasets.lock([locked], "job")
    for wanted in (whole, double):
        [one] = datasets.update_mapping(instance, **wanted)
        assert (one.number, one.changes) == (2, False)
    add(archive, "c")
    datasets.update_mapping(instance, **double)  # only the third one changes: the lock is in nobody's way
    [one] = datasets.update_mapping(instance, **whole, simulate=True)
    assert (one.number, one.changes) == (3, False)


@pytest.mark.parametrize("nodata", [0, float("nan"), None])
def test_update_changes_status_format_and_mapping_alone(archive: Any, nodata: float | None) -> None:
    datasets = archive.catalogue.datasets
    [id] = add(archive, "a")
    stored = datasets.get(id)
    format = DataFormat(dtype="float32", nodata=nodata)
    wanted = replace(stored, status=INACTIVE, format=format, mapping=ValueMapping(imin=-1))
    datasets.update(wanted)
    found = datasets.get(id)
    assert (found.status, found.mapping, found.format.stores_like(format)) == (INACTIVE, ValueMapping(imin=-1), True)
    assert replace(found, format=stored.format, status=ACTIVE, mapping=stored.mapping) == stored
    for change in (
        {"record_id": 99},
        {"instance_id": archive.instances[1]},
        {"container_id": 99},
        {"subdir": "2"},
        {"bands": (1, 3)},
    ):
        [name] = change
        with pytest.raises(Conflict, match=f"{name} is .* and can't change"):
            datasets.update(replace(wanted, **change))
    with pytest.raises(NotFound, match="no dataset 99"):
        datasets.update(replace(wanted, id=99))


def test_the_part_that_holds_data_is_that_of_its_writer(archive: Any, make: Any) -> None:
    """Whatever is told of the dataset again, which says nothing of it; until the file is another one."""
    grid = make.grid()
    part = make.part(grid, slice(20, 60), slice(10, 90))
    archive.add("a", part=part)
    [stored] = archive.catalogue.datasets.list()
    assert (stored.part, stored.covered) == (part, part)
    updated = archive.catalogue.datasets.update(replace(stored, part=None, mapping=ValueMapping(imax=2, emax=4)))
    assert updated.part == part
    assert archive.add("a", mapping=updated.mapping) is Change.UNCHANGED
    assert archive.catalogue.datasets.get(stored.id).part == part
    other = make.grid(500_500)
    assert archive.add("a", mapping=updated.mapping, grid=other, etag="2") is Change.UPDATED
    assert archive.catalogue.datasets.get(stored.id).covered == other.bounds


@pytest.mark.parametrize(("bands", "subdir", "is_free"), [((3, 4), "", True), ((1, 2), "2", True), ((2, 3), "", False)])
def test_a_band_has_one_owner(archive: Any, bands: Any, subdir: str, is_free: bool) -> None:
    datasets = archive.catalogue.datasets
    [id] = add(archive, "a")
    wanted = replace(datasets.get(id), id=None, instance_id=archive.instances[1], bands=bands, subdir=subdir)
    if is_free:
        assert datasets.create(wanted).id != id
        return
    with pytest.raises(Conflict, match="has file:///a band 2; instance is 'v/x', not 'v/y'") as caught:
        datasets.create(wanted)
    assert caught.value.key == id
    with pytest.raises(Conflict, match="'file:///a band 2': instance is 'v/x', not 'v/y'"):
        datasets.put(wanted)
    assert [one.id for one in datasets.list()] == [id]
    put, change = datasets.put(wanted, replace_differing=True)  # takes the place of all that had one of its bands
    assert change is Change.UPDATED
    assert datasets.list() == [put]
    assert datasets.create(replace(wanted, bands=(1,))).id != put.id  # which is free now


def test_the_database_too_gives_a_band_one_owner(archive: Any) -> None:
    [id] = add(archive, "a")
    with pytest.raises(IntegrityError), archive.catalogue.transaction() as unit:
        unit.connection.exec_driver_sql(
            "INSERT INTO dataset_band SELECT container_id, subdir, band, dataset_id FROM dataset_band"
        )
    assert [one.id for one in archive.catalogue.datasets.list()] == [id]


@pytest.mark.parametrize("bands", [(), (0, 1), (1, 1), (-1,)])
def test_bands_are_distinct_numbers_from_one_on(archive: Any, bands: Any) -> None:
    [id] = add(archive, "a")
    datasets = archive.catalogue.datasets
    wanted = replace(datasets.get(id), id=None, bands=bands)
    for call in (datasets.create, datasets.put):
        with pytest.raises(InvalidInput, match=r"dataset\.bands"):
            call(wanted)


@pytest.mark.parametrize(
    ("change", "lacking"),
    [({"record_id": 99}, "record 99"), ({"instance_id": 99}, "instance 99"), ({"container_id": 99}, "container 99")],
)
def test_what_a_dataset_refers_to_must_be_there(archive: Any, change: Any, lacking: str) -> None:
    [id] = add(archive, "a")
    datasets = archive.catalogue.datasets
    for call in (datasets.create, datasets.put):
        with pytest.raises(NotFound, match=f"no {lacking}"):
            call(replace(datasets.get(id), id=None, bands=(7,), **change))
    assert datasets.count() == 1


def test_replacing_a_file_takes_the_place_of_all_of_it(archive: Any, make: Any) -> None:
    catalogue = archive.catalogue
    archive.add("a", bands=(1, 2))
    assert archive.add("a", bands=(3, 4), instance=archive.instances[1], record="b") is Change.UPDATED
    archive.add("beside")
    new = archive.entry("a", bands=(2, 3), record="c", footprint=make.square(50, 50), etag="2")
    [refused] = catalogue.files.put_many([new])
    assert isinstance(refused, Conflict)
    assert catalogue.datasets.count() == 3
    assert catalogue.files.put_many([new], replace=True) == [Change.UPDATED]
    assert catalogue.files.put_many([new], replace=True) == [Change.UNCHANGED]
    held = catalogue.files.known(["file:///a"])["file:///a"]
    assert held.container.etag == "2"
    [holding] = held.holdings
    assert (holding.record.name, [one.bands for one in holding.datasets]) == ("c", [(2, 3)])
    assert catalogue.datasets.count() == 2
    assert {one.name for one in catalogue.records.list()} == {"a", "b", "beside", "c"}  # until they are tidied up
    assert catalogue.tidy(["records"]) == {"records": 2}
