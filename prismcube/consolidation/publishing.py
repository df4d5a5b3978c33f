"""What was written comes into the catalogue, and takes the place of what was there.

    index    files and their datasets, inactive and locked by the job      readers see nothing of them
    swap     one transaction: new ones active, old ones to be deleted      readers see all of it or nothing
    rollback one transaction: new ones gone, old ones active; then files

Each may be run again after it was broken off anywhere, and then finds what was done: by the locks, which the job keeps
until nothing can be taken back any more. Without them others may have gone on with what was there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from prismcube.catalogue import Catalogue, FileEntry, Holding
from prismcube.catalogue.catalogue import UnitOfWork
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.catalogue.documents import Stored
from prismcube.consolidation.planning import Target, has_data
from prismcube.consolidation.selection import pages
from prismcube.consolidation.slab import Slab
from prismcube.consolidation.valid import footprint_of
from prismcube.consolidation.written import Written
from prismcube.errors import Conflict, PrismcubeError, SourceError
from prismcube.model.entities import AOI, Container, Dataset, DatasetStatus, Record
from prismcube.model.globe import polygons
from prismcube.model.layout import Layout
from prismcube.storage import store
from prismcube.storage.buckets import Missing
from prismcube.storage.uri import gdal_path, is_remote, without_secret
from prismcube.tiff.current import current_header, current_headers
from prismcube.tiff.layout import Header

BATCH = 50
"""Files a transaction."""

READERS = 8
"""Files whose headers are read at once: of remote ones that is waiting."""


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A file that a task has written."""

    slab: Slab
    """Without its pages."""
    etag: str
    size: int
    """Bytes."""
    dates: tuple[Written, ...]
    """In the order of the file."""

    def to_json(self) -> dict[str, Any]:
        return {
            "slab": replace(self.slab, pages=()).to_json(),
            "etag": self.etag,
            "bytes": self.size,
            "dates": [one.to_json() for one in self.dates],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> WrittenFile:
        return cls(
            slab=Slab.from_json(document["slab"]),
            etag=document["etag"],
            size=int(document["bytes"]),
            dates=tuple(map(Written.from_json, document["dates"])),
        )


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Brings the files of a job into the catalogue."""

    catalogue: Catalogue
    job: str
    layout: Stored[Layout]
    targets: Mapping[int, Target]
    """By id of the instance."""
    collapse: Record | None = None

    def index(self, files: Iterable[WrittenFile]) -> Iterator[int]:
        """Store files and datasets; after each batch, how many of them are stored.

        What is collapsed needs its record (`make_record`).

        Raises SourceError for a file that is gone or another one, Conflict for what the catalogue has otherwise.
        """
        for some in batched((one for one in files if one.dates), BATCH):
            entries = self._entries(some)
            with self.catalogue.transaction() as unit:
                for outcome in unit.files.put_many(entries):
                    if isinstance(outcome, PrismcubeError):
                        raise outcome
                stored = unit.files.known([one.container.uri for one in entries])
                ids = [d.id or 0 for file in stored.values() for of in file.holdings for d in of.datasets]
                unit.datasets.lock(ids, self.job)
            yield len(some)

    def _entries(self, files: Sequence[WrittenFile]) -> list[FileEntry]:
        ids = {one.record for file in files for one in file.dates if one.record}
        records = {one.id: one for one in self.catalogue.records.get_many(ids)}
        copied = {one.copied for file in files for one in file.dates if one.copied}
        known = {one.id: one for one in self.catalogue.datasets.get_many(copied)}
        if self.collapse is not None and (record := self.catalogue.records.find(self.collapse)) is not None:
            records[0] = record
        with ThreadPoolExecutor(READERS, thread_name_prefix="headers") as pool:
            found = list(pool.map(_headers_of, files))
        return [self._entry(file, each, records, known) for file, each in zip(files, found, strict=True)]

    def make_record(self, collapse: Record, files: Iterable[WrittenFile]) -> None:
        """Store the record that all become, unless it is there; its area is the ground of all files."""
        if self.catalogue.records.find(collapse) is not None:
            return
        ground: BaseGeometry = MultiPolygon()
        for some in batched((one for one in files if one.dates), BATCH):
            parts = [footprint_of(file.slab.cell, one.valid) for file in some for one in file.dates]
            ground = shapely.union_all([ground, *parts])
        if ground.is_empty:  # no file, so nothing is of the record
            return
        with self.catalogue.transaction() as unit:
            area = unit.aois.get_or_create(AOI(geometry=polygons(ground)))
            unit.records.get_or_create(replace(collapse, aoi_id=area.id))

    def _entry(
        self,
        file: WrittenFile,
        found: Sequence[Header],
        records: Mapping[int | None, Record],
        copied: Mapping[int | None, Dataset],
    ) -> FileEntry:
        uri, target = file.slab.uri, self.targets[file.slab.instance]
        holdings, headers = [], {}
        for one, header in zip(file.dates, found, strict=True):
            record = records[one.record]
            holdings.append(Holding(record=record, datasets=(self._dataset(file, one, record, copied),)))
            headers[one.subdir] = header
        return FileEntry(
            container=Container(
                uri=uri,
                managed=True,
                storage_class=target.params.storage_class.value,
                etag=file.etag,
                layout_id=self.layout.id,
                loss=target.params.loss,
            ),
            holdings=tuple(holdings),
            headers=headers,
        )

    def _dataset(
        self, file: WrittenFile, one: Written, record: Record, copied: Mapping[int | None, Dataset]
    ) -> Dataset:
        target, cell = self.targets[file.slab.instance], file.slab.cell
        if one.copied:
            footprint, part = copied[one.copied].footprint, copied[one.copied].part
        else:
            footprint = footprint_of(cell, one.valid)
            part = None if one.part is None else one.part.bounds(cell.grid)
        return Dataset(
            record_id=record.id or 0,
            instance_id=file.slab.instance,
            container_id=0,
            time=record.time,
            uri=file.slab.uri,
            subdir=one.subdir,
            bands=tuple(range(1, len(target.variable.bands) + 1)),
            format=target.stored,
            mapping=target.mapping,
            grid=cell.grid,
            footprint=footprint,
            part=part,
            status=DatasetStatus.INACTIVE,
        )


def _headers_of(file: WrittenFile) -> list[Header]:
    """Of each date. Raises SourceError for a file that is gone or another one."""
    uri = file.slab.uri
    found = [current_header(uri)] if len(file.dates) == 1 else current_headers(uri)
    if found[0].etag != file.etag:
        raise SourceError(without_secret(uri), "is not the file that was written")
    if len(found) != len(file.dates):
        raise SourceError(without_secret(uri), f"has {len(found)} dates, {len(file.dates)} were written")
    return found


def check_files(files: Iterable[WrittenFile]) -> None:
    """Files lie where they were written: a job may have waited for days since, and what they replace goes soon.

    Raises SourceError for the first one that is gone or another one.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="files") as pool:
        for some in batched((one for one in files if one.dates), BATCH):
            for one, etag in zip(some, pool.map(_etag_of, some), strict=True):
                if etag != one.etag:
                    reason = "is not the file that was written" if etag else "is gone"
                    raise SourceError(without_secret(one.slab.uri), f"{reason}; what it replaces stays")


