"""From one file and what a mapping says about it to what the catalogue is to keep of it.

    plan(candidate) ─ header of the file, and of each subdataset that a rule names
                    ─ dates of a stack
                    ─ a Holding for each record, each dataset checked (validation.py)

`Planner.is_known` uses the part of a plan that needs no header: a file that has not changed need not be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ingester import archives
from ingester.mapping.rules import Content, DatasetRule, HoldingRule, fill
from ingester.times import band_times
from ingester.validation import FROM_FILE, InternalFormat, check_dataset, dataset_of, header_of
from prismcube.catalogue import FileEntry, Holding
from prismcube.cube.observer import NOBODY, Observer
from prismcube.errors import InvalidInput, SourceError
from prismcube.model.entities import Container, Dataset, Record, Variable
from prismcube.model.period import utc
from prismcube.raster.inspect import RasterInfo, inspect
from prismcube.storage.store import stat
from prismcube.storage.uri import without_secret
from prismcube.tiff.layout import Header

Compare = Callable[[RasterInfo], tuple[str, ...]]
"""How a file differs from what is said about it."""


def _nothing(info: RasterInfo) -> tuple[str, ...]:
    del info
    return ()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file, and the rule that says what it holds."""

    name: str
    """As told in its outcome."""
    uri: str
    """Canonical."""
    content: Content
    subdir: str = ""
    """The subdataset, TIFF directory or archive member to look into where the rule names none."""
    values: Dict[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """For the rule's templates."""
    compare: Compare = _nothing


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be stored of a file."""

    entry: FileEntry
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Plans files; safe to share between threads."""

    variables: Dict[str, Variable]
    instances: Dict[str, int]
    """Id of each `variable/instance`."""
    deep: bool = False
    """True: pixels are read, so that a truncated file is found."""
    reads: Observer = NOBODY
    """Is told of files of which pixels are read: all of their bytes, as they lie."""

    def plan(self, candidate: Candidate) -> Plan:
        """What is to be stored of a file. Raises SourceError, or InvalidInput for templates that can't be filled."""
        if self.deep:  # before, so that a damaged file counts as well
            self.reads.files_read(1, stat(candidate.uri).size)
        headers = _Headers(candidate.uri, deep=self.deep)
        holdings = tuple(
            Holding(
                record=record,
                datasets=tuple(
                    self._dataset(one, record, bands, headers.of(subdir)) for one, subdir, bands in datasets
                ),
            )
            for record, datasets in _expand(candidate, headers)
        )
        first = headers.first
        return Plan(
            entry=FileEntry(
                container=Container(uri=first.uri, etag=first.etag),
                holdings=_merged(holdings),
                headers=_layouts(holdings),
            ),
            notes=candidate.compare(first),
        )

    def _dataset(self, rule: DatasetRule, record: Record, bands: tuple[int, ...], info: RasterInfo) -> Dataset:
        parts = check_dataset(
            info,
            bands=bands,
            variable=self.variables[rule.variable],
            internal=InternalFormat(nodata=rule.nodata if rule.overrides_nodata else FROM_FILE),
            mapping=rule.mapping,
        )
        return dataset_of(info, parts, instance_id=self.instances[rule.key], time=record.time)

    def is_known(self, candidate: Candidate, stored: FileEntry) -> bool:
        """True when the file as it is stored is all that the rule says, as far as that can be told without opening it.

        What only the header tells (type, grid, nodata that no rule gives) is taken to be as stored.
        """
        if candidate.content.stack and candidate.content.stack.names is None:
            return False  # what dates there are is in the header
        known = [(of.record, one) for of in stored.holdings for one in of.datasets]
        for record, datasets in _expand(candidate, None):
            for rule, subdir, bands in datasets:
                found = [pair for pair in known if pair[1].bands == bands and archives.fits(pair[1].subdir, subdir)]
                if len(found) != 1 or not self._is_same(rule, record, *found[0]):
                    return False
        return True

    def _is_same(self, rule: DatasetRule, record: Record, of: Record, stored: Dataset) -> bool:
        nodata = stored.format.nodata
        return (
            stored.instance_id == self.instances[rule.key]
            and _key(record) == _key(of)
            and stored.mapping == rule.mapping
            and (not rule.overrides_nodata or nodata == rule.nodata or repr(nodata) == repr(rule.nodata) == "nan")
        )


class _Headers:
    """The headers of a file's subdatasets, each read once."""

    def __init__(self, uri: str, *, deep: bool) -> None:
        self._uri = uri
        self._deep = deep
        self._infos: dict[str, RasterInfo] = {}

    def of(self, subdir: str) -> RasterInfo:
        if subdir not in self._infos:
            name = archives.resolved(self._uri, subdir) if archives.is_pattern(subdir) else subdir
            self._infos[subdir] = inspect(self._uri, name, deep=self._deep)
        return self._infos[subdir]

    def names(self, subdir: str, *, dimension: str) -> tuple[str, ...]:
        """What tells the bands apart: their description, or their coordinate of a dimension."""
        info = self.of(subdir)
        return band_times(info.uri, info.subdir, dimension) if dimension else info.descriptions

    @property
    def first(self) -> RasterInfo:
        return next(iter(self._infos.values()))


def _layouts(holdings: tuple[Holding, ...]) -> dict[str, Header]:
    """Where the blocks of each part of the file lie that holds a dataset."""
    parts = {one.subdir: one for of in holdings for one in of.datasets}
    return {subdir: header_of(one) for subdir, one in sorted(parts.items())}


_Datasets = list[tuple[DatasetRule, str, tuple[int, ...]]]
"""Rule, subdir and bands of the file."""


def _expand(candidate: Candidate, headers: _Headers | None) -> Iterator[tuple[Record, _Datasets]]:
    """The records of a file with their datasets; a stack whose dates are in the file needs its headers."""
    content = candidate.content
    if content.stack is None:
        for holding in content.holdings:
            yield _one(candidate, holding, dict(candidate.values), before=0)
        return
    holding = content.holdings[0]
    if headers is not None:
        subdir = fill(holding.datasets[0].subdir, candidate.values) or candidate.subdir
        descriptions = headers.names(subdir, dimension=content.stack.dimension)
    else:
        descriptions = ("",) * (len(content.stack.names or ()) * content.stack.size)
    try:
        for before, values in content.stack.dates(descriptions):
            yield _one(candidate, holding, {**candidate.values, **values}, before=before)
    except InvalidInput as error:
        raise SourceError(without_secret(candidate.uri), error.reason) from error


def _one(
    candidate: Candidate, holding: HoldingRule, values: dict[str, str], *, before: int
) -> tuple[Record, _Datasets]:
    datasets = [
        (rule, fill(rule.subdir, values) or candidate.subdir, tuple(before + band for band in rule.bands))
        for rule in holding.datasets
    ]
    return holding.as_record(values), datasets


def _merged(holdings: tuple[Holding, ...]) -> tuple[Holding, ...]:
    """One holding a record: two rules, or two dates of a stack, may name the same."""
    merged: dict[Any, Holding] = {}
    for one in holdings:
        key = _key(one.record)
        known = merged.get(key)
        merged[key] = Holding(record=one.record, datasets=(known.datasets if known else ()) + one.datasets)
    return tuple(merged.values())


def _key(record: Record) -> tuple[Any, ...]:
    return record.name, utc(record.time), tuple(sorted(record.tags.items()))


def with_statuses(entry: FileEntry, stored: FileEntry) -> FileEntry:
    """An entry whose datasets readers see as they do now: a file does not tell that it was replaced or hidden."""
    statuses = {(one.subdir, one.bands): one.status for of in stored.holdings for one in of.datasets}
    holdings = (
        replace(
            of,
            datasets=tuple(
                replace(one, status=statuses.get((one.subdir, one.bands), one.status)) for one in of.datasets
            ),
        )
        for of in entry.holdings
    )
    return replace(entry, holdings=tuple(holdings))


def facts(entry: FileEntry) -> set[Any]:
    """What two entries of a file must have in common to be the same, but for the etag."""
    return {
        (
            _key(of.record),
            one.instance_id,
            one.subdir,
            one.bands,
            repr(one.format),
            one.mapping,
            one.grid,
            one.slant,
            one.status,
        )
        for of in entry.holdings
        for one in of.datasets
    }
