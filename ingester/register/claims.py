"""How a file differs from what its item says. The file is believed; the difference is told."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from ingester.register.items import Asset, Item
from prismcube.errors import PrismcubeError
from prismcube.model.grid import parse_crs
from prismcube.raster.inspect import RasterInfo
from prismcube.storage.store import stat

OUTSIDE = 0.01
"""Share of the item's area that may lie outside the file's before it is told: outlines are simplified."""

_CODE = re.compile(r"[A-Za-z0-9]+:[A-Za-z0-9]+", re.ASCII)
_WKT = re.compile(r"\s*[A-Z_]+\s*\[")

_DRIVERS = {
    "image/tiff": ("GTiff", "COG"),
    "image/vnd.stac.geotiff": ("GTiff", "COG"),
    "image/jp2": ("JP2OpenJPEG",),
    "application/netcdf": ("netCDF", "HDF5"),
    "application/x-netcdf": ("netCDF", "HDF5"),
}


def differences(item: Item, asset: Asset, info: RasterInfo) -> tuple[str, ...]:
    """What the item says and the file says otherwise, a sentence each."""
    said = asset.fields
    found = [*_crs(said, info), *_grid(said, info), *_bands(said, info), *_kind(asset, info), *_size(said, info)]
    if item.geometry is not None:
        found += _place(item.geometry, info)
    return tuple(found)


def _crs(said: Mapping[str, Any], info: RasterInfo) -> Iterator[str]:
    for key in ("proj:code", "proj:epsg", "proj:wkt2", "proj:projjson"):
        value = said.get(key)
        if value in (None, "", 0):
            continue
        wanted = _parsed(key, value)
        if wanted is None:
            yield f"{key} is {str(value)[:60]!r}, which is no coordinate reference system"
        elif wanted != parse_crs(info.grid.crs):
            text = str(value) if key in ("proj:code", "proj:epsg") else wanted.name
            yield f"{key} is {text}, the file's is {_short(info.grid.crs)}"
        return  # they say the same, one is enough


def _parsed(key: str, value: Any) -> CRS | None:
    """The coordinate reference system that an item states; None when it is none.

    Only what the extension allows is given to PROJ, which would search its database for any other text.
    """
    fits = {
        "proj:code": isinstance(value, str) and _CODE.fullmatch(value),
        "proj:epsg": isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**6,
        "proj:wkt2": isinstance(value, str) and _WKT.match(value),
        "proj:projjson": isinstance(value, dict) and "type" in value,
    }
    try:
        return CRS.from_user_input(value) if fits[key] else None
    except CRSError:
        return None


def _short(crs: str) -> str:
    return crs if len(crs) < 40 else parse_crs(crs).name


def _grid(said: Mapping[str, Any], info: RasterInfo) -> Iterator[str]:
    shape = _numbers(said.get("proj:shape"), 2)
    own_place = info.slant or info.grid
    rows, columns = own_place.height, own_place.width
    if shape and tuple(shape) != (rows, columns):
        yield f"proj:shape is {shape[0]:g} x {shape[1]:g}, the file has {rows} x {columns} pixels"
    transform = _numbers(said.get("proj:transform"), 6)
    if transform:
        own = tuple(own_place.transform)[:6]
        pixel = max(info.grid.resolution)
        if any(not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6 * pixel) for a, b in zip(transform, own, strict=True)):
            yield f"proj:transform is {_list(transform)}, the file's is {_list(own)}"


def _bands(said: Mapping[str, Any], info: RasterInfo) -> Iterator[str]:
    bands = said.get("raster:bands") or said.get("bands")
    described = [one for one in bands if isinstance(one, dict)] if isinstance(bands, list) else []
    if described and len(described) != info.count:
        key = "raster:bands" if said.get("raster:bands") else "bands"
        yield f"{key} names {len(described)} band(s), the file has {info.count}"
        return
    common = {key: said[key] for key in ("nodata", "data_type") if key in said}
    for number, one in enumerate(described or [{}] * info.count):
        band = {**common, **one}
        dtype, nodata = band.get("data_type"), band.get("nodata")
        if isinstance(dtype, str) and dtype != info.dtypes[number]:
            yield f"data_type of band {number + 1} is {dtype}, the file's is {info.dtypes[number]}"
        if nodata is not None and _number(nodata) != _number(info.nodata[number]):
            stored = "not said by the file" if info.nodata[number] is None else f"{info.nodata[number]:g} in the file"
            yield f"nodata of band {number + 1} is {nodata}, {stored}"


def _kind(asset: Asset, info: RasterInfo) -> Iterator[str]:
    drivers = _DRIVERS.get(asset.media_type)
    if drivers and info.driver not in drivers:
        yield f"type is {asset.media_type}, the file is {info.driver}"
    if asset.not_data and not (drivers and asset.media_type):
        yield f"the item says that it {asset.not_data}, the file is a raster"


def _size(said: Mapping[str, Any], info: RasterInfo) -> Iterator[str]:
    size = said.get("file:size")
    if not isinstance(size, int) or isinstance(size, bool):
        return
    try:
        own = stat(info.uri).size
    except PrismcubeError:
        return  # it was there a moment ago; reading it will tell
    if own != size:
        yield f"file:size is {size:,}, the file has {own:,} bytes"


def _place(geometry: BaseGeometry, info: RasterInfo) -> Iterator[str]:
    footprint = info.footprint
    if not footprint.intersects(geometry):
        yield "the item's geometry lies elsewhere than the file"
        return
    if geometry.area > 0:
        outside = shapely.difference(geometry, footprint).area / geometry.area
        if outside > OUTSIDE:
            yield f"{outside:.0%} of the item's geometry lies outside the file"


def _numbers(value: Any, least: int) -> tuple[float, ...] | None:
    """The first so many numbers of a list; None for anything else."""
    if not isinstance(value, list | tuple) or len(value) < least:
        return None
    first = value[:least]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in first):
        return None
    return tuple(first)


def _number(value: Any) -> str:
    """A number's text, by which NaN equals NaN and 0 equals 0.0; JSON writes NaN and infinities as text."""
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return str(value)


def _list(numbers: tuple[float, ...]) -> str:
    return f"({', '.join(f'{one:.12g}' for one in numbers)})"
