"""Which datasets a job works on: of some instances, of some records.

Selection ─ instances, or a collection    what is measured
          ─ records, or a filter of them  when and where
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import batched
from types import MappingProxyType
from typing import Any

from shapely.geometry.base import BaseGeometry

from prismcube.catalogue import Catalogue
from prismcube.catalogue.catalogue import Repositories
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.catalogue.records import RecordFilter
from prismcube.catalogue.spatial import ALWAYS
from prismcube.consolidation.ranges import from_ranges
from prismcube.errors import InvalidInput
from prismcube.model.entities import Dataset, DatasetStatus, Instance, Variable
from prismcube.model.globe import box_on_globe
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period

PAGE = 500
"""Rows that are asked for at once."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which datasets are meant; all that is given must hold."""

    instances: tuple[str, ...] = ()
    """As `variable/instance`; empty: those of the collection, else all."""
    collection: str = ""
    """Its instances, and its filter of records."""
    records: tuple[int, ...] | None = None
    name: str = ""
    """Pattern of the records' names; empty: any."""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Patterns of the records' tags."""
    period: Period = ALWAYS
    """Of the records."""
    area: BaseGeometry | None = None
    """Longitude, latitude; the datasets' footprints have a point in common with it."""

    @property
    def filters_records(self) -> bool:
        return bool(self.records is not None or self.name or self.tags or self.period != ALWAYS)

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> Selection:
        """Of the inputs of a process that are called as the members here. Raises InvalidInput naming one."""
        records = inputs.get("records")
        given = inputs.get("filter") or {}
        bbox = given.get("bbox")
        try:
            area = None if bbox is None else box_on_globe(*map(float, bbox))
            period = Period.parse(given["datetime"]) if given.get("datetime") else ALWAYS
            for text in (given.get("name", ""), *given.get("tags", {}).values()):
                Pattern(text)
        except InvalidInput as error:
            raise InvalidInput(f"filter.{error.parameter}", error.reason) from error
        return cls(
            instances=tuple(inputs.get("instances") or ()),
            collection=inputs.get("collection") or "",
            records=None if records is None else from_ranges("records", records),
            name=given.get("name", ""),
            tags=given.get("tags") or {},
            period=period,
            area=area,
        )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A selection, looked up: what of the catalogue it means."""

    instances: Mapping[int, tuple[Variable, Instance]]
    """By id; empty: any."""
    records: RecordFilter | None
    """None: any."""
    area: BaseGeometry | None


def choose(catalogue: Catalogue, selection: Selection) -> Chosen:
    """Look names up. Raises NotFound for what is not there, InvalidInput for names that are none."""
    ids: dict[int, None] = {}
    tags = dict(selection.tags)
    if selection.collection:
        collection = catalogue.collections.get(selection.collection)
        ids = dict.fromkeys(one.instance_id for one in collection.stored_fields)
        for key, pattern in collection.record_tags.items():
            if tags.get(key, pattern) != pattern:
                raise InvalidInput("filter.tags", f"{key} is {pattern!r} in {collection.name}")
            tags[key] = pattern
    found = {}
    for text in selection.instances:
        of, slash, named = text.rpartition("/")
        if not slash:
            raise InvalidInput("instances", f"{text[:80]!r} is not written as variable/instance")
        variable = catalogue.variables.get(of)
        one = catalogue.instances.get(variable.id or 0, named)
        if selection.collection and one.id not in ids:
            raise InvalidInput("instances", f"{text[:80]!r} is none of the collection {selection.collection!r}")
        found[one.id or 0] = (variable, one)
    if not selection.instances:
        for id in ids:
            one = catalogue.instances.get_by_id(id)
            found[id] = (catalogue.variables.get_by_id(one.variable_id), one)
    if selection.collection and not found:  # no instance would mean any
        raise InvalidInput("collection", f"{selection.collection!r} has no stored fields, so no datasets")
    records = None
    if selection.filters_records or tags:
        if selection.records is not None:
            catalogue.records.get_many(selection.records)  # one that is not there is named
        name = Pattern(selection.name) if selection.name else None
        records = RecordFilter(ids=selection.records, name=name, tags=tags, period=selection.period)
    return Chosen(instances=found, records=records, area=selection.area)


def record_ids(catalogue: Catalogue, chosen: Chosen) -> tuple[int, ...] | None:
    """Of the chosen records, by time; None: any."""
    if chosen.records is None:
        return None
    found: list[int] = []
    after = None
    while page := catalogue.records.list(chosen.records, after=after, limit=PAGE):
        found += [one.id or 0 for one in page]
        after = catalogue.records.key(page[-1])
    return tuple(found)


def datasets(
    catalogue: Catalogue,
    chosen: Chosen,
    *,
    instance: int | None = None,
    status: DatasetStatus | None = DatasetStatus.ACTIVE,
    area: BaseGeometry | None = None,
    uri: Pattern | None = None,
    ids: tuple[int, ...] | None = None,
    records: tuple[int, ...] | None = None,
) -> Iterator[Dataset]:
    """Those that are chosen, and more narrowly so; page by page, so that many cost no memory.

    `records`: what `record_ids` gave, for callers that ask often.
    """
    wanted = record_ids(catalogue, chosen) if records is None else records
    instances = (instance,) if instance is not None else tuple(chosen.instances) or None
    parts = [None] if wanted is None else [tuple(some) for some in batched(wanted, PAGE)]
    for some in parts:
        asked = DatasetFilter(
            ids=ids,
            records=some,
            instances=instances,
            status=status,
            area=chosen.area if area is None else area,
            uri=uri,
        )
        yield from pages(catalogue, asked)


def pages(catalogue: Repositories, wanted: DatasetFilter) -> Iterator[Dataset]:
    """All datasets of a filter, by id within each part of a long list of ids."""
    ids = wanted.ids
    if ids is not None and len(ids) > PAGE:
        for some in batched(ids, PAGE):
            yield from pages(catalogue, replace(wanted, ids=tuple(some)))
        return
    after = None
    while page := catalogue.datasets.list(wanted, after=after, limit=PAGE):
        yield from page
        after = (page[-1].id,)
