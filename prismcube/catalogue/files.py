"""Files with all that the catalogue keeps of them, stored many at once: the way in for the indexer.

A file is a container, the records it belongs to and the datasets it holds for each. Of a batch, files that are new go
in with a handful of statements for all together, files that are known and the same are found with two, and only those
that differ are stored one by one, each in a savepoint. (One by one costs 18 statements a file, most of it SQLAlchemy's
own time: 250 files a second instead of thousands.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, bindparam, select

from prismcube.catalogue.aois import AOIs
from prismcube.catalogue.bulk import insert_rows, insert_with_ids
from prismcube.catalogue.changes import Seen, publish
from prismcube.catalogue.containers import Containers, container_of, container_values
from prismcube.catalogue.dataset_rows import SELECT, band_values, dataset_of, dataset_values, facts
from prismcube.catalogue.datasets import Datasets
from prismcube.catalogue.engine import BoundSession, Change, Session
from prismcube.catalogue.headers import insert_headers, put_headers
from prismcube.catalogue.records import Records, ids_of, record_values
from prismcube.catalogue.tables import container, dataset, dataset_band, layout, record
from prismcube.errors import InvalidInput, NotFound, PrismcubeError
from prismcube.model.entities import AOI, Container, Dataset, DatasetStatus, Record
from prismcube.tiff.layout import Header

CONTAINERS = select(container).where(container.c.uri.in_(bindparam("uris", expanding=True)))
DATASETS = (
    SELECT.add_columns(record.c.name, record.c.tags, record.c.aoi_id)
    .join(record, record.c.id == dataset.c.record_id)
    .where(dataset.c.container_id.in_(bindparam("ids", expanding=True)))
    .order_by(dataset.c.id)
)
OF_CONTAINER = select(dataset.c.id).where(dataset.c.container_id == bindparam("key"))


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a file holds for one record."""

    record: Record
    datasets: tuple[Dataset, ...]
    """At least one. A record that is new gets the first one's footprint as its AOI."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A file to store; ids that the catalogue gives (of records, container and datasets) are ignored."""

    container: Container
    holdings: tuple[Holding, ...]
    """At least one, each of another record; files that stack dates hold many."""
    headers: Mapping[str, Header] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    """By subdir; as far as they are to be stored. `Files.known` leaves them out."""


class Files:
    """Stores files with their records and datasets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def known(self, uris: Sequence[str]) -> dict[str, FileEntry]:
        """What is stored of these files, a few hundred at a time, with ids; files that are not stored are left out."""
        with self._session.read() as connection:
            found = _known_files(connection, uris)
        return {uri: _entry(of_file, rows) for uri, (of_file, rows) in found.items()}

    def put_many(self, entries: Sequence[FileEntry], *, replace: bool = False) -> list[Change | PrismcubeError]:
        """Store files, a few hundred at a time; one outcome for each. One that fails leaves nothing behind.

        A file that is stored and differs in more than its content changed is refused with a Conflict that names what
        differs, or with `replace` takes the place of all that was stored of it.
        """
        outcomes: list[Change | PrismcubeError | None] = [_refusal(entry) for entry in entries]
        with self._session.write() as connection:
            layouts = _known_layouts(connection, entries)
            for number, entry in enumerate(entries):
                if entry.container.layout_id not in layouts:
                    outcomes[number] = NotFound("layout", entry.container.layout_id)
            known = _known_files(connection, [entry.container.uri for entry in entries])
            new: dict[str, int] = {}
            alone = []
            for number, entry in enumerate(entries):
                uri = entry.container.uri
                if outcomes[number] is not None:
                    continue
                if uri not in known and uri not in new:
                    new[uri] = number
                elif uri in known and _is_same(entry, *known[uri]):
                    outcomes[number] = Change.UNCHANGED
                    put_headers(connection, known[uri][0].id, entry.headers)
                else:
                    alone.append(number)
            _insert(connection, [entries[number] for number in new.values()])
            for number in new.values():
                outcomes[number] = Change.CREATED
            for number in alone:
                outcomes[number] = _put_alone(connection, entries[number], replace_differing=replace)
        return [outcome for outcome in outcomes if outcome is not None]


def _refusal(entry: FileEntry) -> PrismcubeError | None:
    """Why an entry can't be stored whatever the catalogue holds."""
    try:
        for holding in entry.holdings:
            record_values(holding.record)
    except InvalidInput as error:
        return error
    datasets = [one for holding in entry.holdings for one in holding.datasets]
    bands = [(one.subdir, band) for one in datasets for band in one.bands]
    complete = bands and all(one.bands and min(one.bands) > 0 for one in datasets)
    if not complete or len(set(bands)) != len(bands) or not all(holding.datasets for holding in entry.holdings):
        return InvalidInput("datasets", "need bands, numbered from 1 on, each in one of them only")
    return None


