"""In which formats a coverage is handed out.

A new one: an encoder in `prismcube.encode`, its line in `FILES`, and its name in `FORMATS`.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube.parts import parts, parts_at_once, rows_of
from prismcube.cube.plan import CubePlan
from prismcube.encode import covjson, geotiff, png
from prismcube.encode.geotiff import Writer
from prismcube.errors import SourceError
from prismcube.model.cube import CubeHeader, Ends, Slice, SliceStatus
from providers.ogc.answer import JSON, FileBody, Means, Stream
from providers.ogc.selection import Watched, check_read

TEMPORARY = "answer-"
"""Begins the names of folders in which answers are written."""

PART_BYTES = 192 * 2**20
"""Memory for the computation of a part of a GeoTIFF, when a slice needs more."""

AT_ONCE_BYTES = 16 * 2**20
"""A GeoTIFF up to this size is read before it is sent: its head can tell how each step ended, an error has a status."""


@dataclass(frozen=True)
class FileFormat:
    """A format that is written into a file before it is sent, slice by slice."""

    encoder: str
    """Module of `prismcube.encode`; loaded when it is first asked for, as their libraries take long to import."""
    media_type: str
    extension: str

    def check(self, header: CubeHeader) -> None:
        """Refuse, before anything is read, a cube that has no place in it. Raises BudgetExceeded, InvalidInput."""
        self._module.check(header)

    def write(self, path: Path, header: CubeHeader, slices: Iterable[Slice], *, title: str) -> None:
        """Raises StorageFull when the disk is, besides what the slices raise."""
        write: Callable[..., None] = getattr(self._module, f"write_{self.encoder}")
        write(path, header, slices, title=title)

    @property
    def _module(self) -> Any:
        return importlib.import_module(f"prismcube.encode.{self.encoder}")


FILES = {
    "netcdf": FileFormat("netcdf", "application/netcdf", "nc"),
    "cog": FileFormat("cog", "image/tiff; application=geotiff; profile=cloud-optimized", "tif"),
    "zarr": FileFormat("zarr", "application/zip+zarr", "zarr.zip"),
}

FORMATS = {
    "geotiff": geotiff.MEDIA_TYPE,
    "tiff": geotiff.MEDIA_TYPE,
    **{name: one.media_type for name, one in FILES.items()},
    "png": png.MEDIA_TYPE,
    "covjson": covjson.MEDIA_TYPE,
    "json": covjson.MEDIA_TYPE,
    "plan": JSON,
}
"""Values of `f`; media types are taken too. The first is the default."""

NEGOTIATED = {name: media_type for name, media_type in FORMATS.items() if name != "plan"} | {"json": JSON}
"""What an Accept header chooses from: a plan must be asked for by name, and JSON means CoverageJSON."""


def extension_of(format: str) -> str:
    """Of the file's name, for the formats that `cube_body` makes."""
    return FILES[format].extension if format in FILES else geotiff.EXTENSION


def cube_body(means: Means, plan: CubePlan, format: str, *, title: str) -> Stream | FileBody:
    """The cube in a format that holds any number of steps: a GeoTIFF, or one of `FILES`.

    Raises SourceError when not one slice could be read, StorageFull, Overloaded, and what `stop` raises.
    """
    if format in ("geotiff", "tiff"):
        return Stream(*stream_geotiff(means, plan))
    slices = Watched(means, plan)
    written = write_temporary(means.temporary, FILES[format], plan.header, slices, title=title)
    try:
        slices.check()
    except SourceError:
        written.file.close()
        raise
    return written


def part_rows(means: Means, plan: CubePlan) -> int:
    """How many rows of a slice are computed at once for a GeoTIFF."""
    return rows_of(plan, working_bytes=min(means.limits.working_bytes, PART_BYTES))


