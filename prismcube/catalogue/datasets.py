"""Datasets: which bands of which file hold which instance for which record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from prismcube.catalogue.bulk import CHUNK
from prismcube.catalogue.changes import publish, seen
from prismcube.catalogue.dataset_rows import SELECT, band_values, dataset_of, dataset_values, facts
from prismcube.catalogue.engine import Change
from prismcube.catalogue.filters import fits, within
from prismcube.catalogue.findings import Findings, find
from prismcube.catalogue.references import Deletion, delete_rows
from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.spatial import ALWAYS, footprint_intersects, of_instances
from prismcube.catalogue.tables import container, dataset, dataset_band, dataset_lock, instance, record, variable
from prismcube.catalogue.types import format_document
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import MOVES, Dataset, DatasetStatus
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period
from prismcube.storage.uri import without_secret

OWNERS = (  # the datasets that have any of these bands
    SELECT.join(dataset_band, dataset_band.c.dataset_id == dataset.c.id)
    .where(
        dataset_band.c.container_id == bindparam("container"),
        dataset_band.c.subdir == bindparam("directory"),
        dataset_band.c.band.in_(bindparam("wanted", expanding=True)),
    )
    .order_by(dataset.c.id)
    .distinct()
)
INSERT = insert(dataset).returning(dataset.c.id)
INSERT_BANDS = insert(dataset_band)
FROM_FILE = ("format", "crs", "transform", "size", "slant")
"""Those of `facts` that a file says itself."""
FILE_COLUMNS = (
    "format", "crs", "x0", "y0", "dx", "dy", "width", "height", "left", "bottom", "right", "top", "slant", "footprint",
    "west", "south", "east", "north",
)  # fmt: skip
UPDATE = (
    update(dataset)
    .where(dataset.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in FILE_COLUMNS})
)
SET_STATUS = (
    update(dataset).where(dataset.c.id.in_(bindparam("ids", expanding=True))).values(status=bindparam("new_status"))
)
INSTANCE_NAME = (
    select(variable.c.name + "/" + instance.c.name)
    .join(instance, instance.c.variable_id == variable.c.id)
    .where(instance.c.id == bindparam("key"))
)
RECORD_NAME = select(record.c.name).where(record.c.id == bindparam("key"))
COUNT = select(func.count()).select_from(dataset)
STATUSES = select(dataset.c.id, dataset.c.status).where(dataset.c.id.in_(bindparam("ids", expanding=True)))
LOCKS = select(dataset_lock).where(dataset_lock.c.dataset_id.in_(bindparam("ids", expanding=True)))
INSERT_LOCKS = insert(dataset_lock)
MAPPINGS = (  # of the stored bands of an instance: which formats and mappings, and how many of each
    select(dataset.c.format, dataset.c.mapping, func.count().label("number"))
    .where(dataset.c.instance_id == bindparam("instance"))
    .group_by(dataset.c.format, dataset.c.mapping)
    .order_by(func.count().desc(), dataset.c.format, dataset.c.mapping)
)


Found = list[Dataset]  # inside the class, `list` is the method


@dataclass(frozen=True, kw_only=True)
class DatasetFilter:
    """Which datasets are meant; all that is given must hold."""

    ids: tuple[int, ...] | None = None
    records: tuple[int, ...] | None = None
    instances: tuple[int, ...] | None = None
    containers: tuple[int, ...] | None = None
    uri: Pattern | None = None
    """Of the container."""
    status: DatasetStatus | None = None
    period: Period = ALWAYS
    """Its limits included."""
    area: BaseGeometry | None = None
    """Longitude, latitude; the footprint has a point in common with it."""
    job: str | None = None
    """That holds the lock."""

    def conditions(self) -> list[ColumnElement[bool]]:
        columns = (dataset.c.id, dataset.c.record_id, dataset.c.container_id)
        given = zip(columns, (self.ids, self.records, self.containers), strict=True)
        found: list[ColumnElement[bool]] = [within(dataset.c.time, self.period)]
        found += [column.in_(sorted(set(ids))) for column, ids in given if ids is not None]
        if self.instances is not None:
            found.append(of_instances(set(self.instances), led_by_place=self.area is not None))
        if self.uri is not None:
            found.append(fits(container.c.uri, self.uri))
        if self.status is not None:
            found.append(dataset.c.status == self.status.value)
        if self.area is not None:
            found.append(footprint_intersects(self.area, self.period))
        if self.job is not None:
            found.append(dataset.c.id.in_(select(dataset_lock.c.dataset_id).where(dataset_lock.c.job == self.job)))
        return found


@dataclass(frozen=True, kw_only=True)
class Remapping:
    """How many datasets have had a format and mapping, and whether an update gives them another."""

    format: DataFormat
    mapping: ValueMapping
    number: int
    changes: bool


class Datasets(Repository[Dataset]):
    """The repository of datasets."""

    kind = "dataset"
    table = dataset
    select = SELECT

    def get(self, id: int) -> Dataset:
        """Raises NotFound."""
        return self.get_by_id(id)

    def list(self, wanted: DatasetFilter | None = None, *, after: Key | None = None, limit: int = 100) -> list[Dataset]:
        """By id, of any status."""
        with self._session.read() as connection:
            return self._page(connection, *(wanted or DatasetFilter()).conditions(), after=after, limit=limit)

    def count(self) -> int:
        """How many datasets there are, of any status. Reads an index from end to end."""
        with self._session.read() as connection:
            return connection.scalar(COUNT) or 0

    def search(
        self,
        collection: Collection,
        fields: Sequence[StoredField],
        *,
        period: Period = ALWAYS,
        area: BaseGeometry | None = None,
    ) -> Found:
        """The active datasets that hold these fields of a collection, by (time, id).

        `period` includes its limits; `area`, in longitude and latitude, must have a point in common with the footprint.
        """
        return self.find(collection, fields, period=period, area=area).datasets

    def find(
        self,
        collection: Collection,
        fields: Sequence[StoredField],
        *,
        period: Period = ALWAYS,
        area: BaseGeometry | None = None,
    ) -> Findings:
        """As `search`, with the datasets' records and the headers of their files."""
        with self._session.read() as connection:
            return find(connection, collection, fields, period=period, area=area)

    def create(self, wanted: Dataset) -> Dataset:
        """Store a new dataset.

        Raises Conflict, with the id, when a dataset has one of its bands; NotFound for an unknown record, instance or
        container.
        """
        with self._session.write() as connection:
            _check_bands(wanted)
            owner = connection.execute(OWNERS, _owned(wanted)).first()
            if owner is not None:
                try:
                    _check_same(connection, dataset_of(owner), wanted, may_differ=())
                except Conflict as error:
                    raise Conflict("dataset", owner.id, f"has {error.key}; {error.reason}") from error
                raise Conflict("dataset", owner.id, "is the same, and stored already")
            stored = _insert(connection, wanted)
            publish(connection, added=seen(connection, [stored.id or 0]))
        return stored

    def put(
        self, wanted: Dataset, *, file_changed: bool = False, replace_differing: bool = False
    ) -> tuple[Dataset, Change]:
        """Store a dataset; storing the same again changes nothing.

        With `file_changed`, what was read from the file (format, grid, footprint) is taken over. With
        `replace_differing`, datasets that have one of its bands and differ are removed for it.

        Raises Conflict, naming what differs, when another dataset has one of its bands: (container, subdirectory,
        band) belongs to one record and one instance only. Also when a job has locked what would change.
        """
        with self._session.write() as connection:
            _check_bands(wanted)
            owners = [dataset_of(row) for row in connection.execute(OWNERS, _owned(wanted))]
            if not owners:
                stored = _insert(connection, wanted)
                publish(connection, added=seen(connection, [stored.id or 0]))
                return stored, Change.CREATED
            ids = [one.id or 0 for one in owners]
            before = seen(connection, ids)
            try:
                differing = _check_same(connection, owners[0], wanted, may_differ=FROM_FILE if file_changed else ())
            except Conflict:
                if not replace_differing:
                    raise
                _check_unlocked(connection, ids, job=None)
                connection.execute(delete(dataset).where(dataset.c.id.in_(ids)))
                stored = _insert(connection, wanted)
            else:
                stored = replace(wanted, id=ids[0])
                if not differing:
                    return stored, Change.UNCHANGED
                _check_unlocked(connection, ids, job=None)
                connection.execute(UPDATE, {**_file_values(wanted), "key": stored.id})
            publish(connection, removed=before, added=seen(connection, [stored.id or 0]))
        return stored, Change.UPDATED

    def update(self, wanted: Dataset) -> Dataset:
        """Change the status, format or mapping of the dataset of that id; all else stays as the file has it.

        Raises NotFound, and Conflict, naming what differs, for any other change, one of a locked dataset, and a move
        that is not in `MOVES`.
        """
        with self._session.write() as connection:
            stored = self._one(connection, wanted.id or 0)
            for name in ("record_id", "instance_id", "container_id", "subdir", "bands"):
                if getattr(stored, name) != getattr(wanted, name):
                    reason = f"{name} is {getattr(stored, name)} and can't change; make another dataset"
                    raise Conflict("dataset", stored.id, reason)
            ids = [stored.id or 0]
            _check_moves(connection, ids, wanted.status)
            _check_unlocked(connection, ids, job=None)
            before = seen(connection, ids)
            values = dataset_values(wanted)
            changed = {name: values[name] for name in ("status", "format", "mapping")}
            connection.execute(update(dataset).where(dataset.c.id == stored.id).values(changed))
            after = self._one(connection, stored.id or 0)
            if facts(after) != facts(stored):
                publish(connection, removed=before, added=seen(connection, ids))
        return after

    def set_status(self, ids: Sequence[int], status: DatasetStatus, *, job: str | None = None) -> None:
        """Publish, hide or give up datasets, all at once; readers see all of them change or none.

        Raises NotFound, and Conflict for a move that is not in `MOVES` or a dataset locked by another job than `job`.
        """
        self.swap({status: ids}, job=job)

    def swap(self, wanted: Mapping[DatasetStatus, Sequence[int]], *, job: str | None = None) -> None:
        """Give datasets their new status in one step, so that readers never see old and new together or neither.

        Raises as `set_status` does.
        """
        every = [id for ids in wanted.values() for id in ids]
        with self._session.write() as connection:
            for status, ids in wanted.items():
                _check_moves(connection, ids, status)
            _check_unlocked(connection, every, job=job)
            before = seen(connection, every)
            for status, ids in wanted.items():
                for some in batched(ids, CHUNK):
                    connection.execute(SET_STATUS, {"ids": some, "new_status": status.value})
            after = seen(connection, every)
            same = {one.id for one in before} & {one.id for one in after}
            publish(
                connection,
                removed=[one for one in before if one.id not in same],
                added=[one for one in after if one.id not in same],
            )

    def lock(self, ids: Iterable[int], job: str) -> None:
        """Keep others than `job` from changing datasets; all or none. Locking again is no mistake.

        Raises NotFound, and Conflict, naming the job, when another holds one of them.
        """
        wanted = list(dict.fromkeys(ids))
        with self._session.write() as connection:
            _check_present(connection, wanted)
            _check_unlocked(connection, wanted, job=job)
            held = {row.dataset_id for row in _locks(connection, wanted)}
            now = datetime.now(UTC)
            rows = [{"dataset_id": id, "job": job, "time": now} for id in wanted if id not in held]
            if rows:
                connection.execute(INSERT_LOCKS, rows)

    def unlock(self, job: str, *, only: Sequence[int] | None = None) -> int:
        """Release all datasets that a job has locked, or `only` these of them, a few hundred at a time; how many."""
        theirs = delete(dataset_lock).where(dataset_lock.c.job == job)
        if only is not None:
            theirs = theirs.where(dataset_lock.c.dataset_id.in_(only))
        with self._session.write() as connection:
            return connection.execute(theirs).rowcount

    def locks(self, ids: Iterable[int]) -> dict[int, str]:
        """The job that holds each of these datasets; those that are free are left out."""
        wanted = list(ids)
        with self._session.read() as connection:
            return {row.dataset_id: row.job for row in _locks(connection, wanted)}

    def delete(self, ids: Sequence[int], *, keep_referenced: bool = False) -> Deletion:
        """Remove datasets; their files stay.

        Raises NotFound, and Conflict when a job has locked one of them; with `keep_referenced` those stay instead.
        """
        with self._session.write() as connection:
            before = {one.id: one for one in seen(connection, ids)}
            done = delete_rows(connection, dataset, ids, kind=self.kind, keep_referenced=keep_referenced)
            publish(connection, removed=[before[id] for id in done.deleted if id in before])
        return done

    def update_mapping(
        self,
        instance_id: int,
        format: DataFormat,
        mapping: ValueMapping,
        *,
        records: Sequence[int] | None = None,
        simulate: bool = False,
    ) -> Sequence[Remapping]:
        """Give all datasets of an instance, or those of some records, this format and value mapping of stored values.

        With `simulate`, only says what would change. Raises NotFound for an unknown instance, InvalidInput for numbers
        of another type than the files have, and Conflict when a job has locked one that would change.
        """
        theirs, changes = _remapped(instance_id, format, mapping, records)
        with self._session.write() as connection:
            if connection.scalar(INSTANCE_NAME, {"key": instance_id}) is None:
                raise NotFound("instance", instance_id)
            rows = connection.execute(MAPPINGS.where(*theirs), {"instance": instance_id}).all()
            wanted = (format_document(format), mapping)
            told = [
                Remapping(
                    format=row.format,
                    mapping=row.mapping,
                    number=row.number,
                    changes=(format_document(row.format), row.mapping) != wanted,
                )
                for row in rows
            ]
            for one in told:
                if one.changes and one.format.dtype != format.dtype:
                    raise InvalidInput("format.dtype", f"files hold {one.format.dtype}, which a mapping can't change")
            if not simulate and any(one.changes for one in told):
                ids = [*connection.scalars(select(dataset.c.id).where(*theirs, changes))]
                _check_unlocked(connection, ids, job=None)
                before = seen(connection, ids)
                connection.execute(update(dataset).where(*theirs, changes).values(format=format, mapping=mapping))
                publish(connection, removed=before, added=before)
        return told

    def remapped(
        self, instance_id: int, format: DataFormat, mapping: ValueMapping, *, records: Sequence[int] | None = None
    ) -> Sequence[int]:
        """Ids of those that `update_mapping` would change."""
        theirs, changes = _remapped(instance_id, format, mapping, records)
        with self._session.read() as connection:
            return [*connection.scalars(select(dataset.c.id).where(*theirs, changes))]

    @staticmethod
    def _entity(row: Any) -> Dataset:
        return dataset_of(row)


