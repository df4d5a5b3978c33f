"""A cube as one GeoTIFF: a band for each (time step, field), steps outermost."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from prismcube.errors import BudgetExceeded, StorageFull
from prismcube.model.cube import CubeHeader, Slice, common_format
from prismcube.model.formats import DataFormat, cast
from prismcube.model.period import format_instant
from prismcube.raster.quiet import ignore_missing_georeference

MEDIA_TYPE = "image/tiff; application=geotiff"
"""The media type GDAL's OGCAPI driver looks for (OSGeo/gdal, frmts/ogcapi)."""

MAX_BANDS = 65535
"""TIFF's SamplesPerPixel is 16 bits wide."""

_TILE = 512


def write_geotiff(path: Path, header: CubeHeader, slices: Iterable[Slice]) -> None:
    """Write the cube to `path`; memory is that of one slice.

    All bands share the type and nodata of `common_format(header.fields)`. Each band is described as
    `<time> <field>` and tagged with time, field, status and records.

    Raises BudgetExceeded for more bands than TIFF holds, StorageFull when the disk is too full for it.
    """
    format = common_format(header.fields)
    bands = len(header.steps) * len(header.fields)
    if bands > MAX_BANDS:
        raise BudgetExceeded(
            "bands of a GeoTIFF", asked=bands, allowed=MAX_BANDS, advice="ask for fewer dates or fields"
        )
    size = bands * header.grid.pixels * format.itemsize
    free = shutil.disk_usage(path.parent).free
    if size > free:  # GDAL reports a full disk only when it flushes, which is too late to answer with an error
        raise StorageFull(f"the answer needs {size:,} bytes, the server's temporary folder has {free:,}")
    try:
        _write(path, header, slices, format)
    except (RasterioError, OSError) as error:  # a quota, or others filled the disk meanwhile
        raise StorageFull(f"the answer could not be written: {error}") from error


@lru_cache(maxsize=256)
def can_name(crs: str) -> bool:
    """True when GeoTIFF has a place for this CRS; some that PROJ knows it can't say."""
    ignore_missing_georeference()
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", width=1, height=1, count=1, dtype="uint8", crs=crs):
            pass
        with memory.open() as file:
            return file.crs is not None


def _write(path: Path, header: CubeHeader, slices: Iterable[Slice], format: DataFormat) -> None:
    bands = len(header.steps) * len(header.fields)
    tiled = min(header.grid.shape) >= _TILE
    blocks = {"blockxsize": _TILE, "blockysize": _TILE} if tiled else {}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=header.grid.width,
        height=header.grid.height,
        count=bands,
        dtype=format.dtype,
        crs=header.grid.crs,
        transform=header.grid.transform,
        nodata=format.nodata,
        interleave="band",
        compress="deflate",
        zlevel=1,  # a fourth of level 6's time for a few percent more bytes
        predictor=3 if format.is_floating else 2,
        tiled=tiled,
        bigtiff="IF_SAFER",
        **blocks,
    ) as file:
        for one in slices:
            step = header.steps[one.index]
            for position, field in enumerate(header.fields):
                data, valid = one.data[position], one.valid[position]
                # Cast anew only where the field's own nodata differs from the file's.
                pixels = data if field.format.stores_like(format) else cast(data, valid, format)
                band = one.index * len(header.fields) + position + 1
                file.write(np.ascontiguousarray(pixels), band)
                file.set_band_description(band, f"{format_instant(step.start)} {field.name}")
                tags = {"time": format_instant(step.start), "field": field.name, "status": one.status.value}
                if one.message:
                    tags["message"] = one.message
                if field.unit:
                    tags["unit"] = field.unit
                file.update_tags(band, **tags, records=",".join(step.records))
