"""Cubes over rasters made in the test, without a catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import MultiPolygon, box

from prismcube.cube.engine import execute
from prismcube.cube.plan import CubePlan
from prismcube.cube.planner import make_plan
from prismcube.cube.request import CubeRequest, choose_masks
from prismcube.model.collection import Collection, ComputedField, StoredField
from prismcube.model.entities import Dataset, Record
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.grouping import group_records
from prismcube.model.mask import MaskRule
from prismcube.storage.store import read_range, stat
from prismcube.tiff.layout import Header
from prismcube.tiff.parse import read_layout

START = datetime(2020, 1, 1, tzinfo=UTC)
ANYWHERE = MultiPolygon([box(-180, -90, 180, 90)])


class Scenes:
    """Files, each a dataset of a record; `plan` and `cube` over all of them."""

    def __init__(self, folder: Path, *, by_layout: bool = True) -> None:
        self.folder = folder
        self.by_layout = by_layout
        """False: GDAL reads all files."""
        self.headers: dict[tuple[str, str], Header] = {}
        self.records: list[Record] = []
        self.datasets: list[Dataset] = []

    def write(self, pixels: Any, *, transform: Affine, crs: str = "EPSG:32632", nodata: float | None = 0) -> Path:
        """A GeoTIFF of `pixels` (bands, height, width) or (height, width)."""
        bands = np.atleast_3d(pixels.T).T if pixels.ndim == 2 else pixels
        path = self.folder / f"{len(list(self.folder.iterdir()))}.tif"
        profile = {"driver": "GTiff", "count": len(bands), "dtype": bands.dtype, "crs": crs, "transform": transform}
        with rasterio.open(path, "w", height=bands.shape[1], width=bands.shape[2], nodata=nodata, **profile) as file:
            file.write(bands)
        return path

    def add(
        self,
        path: Path,
        *,
        day: int = 0,
        record: Record | None = None,
        instance: int = 1,
        bands: tuple[int, ...] = (1,),
        mapping: ValueMapping | None = None,
    ) -> Record:
        """Register a file as a dataset of `record`, or of a new record on that day."""
        if record is None:
            number = len(self.records) + 1
            record = Record(id=number, name=f"R{number}", time=START + timedelta(days=day))
            self.records.append(record)
        with rasterio.open(path) as file:
            grid = Grid(file.crs.to_string(), file.transform, file.height, file.width)
            format = DataFormat(dtype=file.dtypes[0], nodata=file.nodata)
        self.headers[path.as_uri(), ""] = header_of(path.as_uri())
        self.datasets.append(
            Dataset(
                id=len(self.datasets) + 1,
                record_id=record.id,
                instance_id=instance,
                container_id=len(self.datasets) + 1,
                time=record.time,
                uri=path.as_uri(),
                bands=bands,
                format=format,
                mapping=mapping or ValueMapping(),
                grid=grid,
                footprint=ANYWHERE,
                etag=stat(path.as_uri()).etag,
            )
        )
        return record

    def plan(
        self,
        fields: dict[str, DataFormat | str],
        *,
        grid: Grid | None = None,
        group: str = "record",
        mosaic: str = "last",
        resampling: str = "nearest",
        mask: str | None = None,
        masks: tuple[MaskRule, ...] = (),
        ask: tuple[str, ...] = (),
        instances: Mapping[str, int] | None = None,
    ) -> CubePlan:
        """`fields`: a format for a stored field (band i of instance 1), or an expression.

        `instances`: that of each stored field, whose first band it then is.
        """
        stored = [name for name, kind in fields.items() if isinstance(kind, DataFormat)]
        collection = Collection(
            name="test",
            fields=tuple(
                StoredField(
                    name=n,
                    instance_id=instances[n] if instances else 1,
                    band=0 if instances else stored.index(n),
                    format=k,
                    resampling=resampling,
                )
                if isinstance(k, DataFormat)
                else ComputedField(name=n, expression=Expression(k))
                for n, k in fields.items()
            ),
            masks=masks,
        )
        names = ask or tuple(fields)
        request = CubeRequest(
            collection=collection,
            fields=names,
            grid=grid or self.datasets[0].grid,
            groups=tuple(group_records(self.records, group)),
            mosaic=mosaic,
            masks=choose_masks(collection, names, mask),
        )
        return make_plan(request, self.datasets, headers=self.headers if self.by_layout else {})

    def cube(self, fields: dict[str, DataFormat | str], **asked: Any) -> list[Any]:
        return list(execute(self.plan(fields, **asked)))


def header_of(uri: str, subdir: str = "") -> Header:
    status = stat(uri)
    layout = read_layout(partial(read_range, uri), size=status.size)
    return Header(layout=layout, etag=status.etag)


@pytest.fixture(params=[True, False], ids=["layouts", "gdal"])
def scenes(request: pytest.FixtureRequest, tmp_path: Path) -> Scenes:
    """Read by the fast way, and by GDAL."""
    return Scenes(tmp_path, by_layout=request.param)


@pytest.fixture(params=[True, False], ids=["layouts", "gdal"])
def scenes_in(request: pytest.FixtureRequest) -> Callable[[Path], Scenes]:
    return partial(Scenes, by_layout=request.param)
