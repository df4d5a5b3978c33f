"""A cube as one Cloud Optimized GeoTIFF (OGC 21-026): the bands of a GeoTIFF, with overviews before the pixels.

slices ─> a draft, band by band ─> what is known of each band at the end ─> prismcube.tiff.cog
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from prismcube.encode.geotiff import MAX_BANDS
from prismcube.encode.room import check_room, writing
from prismcube.errors import BudgetExceeded, InvalidInput
from prismcube.model.cube import CubeHeader, Ends, OutputField, Slice, SliceStatus, Step, common_format
from prismcube.model.formats import cast
from prismcube.model.period import format_instant
from prismcube.raster.geokeys import can_name, georeference
from prismcube.tiff.cog import writing_cog
from prismcube.tiff.image import Image
from prismcube.tiff.reduce import Reduction

MEDIA_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
EXTENSION = "tif"

CHUNK = 512
"""Pixels of a block's side at most."""


def check(header: CubeHeader) -> None:
    """Refuse, before anything is read, what the format can't hold.

    Raises BudgetExceeded for more bands than TIFF holds, InvalidInput("crs", ...) for a CRS it has no place for.
    """
    bands = len(header.steps) * len(header.fields)
    if bands > MAX_BANDS:
        raise BudgetExceeded("bands of a COG", asked=bands, allowed=MAX_BANDS, advice="ask for fewer dates or fields")
    if not can_name(header.grid.crs):
        raise InvalidInput("crs", "can't be written into a COG; ask for another, or for f=netcdf")


def write_cog(path: Path, header: CubeHeader, slices: Iterable[Slice], *, title: str = "") -> None:
    """Write the cube to `path`; memory is that of one slice, or piece of one.

    All bands share the type and nodata of `common_format(header.fields)`, and are described and tagged as those of a
    GeoTIFF. Overviews are made by the nearest pixel or the most frequent value for fields that are resampled so, as
    the average of valid pixels for all others. The same folder holds as much again while it is written.

    Raises BudgetExceeded and InvalidInput as `check` does, StorageFull when the disk is too full for it.
    """
    check(header)
    image = _image(header, title)
    check_room(path, 2 * image.bands * header.grid.pixels * image.format.itemsize)
    ends, fields = Ends(len(header.steps)), len(header.fields)
    with writing(), writing_cog(path, image, sync=False) as draft:
        for one in slices:
            first = 1 + one.index * fields
            for band, (field, data, valid) in enumerate(zip(header.fields, one.data, one.valid, strict=True), first):
                rows = data if field.format.stores_like(image.format) else cast(data, valid, image.format)
                draft.write(np.asarray(rows, dtype=image.dtype), band=band)
            ends.add(one)
        steps = [*zip(header.steps, ends.of_steps(), strict=True)]
        draft.describe(
            descriptions=[f"{format_instant(step.start)} {field.name}" for step, _ in steps for field in header.fields],
            band_metadata=[_tags(step, field, *end) for step, end in steps for field in header.fields],
        )


def _image(header: CubeHeader, title: str) -> Image:
    grid = header.grid
    # Smaller pictures don't need whole tiles.
    side = min(CHUNK, max(16, -(-max(grid.shape) // 16) * 16))
    return Image(
        height=grid.height,
        width=grid.width,
        format=common_format(header.fields),
        bands=len(header.steps) * len(header.fields),
        block_height=side,
        block_width=side,
        codec="deflate",  # which every reader has
        level=1,
        reductions=tuple(_reduction(field) for field in header.fields) * len(header.steps),
        georeference=georeference(grid.crs, grid.transform),
        title="".join(one if one.isprintable() else " " for one in title),
    )


def _reduction(field: OutputField) -> Reduction:
    if field.resampling == "nearest":
        return "nearest"
    return "mode" if field.resampling == "mode" else "average"


def _tags(step: Step, field: OutputField, status: SliceStatus, message: str) -> dict[str, str]:
    tags = {"time": format_instant(step.start), "field": field.name, "status": status.value}
    if message:
        tags["message"] = message
    if field.unit:
        tags["unit"] = field.unit
    return tags | {"records": ",".join(step.records)}
