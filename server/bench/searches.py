"""The queries that readers wait for, through the public repositories. Each also checks how much it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from prismcube.catalogue import Catalogue
from prismcube.catalogue.items import ItemFilter, Place, Sort, SortKey, complete
from prismcube.catalogue.records import RecordFilter
from prismcube.model.collection import Collection
from prismcube.model.entities import Record
from prismcube.model.pattern import Pattern
from server.bench import data
from server.bench.figures import Figure, call_figure

PLACE_BAR, TAG_BAR, DEEP_BAR = 20.0, 10.0, 1.5
BY_NAME = complete((Sort(SortKey.NAME),))
ORIGINAL_PLACE = 2_200.0
"""Milliseconds that Geocube takes to find 49 of 10,000 datasets on one place."""


def figures(catalogue: Catalogue, database: str, found_in: Collection, *, datasets: int, repeats: int) -> list[Figure]:
    """All of them; `datasets` files are stored."""
    queries = Queries(catalogue, found_in, datasets=datasets)

    def call(name: str, work: Callable[[], Sequence[object]], *, finds: int, **more: Any) -> Figure:
        number = len(work())
        if number != finds:
            raise AssertionError(f"{name}: found {number} instead of {finds}")
        return call_figure(name, database, work, repeats=repeats, **more)

    place = f"{data.DATES} of {datasets // data.SHARE:,} datasets on one place"
    told = f"among {datasets:,}"
    named = len([at for at in range(datasets) if data.place_of(at) == 7])
    few, many = _tagged(datasets, orbit="7"), _tagged(datasets, satellite="A")
    pages = datasets // data.PAGE
    made = [
        call(place, queries.by_place_and_period, finds=data.DATES, bar=PLACE_BAR, original=ORIGINAL_PLACE, note=told),
        call("datasets of a week", queries.by_period, finds=7 * data.SHARE, note=told),
        call(f"records by a tag that {few:,} have", queries.by_few_tag, finds=min(few, data.PAGE), bar=TAG_BAR),
        call(f"records by a tag that {many:,} have", queries.by_many_tag, finds=min(many, data.PAGE), bar=TAG_BAR),
        call("records by the begin of a name", queries.by_name, finds=min(named, data.PAGE)),
        call("records by area", queries.by_area, finds=data.PAGE),
        call("items on one place, page 1", queries.items_of_place, finds=data.PAGE),
        call("items, page 1", queries.items, finds=data.PAGE),
        call(f"items, page {pages:,}", partial(queries.items, after=queries.last_page), finds=data.PAGE),
    ]
    first, last = made[-2:]
    made[-1] = _beside(last, first)
    return made


class Queries:
    """The hot queries, ready to call; `plans.py` explains the same."""

    def __init__(self, catalogue: Catalogue, found_in: Collection, *, datasets: int) -> None:
        self._catalogue = catalogue
        self._collection = found_in
        self._day = datasets // data.SHARE // 2
        self.last_page = self._key(datasets - data.PAGE - 1)
        self.last_by_name = (data.name_of(datasets // 2), 0)

    def by_place_and_period(self) -> Sequence[object]:
        fields, period = self._collection.stored_fields, data.period_of(self._day)
        return self._catalogue.datasets.find(self._collection, fields, period=period, area=data.area_of(0)).datasets

    def by_period(self) -> Sequence[object]:
        fields, period = self._collection.stored_fields, data.period_of(self._day, 7)
        return self._catalogue.datasets.find(self._collection, fields, period=period).datasets

    def by_few_tag(self) -> Sequence[Record]:
        return self._records(RecordFilter(tags={"orbit": "7"}))

    def by_many_tag(self) -> Sequence[Record]:
        return self._records(RecordFilter(tags={"satellite": "A"}))

    def by_name(self) -> Sequence[Record]:
        return self._records(RecordFilter(name=Pattern("S2_007_*")))

    def by_area(self) -> Sequence[Record]:
        return self._records(RecordFilter(area=data.area_of(0)))

    def items(self, after: tuple[datetime, int] | None = None) -> Sequence[object]:
        return self._catalogue.records.items(self._collection, after=after, limit=data.PAGE)

    def items_of_place(self) -> Sequence[object]:
        return self._catalogue.records.items(self._collection, ItemFilter(area=data.area_of(0)), limit=data.PAGE)

    def items_by_name(self, after: Place | None = None) -> Sequence[object]:
        return self._catalogue.records.items(self._collection, order=BY_NAME, after=after, limit=data.PAGE)

    def items_by_few_tag(self) -> Sequence[object]:
        return self._catalogue.records.items(self._collection, ItemFilter(tags={"orbit": "7"}), limit=data.PAGE)

    def items_by_many_tag(self) -> Sequence[object]:
        return self._catalogue.records.items(self._collection, ItemFilter(tags={"satellite": "A"}), limit=data.PAGE)

    def _records(self, wanted: RecordFilter) -> Sequence[Record]:
        return self._catalogue.records.list(wanted, limit=data.PAGE)

    def _key(self, at: int) -> tuple[datetime, int]:
        """Time and id of the record of file number `at`."""
        [found] = self._records(RecordFilter(name=Pattern(data.name_of(at))))
        return found.time, found.id or 0


def _tagged(datasets: int, **tags: str) -> int:
    """How many records of files have these tags."""
    return sum(tags.items() <= data.tags_of(at).items() for at in range(datasets))


def _beside(last: Figure, first: Figure) -> Figure:
    """The last page, held to the time of the first."""
    return replace(last, bar=round(DEEP_BAR * first.value, 3), note=f"the bar is {DEEP_BAR} times page 1")
