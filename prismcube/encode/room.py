"""A disk too full for an answer, told alike whichever library writes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rasterio.errors import RasterioError

from prismcube.errors import StorageFull
from prismcube.model.cube import CubeHeader


def cube_bytes(header: CubeHeader) -> int:
    """Size of the uncompressed pixels."""
    return len(header.steps) * header.grid.pixels * sum(field.format.itemsize for field in header.fields)


def check_room(path: Path, size: int) -> None:
    """Refuse to begin what can't be finished: libraries report a full disk late, some in the middle of a file.

    Raises StorageFull when the disk of `path` has less than `size` bytes.
    """
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise StorageFull(f"the answer needs {size:,} bytes, its temporary folder has {free:,}")


@contextmanager
def writing() -> Iterator[None]:
    """What the system or GDAL can't write within becomes StorageFull: a quota, or others filled the disk meanwhile."""
    try:
        yield
    except (OSError, RasterioError) as error:
        raise StorageFull(f"the answer could not be written: {error}") from error
