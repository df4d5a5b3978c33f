"""The indexer: files become datasets.

    run -> _prepare     variables and instances
        -> _candidates  arguments and folders -> files and the rule that fits each
        -> _plan        in threads: header -> record, container, datasets; validates
        -> _store       in batches of one transaction, in which one bad file fails alone
        -> _finish      collections, and the extents of all that were touched

Nothing grows with the number of files: a bounded window of headers is in flight.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched
from pathlib import Path

from ingester.index.mapping import DatasetRule, FileRule, Mapping, fill
from prismcube.catalogue import Catalogue, Change, FileEntry
from prismcube.errors import InvalidInput, PrismcubeError, SourceError
from prismcube.model.entities import Container, Dataset, Instance, Record
from prismcube.model.formats import DataFormat
from prismcube.model.period import parse_instant
from prismcube.raster.inspect import RasterInfo, inspect
from prismcube.storage.uri import canonical_uri

BATCH = 200
"""Files a transaction: about a tenth of a second, which other writers wait."""

WINDOW = 16
"""Headers in flight a thread."""


class Status(StrEnum):
    """What became of a file."""

    CREATED = "created"  # new in the catalogue
    UPDATED = "updated"  # known; the file or what is taken from it has changed
    UNCHANGED = "unchanged"  # known and the same
    SKIPPED = "skipped"  # in a folder, and no pattern matches
    FAILED = "failed"  # left out; the catalogue has nothing of it


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one file."""

    path: Path
    status: Status
    reason: str = ""
    """Of a failure; names the file."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How many files met which outcome, and the collections whose extent was brought up to date."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    collections: tuple[str, ...] = ()


_Plan = tuple[Path, FileEntry | Outcome]
"""A file, and what is to be stored of it or why not."""


def _ignore(outcome: Outcome) -> None:
    del outcome


class Indexer:
    """Indexes files into a catalogue by the rules of a mapping."""

    def __init__(self, catalogue: Catalogue, mapping: Mapping) -> None:
        self._catalogue = catalogue
        self._mapping = mapping
        self._instances: dict[str, int] = {}

    def run(self, files: Iterable[Path], *, progress: Callable[[Outcome], None] = _ignore, threads: int = 4) -> Summary:
        """Index files, and folders with all below them; `progress` hears of each file once it is stored.

        A file that fails is reported and left out. Raises Conflict when a variable of the mapping exists already with
        other bands or another format.
        """
        counts: Counter[Status] = Counter()
        self._prepare()
        try:
            with ThreadPoolExecutor(threads, thread_name_prefix="index") as pool:
                for batch in batched(self._plans(files, pool, window=threads * WINDOW), BATCH):
                    for outcome in self._store(batch):
                        counts[outcome.status] += 1
                        progress(outcome)
        finally:  # also when interrupted: what is stored is seen
            touched = self._finish()
        return Summary(**{status.value: counts[status] for status in Status}, collections=touched)

    def _prepare(self) -> None:
        """Store variables and instances."""
        with self._catalogue.transaction() as unit:
            ids = {name: unit.variables.put(one)[0].id for name, one in self._mapping.variables.items()}
            for key in self._mapping.instances:
                variable, _, name = key.partition("/")
                wanted = Instance(variable_id=_known(ids[variable]), name=name)
                self._instances[key] = _known(unit.instances.get_or_create(wanted)[0].id)

    def _finish(self) -> tuple[str, ...]:
        """Put the mapping's collections and refresh all others that have a field of its instances."""
        put = [self._catalogue.collections.put(one.bind(self._instances)).name for one in self._mapping.collections]
        others = set(self._catalogue.collections.using(self._instances.values())) - set(put)
        for name in others:
            self._catalogue.collections.refresh_extent(name)
        return tuple(sorted(others | set(put)))

    def _plans(self, files: Iterable[Path], pool: ThreadPoolExecutor, *, window: int) -> Iterator[_Plan]:
        """Plans of all files in their order, at most `window` of them ahead."""
        ahead: deque[Future[_Plan] | _Plan] = deque()
        for candidate in self._candidates(files):
            ahead.append(
                (candidate.path, candidate) if isinstance(candidate, Outcome) else pool.submit(self._plan, *candidate)
            )
            if len(ahead) >= window:
                yield _done(ahead.popleft())
        while ahead:
            yield _done(ahead.popleft())

    def _candidates(self, files: Iterable[Path]) -> Iterator[tuple[Path, FileRule, dict[str, str]] | Outcome]:
        for path in files:
            if not path.is_dir():
                yield self._candidate(path) or _failed(path, "no pattern of the mapping matches its name")
                continue
            problems: list[OSError] = []
            for folder, folders, names in os.walk(path, onerror=problems.append):
                folders.sort()
                for name in sorted(names):
                    found = Path(folder, name)
                    yield self._candidate(found) or Outcome(path=found, status=Status.SKIPPED)
            for problem in problems:
                yield _failed(Path(problem.filename), f"can't be listed: {problem.strerror}")

    def _candidate(self, path: Path) -> tuple[Path, FileRule, dict[str, str]] | None:
        for rule in self._mapping.files:
            groups = rule.match(path)
            if groups is not None:
                return path, rule, groups
        return None

    def _plan(self, path: Path, rule: FileRule, groups: dict[str, str]) -> _Plan:
        try:
            record = Record(
                name=fill(rule.record, groups),
                time=parse_instant(fill(rule.time, groups)),
                tags={key: fill(text, groups) for key, text in rule.tags.items()},
            )
            info = inspect(canonical_uri(path))
            return path, FileEntry(
                record=record,
                container=Container(uri=info.uri, etag=info.etag),
                datasets=tuple(self._dataset(one, record, info) for one in rule.datasets),
            )
        except PrismcubeError as error:
            return path, _failed(path, str(error))

    def _dataset(self, rule: DatasetRule, record: Record, info: RasterInfo) -> Dataset:
        return Dataset(
            record_id=0,
            instance_id=self._instances[rule.key],
            container_id=0,
            time=record.time,
            uri=info.uri,
            bands=rule.bands,
            format=_stored_format(rule, info),
            mapping=rule.mapping,
            grid=info.grid,
            footprint=info.footprint,
        )

    def _store(self, batch: Sequence[_Plan]) -> list[Outcome]:
        """Store a batch in one transaction, in which a file may fail alone."""
        entries = [entry for _, entry in batch if isinstance(entry, FileEntry)]
        stored = iter(self._catalogue.files.put_many(entries) if entries else [])
        outcomes = []
        for path, entry in batch:
            outcome = next(stored) if isinstance(entry, FileEntry) else entry
            if isinstance(outcome, PrismcubeError):
                outcome = _failed(path, str(outcome))
            elif isinstance(outcome, Change):
                outcome = Outcome(path=path, status=Status(outcome.value))
            outcomes.append(outcome)
        return outcomes


