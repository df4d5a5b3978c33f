"""What was written comes into the catalogue, and takes the place of what was there.

    index    files and their datasets, inactive and locked by the job      readers see nothing of them
    swap     one transaction: new ones active, old ones to be deleted      readers see all of it or nothing
    rollback one transaction: new ones gone, old ones active; then files

Each may be run again after it was broken off anywhere, and then finds what was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import batched
from pathlib import Path
from typing import Any

import shapely

from prismcube.catalogue import Catalogue, FileEntry, Holding
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.catalogue.documents import Stored
from prismcube.consolidation.planning import Target
from prismcube.consolidation.selection import pages
from prismcube.consolidation.slab import Slab
from prismcube.consolidation.valid import footprint_of
from prismcube.consolidation.writing import Written
from prismcube.errors import PrismcubeError, SourceError
from prismcube.model.entities import AOI, Container, Dataset, DatasetStatus, Record
from prismcube.model.globe import polygons
from prismcube.model.layout import Layout
from prismcube.storage import store
from prismcube.storage.buckets import Missing
from prismcube.storage.uri import gdal_path, is_remote, without_secret
from prismcube.tiff.current import current_header, current_headers

BATCH = 50
"""Files a transaction."""


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
        if self.collapse is not None:
            records[0] = self._collapsed(files)
        return [self._entry(file, records, known) for file in files]

    def _collapsed(self, files: Sequence[WrittenFile]) -> Record:
        """The new record; its area is the ground of the first files."""
        if self.collapse is None:
            raise TypeError("nothing is collapsed")
        known = self.catalogue.records.find(self.collapse)
        if known is not None:
            return known
        parts = [footprint_of(file.slab.cell, one.valid) for file in files for one in file.dates]
        with self.catalogue.transaction() as unit:
            area = unit.aois.get_or_create(AOI(geometry=polygons(shapely.union_all(parts))))
            return unit.records.get_or_create(replace(self.collapse, aoi_id=area.id))[0]

    def _entry(
        self, file: WrittenFile, records: Mapping[int | None, Record], copied: Mapping[int | None, Dataset]
    ) -> FileEntry:
        uri, target = file.slab.uri, self.targets[file.slab.instance]
        status = store.stat(uri)
        if status.etag != file.etag:
            raise SourceError(without_secret(uri), "is not the file that was written")
        holdings, headers = [], {}
        found = [current_header(uri)] if len(file.dates) == 1 else current_headers(uri)
        if len(found) != len(file.dates):
            raise SourceError(without_secret(uri), f"has {len(found)} dates, {len(file.dates)} were written")
        for one, header in zip(file.dates, found, strict=True):
            record = records[one.record]
            holdings.append(Holding(record=record, datasets=(self._dataset(file, one, record, copied),)))
            headers[one.subdir] = header
        return FileEntry(
            container=Container(
                uri=uri,
                managed=True,
                storage_class=target.params.storage_class.value,
                etag=status.etag,
                layout_id=self.layout.id,
            ),
            holdings=tuple(holdings),
            headers=headers,
        )

    def _dataset(
        self, file: WrittenFile, one: Written, record: Record, copied: Mapping[int | None, Dataset]
    ) -> Dataset:
        target, cell = self.targets[file.slab.instance], file.slab.cell
        footprint = copied[one.copied].footprint if one.copied else footprint_of(cell, one.valid)
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
            status=DatasetStatus.INACTIVE,
        )


def publish(catalogue: Catalogue, old: Sequence[int], *, job: str) -> int:
    """Readers get the new datasets of a job in place of `old`; how many there are. A second time does nothing.

    Raises Conflict when another job holds one of them.
    """
    with catalogue.transaction() as unit:
        new = [one.id or 0 for one in pages(unit, DatasetFilter(job=job, status=DatasetStatus.INACTIVE))]
        parts = batched([*new, *old], BATCH * 10)
        held = any(holder == job for some in parts for holder in unit.datasets.locks(some).values())
        if held:  # else it is done, and others may work with them
            unit.datasets.swap({DatasetStatus.ACTIVE: new, DatasetStatus.TO_DELETE: old}, job=job)
            unit.datasets.unlock(job)
    return len(new)


def roll_back_files(catalogue: Catalogue, old: Sequence[int], folders: Iterable[str], *, job: str) -> int:
    """Take everything back: rows by one transaction, then the files below `folders`; how many files went.

    `old`: those that were to be replaced. Raises Conflict when others work with them by now, SourceError when a file
    can't be removed.
    """
    files = {folder: files_below(folder) for folder in folders}
    uris = [uri for some in files.values() for uri in some]
    with catalogue.transaction() as unit:
        unit.datasets.unlock(job)
        known = [file for some in batched(uris, BATCH * 4) for file in unit.files.known(list(some)).values()]
        new = [d for file in known for of in file.holdings for d in of.datasets]
        back = [one.id or 0 for one in pages(unit, DatasetFilter(ids=tuple(old), status=DatasetStatus.TO_DELETE))]
        gone = [one.id or 0 for one in new if one.status is DatasetStatus.ACTIVE]
        unit.datasets.swap({DatasetStatus.ACTIVE: back, DatasetStatus.INACTIVE: gone}, job=job)
        unit.datasets.delete([one.id or 0 for one in new])
        unit.containers.delete([file.container.id or 0 for file in known])
    for folder, some in files.items():
        remove_files(some, folder)
    return len(uris)


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