def stream_geotiff(means: Means, plan: CubePlan) -> tuple[Iterator[bytes], int]:
    """(the pieces of a GeoTIFF, its size in bytes); the first has been made. See `_pieces` for errors."""
    rows = part_rows(means, plan)
    at_once = plan.output_bytes <= AT_ONCE_BYTES
    pieces = _read_before(means, plan, rows) if at_once else _pieces(means, plan, rows)
    size = int.from_bytes(next(pieces), "big")
    return pieces, size


def _read_before(means: Means, plan: CubePlan, rows: int) -> Iterator[bytes]:
    """All parts first. Raises SourceError when not one slice could be read, Overloaded."""
    with means.memory.keep(_kept_bytes(plan, len(plan.slices) * plan.grid.height)):
        at_once, needed = _together(means, plan, rows)
        with means.memory.hold(needed, stop=means.stop):
            batches = parts(plan, rows, at_once=at_once, stop=means.stop, observer=means.observer)
            made = [part for batch in batches for part in batch]
        ends = Ends(len(plan.slices))
        for part in made:
            ends.add(part)
        check_read(ends.of_steps())
        writer = Writer(plan.header, rows, tuple(ends.of_steps()))
        yield writer.size.to_bytes(8, "big")
        yield writer.head()
        for part in made:
            yield from writer.part(part)


def _kept_bytes(plan: CubePlan, rows: int) -> int:
    """Of so many rows of pixels and their validity, which stay in memory until the client has taken them."""
    return rows * plan.grid.width * sum(field.format.itemsize + 1 for field in plan.fields)


def _pieces(means: Means, plan: CubePlan, rows: int) -> Iterator[bytes]:
    """Part by part; nothing leaves before one of the parts could be read.

    Raises SourceError when none could, Overloaded, and Cancelled when the client has gone.
    """
    writer = Writer(plan.header, rows)
    head = writer.head()
    ends = Ends(len(plan.slices))
    waiting: list[Slice] = []
    """Parts before the first that could be read: few, and all of them empty."""
    begun = False
    at_once, _ = _together(means, plan, rows)
    with means.memory.keep(_kept_bytes(plan, rows * at_once)):
        for part in _made(means, plan, rows):
            ends.add(part)
            if not begun and part.status is SliceStatus.FAILED:
                waiting.append(_without_pixels(part))
                continue
            if not begun:
                begun = True
                yield writer.size.to_bytes(8, "big")
                yield head
                for one in waiting:
                    yield from writer.part(one)
            yield from writer.part(part)
        if not begun:
            check_read(ends.of_steps())
        yield writer.tail([status for status, _ in ends.of_steps()])


def _made(means: Means, plan: CubePlan, rows: int) -> Iterator[Slice]:
    """The parts. Memory for their computation is held while some are made, never while a client takes them."""
    at_once, needed = _together(means, plan, rows)
    made = parts(plan, rows, at_once=at_once, stop=means.stop, observer=means.observer)
    while True:
        with means.memory.hold(needed, stop=means.stop):
            batch = next(made, None)
        if batch is None:
            return
        yield from batch


def _together(means: Means, plan: CubePlan, rows: int) -> tuple[int, int]:
    """How many parts are computed together, and the memory that they need."""
    at_once = parts_at_once(plan, rows, working_bytes=min(means.limits.working_bytes, PART_BYTES))
    return at_once, at_once * plan.slice_bytes * rows // plan.grid.height


def _without_pixels(one: Slice) -> Slice:
    """The same empty slice, its arrays views of a single value: many may have to wait."""

    def single(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.broadcast_to(array.flat[0], array.shape)

    return replace(one, data=tuple(map(single, one.data)), valid=tuple(map(single, one.valid)))


def write_temporary(
    folder: Path, format: FileFormat, header: CubeHeader, slices: Iterable[Slice], *, title: str
) -> FileBody:
    """The cube in an open file that has no name any more, so that nothing is left behind.

    Raises StorageFull when the disk is, besides what the slices raise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=TEMPORARY) as inside:
        path = Path(inside, f"cube.{format.extension}")
        format.write(path, header, slices, title=title)
        return FileBody(path.open("rb"), path.stat().st_size)
