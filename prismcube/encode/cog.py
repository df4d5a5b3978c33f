"""A cube as one Cloud Optimized GeoTIFF (OGC 21-026): the bands of a GeoTIFF, with overviews before the pixels.

    slices ─> a plain TIFF for each way of making overviews ─> a VRT with all bands, described ─> GDAL's COG driver

A cube of classes and measures needs two ways, and the COG driver has one for all bands; but it takes over the
overviews that its source has. So each kind gets overviews of its own first, where there is more than one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import rasterio
import rasterio.shutil

from prismcube.encode.geotiff import MAX_BANDS
from prismcube.encode.room import check_room, writing
from prismcube.errors import BudgetExceeded, InvalidInput
from prismcube.model.cube import CubeHeader, OutputField, Slice, Step, common_format
from prismcube.model.formats import DataFormat, cast
from prismcube.model.period import format_instant
from prismcube.raster.geokeys import can_name

MEDIA_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
EXTENSION = "tif"

_TILE = 512


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
    """Write the cube to `path`; memory is that of one slice.

    All bands share the type and nodata of `common_format(header.fields)`, and are described and tagged as those of a
    GeoTIFF. Overviews are made by the nearest pixel or the most frequent value for fields that are resampled so, as
    the average of valid pixels for all others. The same folder holds as much again while it is written.

    Raises BudgetExceeded and InvalidInput as `check` does, StorageFull when the disk is too full for it.
    """
    check(header)
    format = common_format(header.fields)
    check_room(path, 2 * len(header.steps) * len(header.fields) * header.grid.pixels * format.itemsize)
    with writing(), tempfile.TemporaryDirectory(dir=path.parent, prefix="cog-") as inside:
        folder = Path(inside)
        bands = _write_plain(folder, header, slices, format)
        kinds = {band.kind for band in bands}
        if len(kinds) > 1 and max(header.grid.shape) > _TILE:
            for kind in kinds:
                _copy(folder / f"{kind}.tif", folder / f"{kind}-overviews.tif", resampling=kind)
                (folder / f"{kind}-overviews.tif").replace(folder / f"{kind}.tif")
        mosaic = folder / "bands.vrt"
        mosaic.write_text(_stacked(header, bands, format, title), encoding="utf-8")
        _copy(mosaic, path, resampling=next(iter(kinds)))


@dataclass(frozen=True)
class _Band:
    """A band of the COG, and where its pixels lie until then."""

    kind: str
    """The resampling of its overviews; names the file."""
    source: int
    """1-based band of that file."""
    description: str
    tags: dict[str, str]


def _kind(field: OutputField) -> str:
    return field.resampling if field.resampling in ("nearest", "mode") else "average"


def _write_plain(folder: Path, header: CubeHeader, slices: Iterable[Slice], format: DataFormat) -> list[_Band]:
    """The pixels, uncompressed, in `<kind>.tif` for each kind. Returns the bands in the order of the COG."""
    kinds = [_kind(field) for field in header.fields]
    bands: list[_Band] = []
    with ExitStack() as stack:
        files = {
            kind: stack.enter_context(_open_plain(folder / f"{kind}.tif", header, format, kinds.count(kind)))
            for kind in sorted(set(kinds))
        }
        written = dict.fromkeys(files, 0)
        for one in slices:
            step = header.steps[one.index]
            for kind, field, data, valid in zip(kinds, header.fields, one.data, one.valid, strict=True):
                written[kind] += 1
                files[kind].write(cast(data, valid, format), written[kind])
                description = f"{format_instant(step.start)} {field.name}"
                bands.append(_Band(kind, written[kind], description, _tags(step, field, one)))
    return bands


def _open_plain(path: Path, header: CubeHeader, format: DataFormat, fields: int) -> Any:
    blocks = {"tiled": True, "blockxsize": _TILE, "blockysize": _TILE} if min(header.grid.shape) >= _TILE else {}
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=header.grid.width,
        height=header.grid.height,
        count=len(header.steps) * fields,
        dtype=format.dtype,
        crs=header.grid.crs,
        transform=header.grid.transform,
        nodata=format.nodata,
        interleave="band",
        bigtiff="IF_SAFER",
        **blocks,
    )


def _tags(step: Step, field: OutputField, one: Slice) -> dict[str, str]:
    tags = {"time": format_instant(step.start), "field": field.name, "status": one.status.value}
    if one.message:
        tags["message"] = one.message
    if field.unit:
        tags["unit"] = field.unit
    return tags | {"records": ",".join(step.records)}


def _stacked(header: CubeHeader, bands: Sequence[_Band], format: DataFormat, title: str) -> str:
    """A VRT (GDAL's virtual format) of all bands; it carries what the plain files don't say of them."""
    grid = header.grid
    size = {"rasterXSize": str(grid.width), "rasterYSize": str(grid.height)}
    root = ElementTree.Element("VRTDataset", size)
    _text(root, "SRS", grid.crs)
    _text(root, "GeoTransform", ", ".join(map(repr, grid.transform.to_gdal())))
    if title:
        _metadata(root, {"TIFFTAG_IMAGEDESCRIPTION": title})
    for number, band in enumerate(bands, start=1):
        about = {"dataType": _GDAL_TYPES[format.dtype], "band": str(number)}
        element = ElementTree.SubElement(root, "VRTRasterBand", about)
        _text(element, "Description", band.description)
        _metadata(element, band.tags)
        if format.nodata is not None:
            _text(element, "NoDataValue", repr(format.nodata))
        source = ElementTree.SubElement(element, "SimpleSource")
        _text(source, "SourceFilename", f"{band.kind}.tif", relativeToVRT="1")
        _text(source, "SourceBand", str(band.source))
        whole = {"xOff": "0", "yOff": "0", "xSize": str(grid.width), "ySize": str(grid.height)}
        ElementTree.SubElement(source, "SrcRect", whole)
        ElementTree.SubElement(source, "DstRect", whole)
    return ElementTree.tostring(root, encoding="unicode")


_GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16",
    "uint32": "UInt32", "int32": "Int32", "float32": "Float32", "float64": "Float64",
}  # fmt: skip


def _text(parent: ElementTree.Element, name: str, text: str, **attributes: str) -> None:
    # XML has no place for most control characters, which names of records may have.
    plain = "".join(one if one.isprintable() else " " for one in text)
    ElementTree.SubElement(parent, name, attributes).text = plain


def _metadata(parent: ElementTree.Element, tags: dict[str, str]) -> None:
    element = ElementTree.SubElement(parent, "Metadata")
    for key, text in tags.items():
        _text(element, "MDI", text, key=key)


def _copy(source: Path, target: Path, *, resampling: str) -> None:
    """By GDAL's COG driver, which streams; unlike making overviews in place, rasterio lets other threads run.

    Overviews that `source` has are copied, else made by `resampling`.
    """
    with rasterio.open(source) as file:
        side = min(_TILE, max(128, -(-max(file.shape) // 16) * 16))  # smaller pictures don't need whole tiles
    rasterio.shutil.copy(
        source,
        target,
        driver="COG",
        blocksize=side,
        interleave="band",  # one date is then read without the others, and written with a tile in memory
        compress="deflate",
        level=1,
        predictor="yes",
        overview_compress="deflate",
        overview_resampling=resampling,
        bigtiff="IF_SAFER",
    )
