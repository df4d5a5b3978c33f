"""Items in every order, page by page, with every filter: equal to going through everything by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from shapely.geometry import box

from prismcube.catalogue.items import ItemFilter, Sort, SortKey, complete, turned
from prismcube.model.entities import DatasetStatus
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period

T0 = datetime(2020, 1, 1, tzinfo=UTC)
NAMES = ("b", "a" * 150, "a" * 150 + "b", "a", "B", "é", "a" * 100)
ORDERS = [
    tuple(Sort(key, falls) for key, falls in zip(keys, signs, strict=True))
    for number in (1, 2, 3)
    for keys in permutations(SortKey, number)
    for signs in ((False, False, True)[:number], (True, False, False)[:number], (True, True, True)[:number])
]


@pytest.fixture
def filled(archive: Any, make: Any) -> Any:
    """Fourteen records: each name at two times, the same two for many of them; tags `k` and, for some, `o`."""
    for number, name in enumerate(NAMES * 2):
        time = make.T0 + (number % 3) * timedelta(hours=1)
        tags = {"k": str(number % 4), **({"o": "x"} if number % 5 == 0 else {})}
        archive.add(f"{number}", record=name, time=time, tags={**tags, "n": str(number)})
    return archive


def key(order: Any) -> Any:
    def of(item: Any) -> Any:
        record = item[0]
        values = {"datetime": record.time.timestamp(), "name": record.name, "id": record.id}
        return [_Falling(values[one.key]) if one.descending else values[one.key] for one in order]

    return of


class _Falling:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Any) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Falling) and other.value == self.value


def place(order: Any, item: Any) -> tuple[Any, ...]:
    values = {"datetime": item[0].time, "name": item[0].name, "id": item[0].id}
    return tuple(values[one.key] for one in order)


def test_every_order_forward_and_back(filled: Any) -> None:
    collection = filled.collection()
    items = filled.catalogue.records.items
    for wanted in map(complete, ORDERS):
        expected = [one[0].id for one in sorted(items(collection), key=key(wanted))]
        for order, told in ((wanted, expected), (turned(wanted), expected[::-1])):
            found, after = [], None
            while page := items(collection, order=order, after=after, limit=3):
                found += [one[0].id for one in page]
                after = place(order, page[-1])
            assert found == told, order


@pytest.mark.parametrize("order", [(Sort(SortKey.DATETIME),), (Sort(SortKey.NAME, True),)])
def test_filters_by_name_and_tags(filled: Any, order: Any) -> None:
    collection, order = filled.collection(), complete(order)

    def found(**wanted: Any) -> set[str]:
        items = filled.catalogue.records.items(collection, ItemFilter(**wanted), order=order)
        return {record.tags["n"] for record, _ in items}

    assert found(name=Pattern("a")) == {"3", "10"}
    assert found(name=Pattern("a*b")) == {"2", "9"}
    assert found(name=Pattern("b(?i)")) == {"0", "4", "7", "11"}
    assert found(tags={"k": "1"}) == {"1", "5", "9", "13"}
    assert found(tags={"k": "1", "o": "x"}) == {"5"}
    assert found(tags={"n": "1?"}) == {"10", "11", "12", "13"}
    assert found(tags={"k": "1"}, name=Pattern("a*")) == {"1", "9", "13"}
    assert found(tags={"k": "9"}) == set()


WANTED = [
    {}, {"period": Period(T0 + timedelta(hours=1))}, {"period": Period(T0, T0)}, {"tags": {"k": "1"}},
    {"tags": {"k": "9"}}, {"name": Pattern("a*")}, {"tags": {"o": "x"}, "name": Pattern("b(?i)")},
    {"period": Period(T0, T0), "tags": {"k": "0"}}, {"period": Period(None, T0), "name": Pattern("?")},
]  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED, ids=map(str, range(len(WANTED))))
def test_counts_are_those_of_what_is_listed(filled: Any, make: Any, wanted: Any) -> None:
    """Some records have two datasets of the collection, some are elsewhere, some datasets are not active."""
    for number in range(4):
        filled.add(f"more{number}", record=NAMES[number], tags={"k": "1"}, instance=filled.instances[number % 2])
        filled.add(f"far{number}", record=f"far{number}", tags={"k": "1"}, footprint=make.square(80, 60 + number))
    filled.add("gone", record="gone", tags={"k": "1"}, status=DatasetStatus.INACTIVE)
    filled.add("again", record="far1", tags={"k": "1"}, footprint=make.square(80, 61), instance=filled.instances[1])
    records = filled.catalogue.records
    for name, changes in (("one", {}), ("two", {"instances": filled.instances}), ("few", {"record_tags": {"k": "1"}})):
        collection = filled.collection(name, **changes)
        found = records.items(collection, ItemFilter(**wanted), limit=1000)
        assert records.count_items(collection, ItemFilter(**wanted), most=1000) == len(found)


def test_what_is_not_cheap_to_count_is_not_counted(filled: Any, make: Any) -> None:
    collection, records = filled.collection(), filled.catalogue.records
    assert records.count_items(collection, most=14) == 14
    assert records.count_items(collection, most=13) is None
    assert records.count_items(collection, ItemFilter(area=box(15, 45, 16, 46)), most=1000) is None
    for wanted, datasets in (
        (ItemFilter(period=Period(make.T0, make.T0)), 5),
        (ItemFilter(tags={"k": "1"}), 14),  # found by looking at all
    ):
        assert records.count_items(collection, wanted, most=datasets) == len(records.items(collection, wanted))
        assert records.count_items(collection, wanted, most=datasets - 1) is None


def test_keys_are_those_of_the_collection(archive: Any) -> None:
    archive.add("a", tags={"ours": "1", "both": "1"})
    archive.add("b", tags={"theirs": "1", "both": "2"}, instance=archive.instances[1])
    collection = archive.collection()
    records = archive.catalogue.records
    assert records.keys(collection) == ("both", "ours")
    assert records.has_key(collection, "ours")
    assert not records.has_key(collection, "theirs")
    assert not records.has_key(collection, "' OR 1=1 --")
    narrow = archive.collection("narrow", record_tags={"both": "2"})
    assert not records.has_key(narrow, "ours")


def test_fields_that_a_time_step_has(archive: Any) -> None:
    archive.add("a", record="r")
    archive.add("b", record="r", instance=archive.instances[1])
    archive.add("c", record="s", instance=archive.instances[1])
    collection = archive.collection(instances=archive.instances)
    ids = {record.name: record.id for record, _ in archive.catalogue.records.items(collection)}
    assert archive.catalogue.records.fields_of(collection, ids["r"]) == ("f0", "f1")
    assert archive.catalogue.records.fields_of(collection, ids["s"]) == ("f1",)
