"""Rows of the table of datasets, and what they are compared by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from prismcube.catalogue.tables import container, dataset
from prismcube.catalogue.types import format_document, place_of
from prismcube.model.entities import Dataset, DatasetStatus
from prismcube.model.slant import Slant

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
    dataset.c.left,
    dataset.c.bottom,
    dataset.c.right,
    dataset.c.top,
    dataset.c.slant,
    dataset.c.footprint,
    container.c.uri,
    container.c.etag,
).join(container, container.c.id == dataset.c.container_id)

COLUMNS = len(SELECT.selected_columns)


def facts(one: Dataset) -> dict[str, Any]:
    """What must not differ when a dataset is stored again, by name. Its footprint follows from grid and slant.

    Nor the part that holds data: a file can't tell it, and one that is indexed again keeps what its writer has told.
    """
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
        "slant": None if one.slant is None else one.slant.to_json(),
    }


def dataset_values(one: Dataset) -> dict[str, Any]:
    west, south, east, north = one.footprint.bounds
    dx, dy = one.grid.resolution
    covered = one.covered
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
        "left": covered.west,
        "bottom": covered.south,
        "right": covered.east,
        "top": covered.north,
        "slant": None if one.slant is None else one.slant.to_json(),
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
    """The dataset of a row that begins with the columns of `SELECT`, which are taken by their order.

    By name each would take a microsecond, half of all that a dataset takes.
    """
    (
        id, record_id, instance_id, container_id, subdir, bands, status, time, format, mapping,
        crs, x0, y0, dx, dy, width, height, left, bottom, right, top, slant, footprint, uri, etag,
    ) = row[:COLUMNS]  # fmt: skip
    grid, part = place_of(crs, x0, y0, dx, dy, width, height, left, bottom, right, top)
    return Dataset(
        record_id=record_id,
        instance_id=instance_id,
        container_id=container_id,
        time=time,
        uri=uri,
        bands=tuple(bands),
        format=format,
        mapping=mapping,
        grid=grid,
        footprint=footprint,
        slant=None if slant is None else Slant.from_json(slant),
        part=part,
        subdir=subdir,
        status=DatasetStatus(status),
        etag=etag,
        id=id,
    )
