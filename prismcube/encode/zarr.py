"""A cube as Zarr: a group in a zip file, with the variables of CF (see `cf`).

Format 2 of Zarr with consolidated metadata: GDAL reads it since 3.4, and a zip file, where nothing can be written
twice, can hold its metadata only when they are apart from the group's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import orjson
import zarr
from numcodecs import Blosc
from zarr import Array, Group
from zarr.storage import ZipStore

from prismcube.encode import cf
from prismcube.encode.room import check_room, cube_bytes, writing
from prismcube.errors import BudgetExceeded
from prismcube.model.cube import CubeHeader, Ends, Slice
from prismcube.model.formats import cast

MEDIA_TYPE = "application/zip+zarr"
"""As pygeoapi calls it; none is registered."""

EXTENSION = "zarr.zip"

MAX_CHUNKS = 200_000
"""Members of the zip file; their directory is kept in memory until the end, some 500 bytes each."""

CHUNK = 1024
"""Pixels a side at most."""

_METADATA = frozenset({".zgroup", ".zarray", ".zattrs"})


def check(header: CubeHeader) -> None:
    """Refuse, before anything is read, what the format can't hold. Raises BudgetExceeded for too many chunks."""
    rows, columns = -(-header.grid.height // CHUNK), -(-header.grid.width // CHUNK)
    chunks = len(header.steps) * len(header.fields) * rows * columns
    if chunks > MAX_CHUNKS:
        advice = "ask for a smaller area, fewer dates or fields, or for f=netcdf"
        raise BudgetExceeded("chunks of a Zarr", asked=chunks, allowed=MAX_CHUNKS, advice=advice)


def write_zarr(path: Path, header: CubeHeader, slices: Iterable[Slice], *, title: str = "") -> None:
    """Write the cube to the zip file `path`; memory is that of one slice, or piece of one.

    A piece has whole chunks (`CHUNK` rows), which a zip file can't take twice.

    Raises BudgetExceeded as `check` does, StorageFull when the disk is too full for it.
    """
    check(header)
    check_room(path, cube_bytes(header))
    layout = cf.describe(header, title=title)
    ends = Ends(len(header.steps))
    with writing(), closing(ZipStore(path, mode="w", compression=ZIP_STORED)) as store:
        group = zarr.create_group(store, zarr_format=2, attributes=dict(layout.attributes))
        for variable in layout.variables:
            _write(group, variable)
        crs = {"wkt": layout.crs_wkt}
        arrays = [_create(group, variable, layout.sizes, crs) for variable in layout.fields]
        for one in slices:
            for array, field, data, valid in zip(arrays, header.fields, one.data, one.valid, strict=True):
                array[one.index, one.row : one.row + len(data)] = cast(data, valid, field.format)
            ends.add(one)
        for variable in cf.report(layout.names, ends.of_steps()):
            _write(group, variable)
    with writing():
        _consolidate(path)


def _create(group: Group, variable: cf.FieldVariable, sizes: Mapping[str, int], crs: Any) -> Array[Any]:
    steps, height, width = (sizes[name] for name in variable.dimensions)
    return group.create_array(
        variable.name,
        shape=(steps, height, width),
        dtype=variable.field.format.dtype,
        chunks=(1, min(height, CHUNK), min(width, CHUNK)),
        compressors=Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE),
        filters=None,
        fill_value=variable.fill,
        attributes=_attributes(variable) | {"_CRS": crs},  # what GDAL looks for
    )


def _write(group: Group, variable: cf.Variable) -> None:
    """A small array, in one chunk. Without a fill value: readers would take values that equal it for nothing."""
    values = variable.values
    if values.dtype == cf.TEXT:  # of fixed width: GDAL doesn't know the other kind
        values = values.astype(f"<U{max(1, *(len(text) for text in values.flat))}")
    array = group.create_array(
        variable.name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=values.shape,
        compressors=Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE),
        filters=None,
        fill_value=None,
        attributes=_attributes(variable),
    )
    array[...] = values


def _attributes(variable: cf.Variable | cf.FieldVariable) -> dict[str, Any]:
    """In JSON, with the names of the dimensions where xarray and GDAL look for them."""
    plain = {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in variable.attributes.items()
    }
    return plain | {"_ARRAY_DIMENSIONS": list(variable.dimensions)}


def _consolidate(path: Path) -> None:
    """Add `.zmetadata`, all metadata in one member.

    zarr's own function writes the group's metadata once more, and a zip file would then hold two of them.
    """
    with ZipFile(path, "a") as file:
        names = [name for name in file.namelist() if name.rpartition("/")[2] in _METADATA]
        metadata = {name: orjson.loads(file.read(name)) for name in names}
        file.writestr(".zmetadata", orjson.dumps({"metadata": metadata, "zarr_consolidated_format": 1}))
