"""Cubes and series as NetCDF-4, with the variables of CF (see `cf`)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import numpy.typing as npt

from prismcube.encode import cf
from prismcube.encode.room import check_room, cube_bytes, writing
from prismcube.model.cube import CubeHeader, Ends, Slice
from prismcube.model.formats import cast
from prismcube.model.series import Series

MEDIA_TYPE = "application/netcdf"
EXTENSION = "nc"

CHUNK = 512
"""Pixels a side at most."""

_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""HDF5's deflate, which every reader has; level 1 takes a fourth of level 6's time for a few percent more bytes."""


def check(header: CubeHeader) -> None:
    """Refuse, before anything is read, what the format can't hold: there is nothing of the kind."""


def write_netcdf(path: Path, header: CubeHeader, slices: Iterable[Slice], *, title: str = "") -> None:
    """Write the cube to `path`; memory is that of one slice, or piece of one. A piece has whole chunks (`CHUNK` rows).

    Raises StorageFull when the disk is too full for it.
    """
    check_room(path, cube_bytes(header))
    layout = cf.describe(header, title=title)
    ends = Ends(len(header.steps))
    with _opened(path) as (file, disk):
        _begin(file, layout)
        arrays = [_create(file, variable, layout.sizes) for variable in layout.fields]
        for one in slices:
            for array, field, data, valid in zip(arrays, header.fields, one.data, one.valid, strict=True):
                array[one.index, one.row : one.row + len(data)] = cast(data, valid, field.format)
                disk.check()
            ends.add(one)
        for variable in cf.report(layout.names, ends.of_steps()):
            _write(file, variable)


def write_series(path: Path, series: Series, *, title: str = "") -> None:
    """Write a series of one place or several. Raises StorageFull when the disk is too full for it."""
    layout = cf.describe_series(series, title=title)
    with _opened(path) as (file, _):
        _begin(file, layout)


class _Disk(io.RawIOBase):
    """A file that never fails to be written; `check` tells that it did.

    When HDF5 can't write what it has kept back, it can't close the file either: the descriptor, and with it the space
    on a full disk, would be lost until the process ends.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("w+b", buffering=0)
        self._error: OSError | None = None

    def check(self) -> None:
        """Raises what went wrong, if anything did."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        try:
            if self._error is None:
                _write_all(self._file, data)
        except OSError as error:
            self._error = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return self._file.truncate(size) if self._error is None else 0
        except OSError as error:
            self._error = error
            return 0

    def readinto(self, buffer: Any, /) -> int:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def _write_all(file: io.FileIO, data: Any) -> None:
    view = memoryview(data).cast("B")
    while view:  # a nearly full disk takes a part first, and fails with the rest
        view = view[file.write(view) :]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[h5netcdf.File, _Disk]]:
    """A new file, and the disk it is written to. Raises StorageFull at the end when that did not take all of it."""
    with writing(), closing(_Disk(path)) as disk:
        # Every chunk is written once and whole: to keep some would only take memory.
        with h5netcdf.File(disk, "w", rdcc_nbytes=0) as file:
            yield file, disk
        disk.check()


def _begin(file: h5netcdf.File, layout: cf.CubeFile | cf.SeriesFile) -> None:
    """All that is known before the pixels."""
    file.attrs.update(layout.attributes)
    file.dimensions = dict(layout.sizes)
    for variable in layout.variables:
        _write(file, variable)


def _create(file: h5netcdf.File, variable: cf.FieldVariable, sizes: Mapping[str, int]) -> h5netcdf.Variable:
    _, height, width = (sizes[name] for name in variable.dimensions)
    array = file.create_variable(
        variable.name,
        variable.dimensions,
        dtype=variable.field.format.dtype,
        fillvalue=variable.fill,
        chunks=(1, min(height, CHUNK), min(width, CHUNK)),
        **_PACKED,
    )
    array.attrs.update(variable.attributes)
    return array


def _write(file: h5netcdf.File, variable: cf.Variable) -> None:
    values, dimensions = variable.values, variable.dimensions
    attributes = dict(variable.attributes)
    if values.dtype == cf.TEXT:
        values, attributes["_Encoding"] = _characters(values), "utf-8"
        dimensions = (*dimensions, f"{variable.name}_length")
        file.dimensions[dimensions[-1]] = values.shape[-1]
    array = file.create_variable(
        variable.name, dimensions, data=values, fillvalue=variable.fill, **(_PACKED if values.ndim else {})
    )
    array.attrs.update(attributes)


def _characters(texts: npt.NDArray[Any]) -> npt.NDArray[np.bytes_]:
    """Text as an array of characters with one more dimension, the one kind of text that all readers of NetCDF take."""
    encoded = [text.encode() for text in texts.flat]
    length = max(1, *map(len, encoded))
    return np.array(encoded, dtype=f"S{length}").view("S1").reshape(*texts.shape, length)
