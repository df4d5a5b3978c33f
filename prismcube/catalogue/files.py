"""Files with all that the catalogue keeps of them, stored many at once: the way in for the indexer.

A file is a container, the record it belongs to and the datasets it holds. Of a batch, files that are new go in with a
handful of statements for all together, files that are known and the same are found with two, and only those that
differ are stored one by one, each in a savepoint. (One by one costs 18 statements a file, most of it SQLAlchemy's own
time: 250 files a second instead of thousands.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from prismcube.catalogue.aois import AOIs
from prismcube.catalogue.containers import Containers
from prismcube.catalogue.datasets import INSERT_BANDS, SELECT, Datasets, band_values, dataset_of, dataset_values, facts
from prismcube.catalogue.engine import BoundSession, Change, Session
from prismcube.catalogue.records import Records, record_key
from prismcube.catalogue.tables import aoi, container, dataset, record
from prismcube.errors import InvalidInput, PrismcubeError
from prismcube.model.entities import AOI, Container, Dataset, Record

AOIS = select(aoi.c.id, aoi.c.hash).where(aoi.c.hash.in_(bindparam("keys", expanding=True)))
RECORDS = select(record).where(record.c.name.in_(bindparam("names", expanding=True)))
CONTAINERS = select(container).where(container.c.uri.in_(bindparam("uris", expanding=True)))
DATASETS = (
    SELECT.add_columns(record.c.name, record.c.tags)
    .join(record, record.c.id == dataset.c.record_id)
    .where(dataset.c.container_id.in_(bindparam("ids", expanding=True)))
)
INSERT_AOIS = insert(aoi).returning(aoi.c.id, sort_by_parameter_order=True)
INSERT_RECORDS = insert(record).returning(record.c.id, sort_by_parameter_order=True)
INSERT_CONTAINERS = insert(container).returning(container.c.id, sort_by_parameter_order=True)
INSERT_DATASETS = insert(dataset).returning(dataset.c.id, sort_by_parameter_order=True)


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A file to store; ids that the catalogue gives (of record, container and datasets) are ignored."""

    record: Record
    container: Container
    datasets: tuple[Dataset, ...]
    """At least one. A record that is new gets the first one's footprint as its AOI."""


class Files:
    """Stores files with their record and datasets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put_many(self, entries: Sequence[FileEntry]) -> list[Change | PrismcubeError]:
        """Store files, a few hundred at a time; one outcome for each. One that fails leaves nothing behind."""
        outcomes: list[Change | PrismcubeError | None] = [_refusal(entry) for entry in entries]
        with self._session.write() as connection:
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
                else:
                    alone.append(number)
            _insert(connection, [entries[number] for number in new.values()])
            for number in new.values():
                outcomes[number] = Change.CREATED
            for number in alone:
                outcomes[number] = _put_alone(connection, entries[number])
        return [outcome for outcome in outcomes if outcome is not None]


def _refusal(entry: FileEntry) -> PrismcubeError | None:
    """Why an entry can't be stored whatever the catalogue holds."""
    try:
        record_key(entry.record)
    except InvalidInput as error:
        return error
    bands = [(one.subdir, band) for one in entry.datasets for band in one.bands]
    if (
        not bands
        or len(set(bands)) != len(bands)
        or not all(one.bands and min(one.bands) > 0 for one in entry.datasets)
    ):
        return InvalidInput("datasets", "need bands, numbered from 1 on, each in one of them only")
    return None


def _known_files(connection: Connection, uris: Sequence[str]) -> dict[str, tuple[Any, list[Any]]]:
    """Container and dataset rows of those files that the catalogue has."""
    files = {row.uri: (row, list[Any]()) for row in connection.execute(CONTAINERS, {"uris": uris})}
    rows = connection.execute(DATASETS, {"ids": [of_file.id for of_file, _ in files.values()]})
    for row in rows:
        files[row.uri][1].append(row)
    return files


