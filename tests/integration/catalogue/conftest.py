"""An empty catalogue, and short ways to fill it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from affine import Affine
from shapely.geometry import MultiPolygon, box

from prismcube.catalogue import Catalogue, FileEntry, Holding
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import Container, Dataset, DatasetStatus, Instance, Record, Variable
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Bounds, Grid

T0 = datetime(2020, 1, 1, tzinfo=UTC)
FORMAT = DataFormat(dtype="uint16", nodata=0)


def square(lon: float, lat: float, side: float = 1.0) -> MultiPolygon:
    return MultiPolygon([box(lon, lat, lon + side, lat + side)])


def grid(x: float = 500_000, y: float = 5_000_000, *, crs: str = "EPSG:32633", pixel: float = 10) -> Grid:
    return Grid(crs, Affine(pixel, 0, x, 0, -pixel, y), 100, 100)


def part(of: Grid, rows: slice, cols: slice) -> Bounds:
    """Of a grid: those rows and columns."""
    height, width = rows.stop - rows.start, cols.stop - cols.start
    return of.shifted(rows.start, cols.start, height=height, width=width).bounds


class Archive:
    """A catalogue with a variable of two bands, and as many files as a test adds."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        variable = catalogue.variables.put(Variable(name="v", bands=("a", "b"), format=FORMAT))[0]
        self.variable = variable
        self.instances = [
            catalogue.instances.put(Instance(variable_id=variable.id or 0, name=name))[0].id or 0 for name in ("x", "y")
        ]

    def entry(self, name: str, **changes: Any) -> FileEntry:
        """A file of that name; `time, tags, footprint, grid, part, etag, bands, mapping, ...` as wanted."""
        record = Record(name=changes.get("record", name), time=changes.get("time", T0), tags=changes.get("tags", {}))
        dataset = Dataset(
            record_id=0,
            instance_id=changes.get("instance", self.instances[0]),
            container_id=0,
            time=record.time,
            uri="",
            bands=changes.get("bands", (1, 2)),
            format=changes.get("format", FORMAT),
            mapping=changes.get("mapping", ValueMapping()),
            grid=changes.get("grid", grid()),
            part=changes.get("part"),
            footprint=changes.get("footprint", square(15, 45)),
            status=changes.get("status", DatasetStatus.ACTIVE),
        )
        container = Container(uri=f"file:///{name}".replace("\0", ""), etag=changes.get("etag", "1"))
        return FileEntry(container=container, holdings=(Holding(record=record, datasets=(dataset,)),))

    def add(self, name: str, **changes: Any) -> Any:
        return self.catalogue.files.put_many([self.entry(name, **changes)])[0]

    def collection(self, name: str = "c", **changes: Any) -> Collection:
        instances = changes.pop("instances", self.instances[:1])
        fields = tuple(
            StoredField(name=f"f{i}", instance_id=instance, band=0, format=FORMAT)
            for i, instance in enumerate(instances)
        )
        return self.catalogue.collections.put(Collection(name=name, fields=fields, **changes))[0]


@pytest.fixture
def archive(catalogue: Catalogue) -> Archive:
    return Archive(catalogue)


@pytest.fixture
def make() -> Any:
    """The helpers of this file, for modules that can't import it: `make.square`, `make.grid`, `make.T0`, ..."""
    import types

    return types.SimpleNamespace(square=square, grid=grid, part=part, T0=T0, FORMAT=FORMAT, Archive=Archive)
