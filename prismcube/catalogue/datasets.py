"""Datasets: which bands of which file hold which instance for which record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, bindparam, func, insert, select, update

from prismcube.catalogue.engine import Change, Session
from prismcube.catalogue.filters import visible
from prismcube.catalogue.spatial import ALWAYS
from prismcube.catalogue.tables import container, dataset, dataset_band, instance, record, variable
from prismcube.catalogue.types import format_document, grid_of
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import Dataset, DatasetStatus
from prismcube.model.period import Period

SELECT = select(
    dataset.c.id,
    dataset.c.record_id,
    dataset.c.instance_id,
    dataset.c.container_id,
    dataset.c.subdir,
    dataset.c.bands,
    dataset.c.status,
    dataset.c.time,
    dataset.c.format,
    dataset.c.mapping,
    dataset.c.crs,
    dataset.c.x0,
    dataset.c.y0,
    dataset.c.dx,
    dataset.c.dy,
    dataset.c.width,
    dataset.c.height,
    dataset.c.footprint,
    container.c.uri,
).join(container, container.c.id == dataset.c.container_id)
BY_ID = SELECT.where(dataset.c.id == bindparam("key"))
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
FROM_FILE = ("format", "crs", "transform", "size")
"""Those of `facts` that a file says itself."""
FILE_COLUMNS = (
    "format", "crs", "x0", "y0", "dx", "dy", "width", "height", "footprint", "west", "south", "east", "north",
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


class Datasets:
    """The repository of datasets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, id: int) -> Dataset:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(BY_ID, {"key": id}).one_or_none()
        if row is None:
            raise NotFound("dataset", id)
        return dataset_of(row)

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
    ) -> list[Dataset]:
        """The active datasets that hold these fields of a collection, by (time, id).

        `period` includes its limits; `area`, in longitude and latitude, must have a point in common with the footprint.
        """
        seen = visible({one.instance_id for one in fields}, collection.record_tags, period=period, area=area)
        with self._session.read() as connection:
            rows = connection.execute(SELECT.where(seen).order_by(dataset.c.time, dataset.c.id))
            return [dataset_of(row) for row in rows]

    def put(self, wanted: Dataset, *, file_changed: bool = False) -> tuple[Dataset, Change]:
        """Store a dataset; storing the same again changes nothing.

        With `file_changed`, what was read from the file (format, grid, footprint) is taken over.

        Raises Conflict, naming what differs, when another dataset has one of its bands: (container, subdirectory,
        band) belongs to one record and one instance only.
        """
        if not wanted.bands or len(set(wanted.bands)) != len(wanted.bands) or min(wanted.bands) < 1:
            raise InvalidInput("dataset.bands", f"must be distinct numbers from 1 on, got {list(wanted.bands)}")
        owned = {"container": wanted.container_id, "directory": wanted.subdir, "wanted": wanted.bands}
        with self._session.write() as connection:
            owners = [dataset_of(row) for row in connection.execute(OWNERS, owned)]
            if owners:
                differing = _check_same(connection, owners[0], wanted, may_differ=FROM_FILE if file_changed else ())
                stored = replace(wanted, id=owners[0].id)
                if not differing:
                    return stored, Change.UNCHANGED
                connection.execute(UPDATE, {**_file_values(wanted), "key": stored.id})
                return stored, Change.UPDATED
            id = connection.scalar(INSERT, dataset_values(wanted))
            connection.execute(INSERT_BANDS, band_values(wanted, id))
        return replace(wanted, id=id), Change.CREATED

    def set_status(self, ids: Sequence[int], status: DatasetStatus) -> None:
        """Publish, hide or give up datasets, all at once."""
        with self._session.write() as connection:
            connection.execute(SET_STATUS, {"ids": list(ids), "new_status": status.value})


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
        key = f"{stored.uri}{f' {stored.subdir}' if stored.subdir else ''} band {bands}"
        raise Conflict("dataset", key, "; ".join(differences))
    return differing


def _file_values(one: Dataset) -> dict[str, Any]:
    """What `UPDATE` sets: all that was read from the file."""
    values = dataset_values(one)
    return {f"new_{name}": values[name] for name in FILE_COLUMNS}


def facts(one: Dataset) -> dict[str, Any]:
    """What must not differ when a dataset is stored again, by name. Its footprint follows from the grid."""
    mapping, grid = one.mapping, one.grid
    return {
        "instance": one.instance_id,
        "bands": list(one.bands),
        "status": one.status.value,
        "format": {key: value for key, value in format_document(one.format).items() if value is not None},
        "mapping": (mapping.imin, mapping.imax, mapping.emin, mapping.emax, mapping.exponent),
        "crs": grid.crs,
        "transform": tuple(grid.transform)[:6],
        "size": (grid.width, grid.height),
    }


def dataset_values(one: Dataset) -> dict[str, Any]:
    west, south, east, north = one.footprint.bounds
    dx, dy = one.grid.resolution
    return {
        "record_id": one.record_id,
        "instance_id": one.instance_id,
        "container_id": one.container_id,
        "subdir": one.subdir,
        "bands": list(one.bands),
        "status": one.status.value,
        "time": one.time,
        "format": one.format,
        "mapping": one.mapping,
        "crs": one.grid.crs,
        "x0": one.grid.transform.c,
        "y0": one.grid.transform.f,
        "dx": dx,
        "dy": dy,
        "width": one.grid.width,
        "height": one.grid.height,
        "footprint": one.footprint,
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }


def band_values(one: Dataset, id: int | None) -> list[dict[str, Any]]:
    """The rows that say who owns the bands of dataset `id`."""
    key = {"container_id": one.container_id, "subdir": one.subdir, "dataset_id": id}
    return [{**key, "band": band} for band in one.bands]


def dataset_of(row: Any) -> Dataset:
    return Dataset(
        record_id=row.record_id,
        instance_id=row.instance_id,
        container_id=row.container_id,
        time=row.time,
        uri=row.uri,
        bands=tuple(row.bands),
        format=row.format,
        mapping=row.mapping,
        grid=grid_of(row.crs, row.x0, row.y0, row.dx, row.dy, row.width, row.height),
        footprint=row.footprint,
        subdir=row.subdir,
        status=DatasetStatus(row.status),
        id=row.id,
    )