def _stored_format(rule: DatasetRule, info: RasterInfo) -> DataFormat:
    """The format of the stored values of a rule's bands. Raises SourceError when the file does not fit the rule."""
    absent = [band for band in rule.bands if band > info.count]
    if absent:
        raise SourceError(info.uri, f"has {info.count} band(s); {rule.key} needs band {absent[0]}")
    dtypes = {info.dtypes[band - 1] for band in rule.bands}
    if len(dtypes) > 1:
        raise SourceError(info.uri, f"the bands of {rule.key} are of different types: {', '.join(sorted(dtypes))}")
    by_text = {str(info.nodata[band - 1]): info.nodata[band - 1] for band in rule.bands}  # text: nan equals nan
    if len(by_text) > 1 and not rule.overrides_nodata:
        reason = f"the bands of {rule.key} have different nodata: {', '.join(by_text)}; give nodata in the mapping"
        raise SourceError(info.uri, reason)
    nodata = rule.nodata if rule.overrides_nodata else next(iter(by_text.values()))
    try:
        return DataFormat(dtype=dtypes.pop(), nodata=nodata)
    except InvalidInput as error:
        raise SourceError(info.uri, f"nodata {error.reason}; give nodata in the mapping") from error


def _failed(path: Path, reason: str) -> Outcome:
    named = reason if str(path) in reason else f"{path}: {reason}"
    return Outcome(path=path, status=Status.FAILED, reason=named)


def _done(item: Future[_Plan] | _Plan) -> _Plan:
    return item.result() if isinstance(item, Future) else item


def _known(id: int | None) -> int:
    """The id of an entity that is stored."""
    if id is None:
        raise TypeError("the entity is not stored yet")
    return id