def _known_layouts(connection: Connection, entries: Sequence[FileEntry]) -> set[int | None]:
    wanted = sorted({id for entry in entries if (id := entry.container.layout_id) is not None})
    stored = connection.scalars(select(layout.c.id).where(layout.c.id.in_(wanted))) if wanted else ()
    return {None, *stored}


def _known_files(connection: Connection, uris: Sequence[str]) -> dict[str, tuple[Any, list[Any]]]:
    """Container and dataset rows of those files that the catalogue has."""
    files = {row.uri: (row, list[Any]()) for row in connection.execute(CONTAINERS, {"uris": uris})}
    if files:
        rows = connection.execute(DATASETS, {"ids": [of_file.id for of_file, _ in files.values()]})
        for row in rows:
            files[row.uri][1].append(row)
    return files


def _entry(of_file: Any, rows: Sequence[Any]) -> FileEntry:
    datasets: dict[int, list[Dataset]] = {}
    records: dict[int, Record] = {}
    for row in rows:
        datasets.setdefault(row.record_id, []).append(dataset_of(row))
        if row.record_id not in records:
            tags = MappingProxyType(row.tags)
            records[row.record_id] = Record(
                name=row.name, time=row.time, tags=tags, aoi_id=row.aoi_id, id=row.record_id
            )
    holdings = tuple(Holding(record=records[id], datasets=tuple(some)) for id, some in datasets.items())
    return FileEntry(container=container_of(of_file), holdings=holdings)


def _is_same(entry: FileEntry, stored: Any, datasets: Sequence[Any]) -> bool:
    """True when storing the entry would change nothing."""
    wanted = container_values(entry.container)
    if any(getattr(stored, name) != value for name, value in wanted.items()):
        return False
    by_bands = {
        (row.subdir, tuple(row.bands)): (row.name, row.time, row.tags, facts(dataset_of(row))) for row in datasets
    }
    for holding in entry.holdings:
        key = record_values(holding.record)
        of_record = (key["name"], key["time"], key["tags"])
        if any(by_bands.get((one.subdir, one.bands)) != (*of_record, facts(one)) for one in holding.datasets):
            return False
    return True


def _insert(connection: Connection, entries: Sequence[FileEntry]) -> None:
    """Store files of which the catalogue has none; their records may exist."""
    if not entries:
        return
    values = [container_values(entry.container) for entry in entries]
    containers = insert_with_ids(connection, container, values)
    insert_headers(connection, zip(containers, (entry.headers for entry in entries), strict=True))
    held = [
        (holding, container_id)
        for entry, container_id in zip(entries, containers, strict=True)
        for holding in entry.holdings
    ]
    areas = [AOI(geometry=holding.datasets[0].footprint) for holding, _ in held]
    records = ids_of(connection, [holding.record for holding, _ in held], areas)
    datasets = [
        (holding.record, replace(one, record_id=record_id, container_id=container_id, time=holding.record.time))
        for (holding, container_id), record_id in zip(held, records, strict=True)
        for one in holding.datasets
    ]
    ids = insert_with_ids(connection, dataset, [dataset_values(one) for _, one in datasets])
    bands = [row for (_, one), id in zip(datasets, ids, strict=True) for row in band_values(one, id)]
    insert_rows(connection, dataset_band, bands)
    added = [
        Seen(
            id=id,
            instance_id=one.instance_id,
            tags=of.tags,
            time=one.time,
            footprint=one.footprint,
            grid=one.grid,
            covered=one.covered,
        )
        for (of, one), id in zip(datasets, ids, strict=True)
        if one.status is DatasetStatus.ACTIVE
    ]
    publish(connection, added=added)


def _put_alone(connection: Connection, entry: FileEntry, *, replace_differing: bool) -> Change | PrismcubeError:
    """Store a file that the catalogue has and that differs; the error when it may not."""
    session = BoundSession(connection)
    try:
        with connection.begin_nested():
            of_file, change = Containers(session).put(entry.container)
            put_headers(connection, of_file.id or 0, entry.headers)
            changes = {change}
            kept = set()
            for holding in entry.holdings:
                stored = Records(session).find(holding.record)
                if stored is None:
                    area = AOIs(session).get_or_create(AOI(geometry=holding.datasets[0].footprint))
                    stored, _ = Records(session).get_or_create(replace(holding.record, aoi_id=area.id))
                for one in holding.datasets:
                    wanted = replace(one, record_id=stored.id or 0, container_id=of_file.id or 0, time=stored.time)
                    put, done = Datasets(session).put(
                        wanted, file_changed=change is Change.UPDATED, replace_differing=replace_differing
                    )
                    changes.add(done)
                    kept.add(put.id)
            if replace_differing:
                stored_ids = connection.scalars(OF_CONTAINER, {"key": of_file.id})
                gone = [id for id in stored_ids if id not in kept]
                Datasets(session).delete(gone)
                changes |= {Change.UPDATED} if gone else set()
    except PrismcubeError as error:
        return error
    return Change.UNCHANGED if changes == {Change.UNCHANGED} else Change.UPDATED