def _remapped(
    instance_id: int, format: DataFormat, mapping: ValueMapping, records: Sequence[int] | None
) -> tuple[list[ColumnElement[bool]], ColumnElement[bool]]:
    """Which datasets are meant, and which of them would change."""
    theirs: list[ColumnElement[bool]] = [dataset.c.instance_id == instance_id]
    if records is not None:
        theirs.append(dataset.c.record_id.in_(sorted(set(records))))
    return theirs, (dataset.c.format != format) | (dataset.c.mapping != mapping)


def _check_bands(one: Dataset) -> None:
    if not one.bands or len(set(one.bands)) != len(one.bands) or min(one.bands) < 1:
        raise InvalidInput("dataset.bands", f"must be distinct numbers from 1 on, got {list(one.bands)}")


def _owned(one: Dataset) -> dict[str, Any]:
    return {"container": one.container_id, "directory": one.subdir, "wanted": one.bands}


def _insert(connection: Connection, wanted: Dataset) -> Dataset:
    for table, kind, id in (
        (record, "record", wanted.record_id),
        (instance, "instance", wanted.instance_id),
        (container, "container", wanted.container_id),
    ):
        if connection.scalar(select(table.c.id).where(table.c.id == id)) is None:
            raise NotFound(kind, id)
    id = connection.scalar(INSERT, dataset_values(wanted))
    connection.execute(INSERT_BANDS, band_values(wanted, id))
    return replace(wanted, id=id)