def _etag_of(file: WrittenFile) -> str:
    """Empty when it is not there."""
    try:
        return store.stat(file.slab.uri).etag
    except Missing:
        return ""


def publish(catalogue: Catalogue, old: Sequence[int], *, job: str, collapse: Record | None = None) -> int:
    """Readers get the new datasets of a job in place of `old`; how many there are. A second time does nothing.

    All stay locked: until nobody can take it back. Raises Conflict when another job holds one of them, or has given
    such datasets to the record `collapse` meanwhile, which these would be laid over.
    """
    with catalogue.transaction() as unit:
        found = [*pages(unit, DatasetFilter(job=job, status=DatasetStatus.INACTIVE))]
        if collapse is not None and found and has_data(unit, collapse, {one.instance_id for one in found}):
            raise Conflict("record", collapse.name, "has such datasets of another job meanwhile; cancel this one")
        new = [one.id or 0 for one in found]
        parts = batched([*new, *old], BATCH * 10)
        held = any(holder == job for some in parts for holder in unit.datasets.locks(some).values())
        if held:  # else it is done, and others may work with them
            unit.datasets.swap({DatasetStatus.ACTIVE: new, DatasetStatus.TO_DELETE: old}, job=job)
    return len(new)


def roll_back_files(
    catalogue: Catalogue, old: Sequence[int], folders: Sequence[str], *, job: str, collapse: Record | None = None
) -> int:
    """Take everything back: rows by one transaction, then the files below `folders`; how many files went.

    `old`: those that were to be replaced; `collapse`: the record that the job has made. Rows are touched as long as the
    job has its locks: without them it is done already, and others may have gone on. Files that the catalogue still has
    then stay. Raises SourceError when a file can't be removed.
    """
    files = {folder: files_below(folder) for folder in folders}
    with catalogue.transaction() as unit:
        new = [one for one in pages(unit, DatasetFilter(job=job)) if _is_in(one.uri, folders)]
        if unit.datasets.unlock(job):
            _roll_back_rows(unit, old, new)
            if collapse is not None and (record := unit.records.find(collapse)) is not None:
                unit.records.delete([record.id or 0], keep_referenced=True)
                unit.aois.delete([] if record.aoi_id is None else [record.aoi_id], keep_referenced=True)
        uris = [uri for some in files.values() for uri in some]
        known = {uri for some in batched(uris, BATCH * 4) for uri in unit.files.known(list(some))}
    for folder, some in files.items():
        remove_files([uri for uri in some if uri not in known], folder)
    return len(uris) - len(known)


def _roll_back_rows(unit: UnitOfWork, old: Sequence[int], new: Sequence[Dataset]) -> None:
    back = [one.id or 0 for one in pages(unit, DatasetFilter(ids=tuple(old), status=DatasetStatus.TO_DELETE))]
    gone = [one.id or 0 for one in new if one.status is DatasetStatus.ACTIVE]
    unit.datasets.swap({DatasetStatus.ACTIVE: back, DatasetStatus.INACTIVE: gone})
    unit.datasets.delete([one.id or 0 for one in new])
    unit.containers.delete(sorted({one.container_id for one in new}))


def _is_in(uri: str, folders: Iterable[str]) -> bool:
    return any(uri.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def files_below(folder: str) -> list[str]:
    """URIs of all files below a folder, which may not be there."""
    try:
        return list(store.list_files(folder))
    except Missing:
        return []


def remove_files(uris: Iterable[str], folder: str) -> None:
    """Remove files, and the folders below and with `folder` that are empty then. Raises SourceError."""
    for uri in uris:
        with suppress(Missing):
            store.delete(uri)
    if not is_remote(folder):
        _remove_empty(Path(gdal_path(folder)))


def _remove_empty(folder: Path) -> None:
    """Folders of files that are gone, from the innermost; those that hold something stay."""
    if not folder.is_dir():
        return
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            _remove_empty(one)
    with suppress(OSError):
        folder.rmdir()