def _is_same(entry: FileEntry, stored: Any, datasets: Sequence[Any]) -> bool:
    """True when storing the entry would change nothing."""
    wanted = entry.container
    if (stored.managed, stored.storage_class, stored.etag) != (wanted.managed, wanted.storage_class, wanted.etag):
        return False
    key = record_key(entry.record)
    by_bands = {
        (row.subdir, tuple(row.bands)): facts(dataset_of(row))
        for row in datasets
        if (row.name, row.time, row.tags) == (key["name"], key["time"], key["tags"])
    }
    return all(by_bands.get((one.subdir, one.bands)) == facts(one) for one in entry.datasets)


def _insert(connection: Connection, entries: Sequence[FileEntry]) -> None:
    """Store files of which the catalogue has none; their records may exist."""
    if not entries:
        return
    records = _record_ids(connection, entries)
    values = [_container_values(entry.container) for entry in entries]
    containers = connection.scalars(INSERT_CONTAINERS, values).all()
    datasets = [
        replace(one, record_id=record_id, container_id=container_id, time=entry.record.time)
        for entry, record_id, container_id in zip(entries, records, containers, strict=True)
        for one in entry.datasets
    ]
    ids = connection.scalars(INSERT_DATASETS, [dataset_values(one) for one in datasets]).all()
    bands = [row for one, id in zip(datasets, ids, strict=True) for row in band_values(one, id)]
    connection.execute(INSERT_BANDS, bands)


def _record_ids(connection: Connection, entries: Sequence[FileEntry]) -> list[int]:
    """Ids of the entries' records; stores those that are new."""
    names = sorted({entry.record.name for entry in entries})
    ids = {_hashable(row._mapping): row.id for row in connection.execute(RECORDS, {"names": names})}
    new: dict[Any, FileEntry] = {}
    for entry in entries:
        key = _hashable(record_key(entry.record))
        if key not in ids:
            new.setdefault(key, entry)
    if new:
        areas = _aoi_ids(connection, [AOI(geometry=entry.datasets[0].footprint) for entry in new.values()])
        values = [{**record_key(entry.record), "aoi_id": area} for entry, area in zip(new.values(), areas, strict=True)]
        ids.update(zip(new, connection.scalars(INSERT_RECORDS, values), strict=True))
    return [ids[_hashable(record_key(entry.record))] for entry in entries]


def _aoi_ids(connection: Connection, areas: Sequence[AOI]) -> list[int]:
    """Ids of areas; stores those that are new."""
    by_hash = {area.hash: area for area in areas}
    hashes = [area.hash for area in areas]
    ids = {row.hash: row.id for row in connection.execute(AOIS, {"keys": list(by_hash)})}
    new = [key for key in by_hash if key not in ids]
    if new:
        values = [{"hash": key, "geometry": by_hash[key].geometry} for key in new]
        ids.update(zip(new, connection.scalars(INSERT_AOIS, values), strict=True))
    return [ids[key] for key in hashes]


def _put_alone(connection: Connection, entry: FileEntry) -> Change | PrismcubeError:
    """Store a file that the catalogue has and that differs; the error when it may not."""
    session = BoundSession(connection)
    try:
        with connection.begin_nested():
            stored = Records(session).find(entry.record)
            if stored is None:
                area = AOIs(session).get_or_create(AOI(geometry=entry.datasets[0].footprint))
                stored, _ = Records(session).get_or_create(replace(entry.record, aoi_id=area.id))
            of_file, change = Containers(session).put(entry.container)
            changes = {change}
            for one in entry.datasets:
                wanted = replace(one, record_id=stored.id or 0, container_id=of_file.id or 0, time=stored.time)
                changes.add(Datasets(session).put(wanted, file_changed=change is Change.UPDATED)[1])
    except PrismcubeError as error:
        return error
    return Change.UNCHANGED if changes == {Change.UNCHANGED} else Change.UPDATED


def _container_values(one: Container) -> dict[str, Any]:
    return {"uri": one.uri, "managed": one.managed, "storage_class": one.storage_class, "etag": one.etag}


def _hashable(key: Any) -> tuple[Any, ...]:
    return key["name"], key["time"], tuple(sorted(key["tags"].items()))