def _check_present(connection: Connection, ids: Sequence[int]) -> None:
    for some in batched(ids, CHUNK):
        present = {row.id for row in connection.execute(STATUSES, {"ids": some})}
        for id in some:
            if id not in present:
                raise NotFound("dataset", id)


def _check_moves(connection: Connection, ids: Sequence[int], status: DatasetStatus) -> None:
    for some in batched(ids, CHUNK):
        stored = {row.id: DatasetStatus(row.status) for row in connection.execute(STATUSES, {"ids": some})}
        for id in some:
            if id not in stored:
                raise NotFound("dataset", id)
            if stored[id] is not status and status not in MOVES[stored[id]]:
                raise Conflict("dataset", id, f"is {stored[id].value} and can't become {status.value}")


def _check_unlocked(connection: Connection, ids: Sequence[int], *, job: str | None) -> None:
    for row in _locks(connection, ids):
        if row.job != job:
            raise Conflict("dataset", row.dataset_id, f"is locked by job {row.job!r}")


def _locks(connection: Connection, ids: Sequence[int]) -> list[Any]:
    return [row for some in batched(ids, CHUNK) for row in connection.execute(LOCKS, {"ids": some})]


def _check_same(connection: Connection, stored: Dataset, wanted: Dataset, *, may_differ: Sequence[str]) -> list[str]:
    """Names of the facts that differ, all of them among `may_differ`. Raises Conflict for any other difference."""
    differences = []
    if stored.record_id != wanted.record_id:
        names = [connection.scalar(RECORD_NAME, {"key": one.record_id}) for one in (stored, wanted)]
        differences.append(f"record is {names[0]!r} (id {stored.record_id}), not {names[1]!r} (id {wanted.record_id})")
    if stored.instance_id != wanted.instance_id:
        names = [connection.scalar(INSTANCE_NAME, {"key": one.instance_id}) for one in (stored, wanted)]
        differences.append(f"instance is {names[0]!r}, not {names[1]!r}")
    old, new = facts(stored), facts(wanted)
    differing = [key for key in old if old[key] != new[key] and key != "instance"]
    differences += [f"{key} is {old[key]}, not {new[key]}" for key in differing if key not in may_differ]
    if differences:
        bands = ", ".join(str(band) for band in sorted(set(stored.bands) & set(wanted.bands)))
        key = f"{without_secret(stored.uri)}{f' {stored.subdir}' if stored.subdir else ''} band {bands}"
        raise Conflict("dataset", key, "; ".join(differences))
    return differing


def _file_values(one: Dataset) -> dict[str, Any]:
    """What `UPDATE` sets: all that was read from the file."""
    values = dataset_values(one)
    return {f"new_{name}": values[name] for name in FILE_COLUMNS}
