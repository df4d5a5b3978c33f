"""Pixels of one file on a grid, by rasterio.

Rules (docs/concepts/pixels.md):

- a grid on the file's own lattice is copied pixel for pixel, no resampling takes place;
- any other grid is warped by GDAL, each pixel placed by PROJ, with kernels widened as the plan says;
- each band is judged by its own nodata, never by that of the bands beside it; but by the last band of a file that says
  it is for that (`prismcube.raster.alpha`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import rasterio
from rasterio.windows import Window

from prismcube.errors import SourceError
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.model.slant import Slant
from prismcube.raster.alpha import has_alpha, valid_in, warped_by_alpha
from prismcube.raster.opening import opened_files
from prismcube.raster.warp import Pixels, warped
from prismcube.storage.store import stat
from prismcube.storage.uri import is_remote, without_secret

REPLACED = "it was replaced since it was indexed"
"""What strangers are told of a file that is another one now."""


class Source(Protocol):
    """What the reader needs to know of a file; `grid` is that of the level that is read."""

    @property
    def uri(self) -> str: ...
    @property
    def subdir(self) -> str: ...
    @property
    def grid(self) -> Grid: ...
    @property
    def slant(self) -> Slant | None: ...
    @property
    def format(self) -> DataFormat: ...


Use = Callable[[str], None]
"""Is told the etag of the file that pixels have been read of, and may refuse them."""


@contextmanager
def _opened(source: Source, bands: tuple[int, ...], level: int, use: Use | None) -> Iterator[rasterio.DatasetReader]:
    before = "" if is_remote(source.uri) else _local_state(source.uri)
    with opened_files(source.uri, source.subdir, overview=level - 1 if level else None) as (dataset, files):
        _check_unchanged(source, bands, dataset, is_overview=level > 0)
        yield dataset
        etag = files.status.etag if is_remote(source.uri) else _local_state(source.uri)
    if before and etag != before:
        raise SourceError(source.uri, "was replaced while it was read; index it again", cause=REPLACED)
    if use:
        use(etag)


def _local_state(uri: str) -> str:
    try:
        return stat(uri).etag
    except SourceError:  # what is no single file; of one that is gone GDAL tells
        return ""


def read_copy(
    source: Source, bands: tuple[int, ...], target: Grid, *, row: int, col: int, level: int = 0, use: Use | None = None
) -> Pixels:
    """Pixels of `target`, whose first pixel is the level's (row, col); empty beyond its edge. Level 0: full resolution.

    Raises SourceError when the file can't be opened or read.
    """
    data = np.zeros((len(bands), *target.shape), dtype=source.format.dtype)
    valid = np.zeros(data.shape, dtype=bool)
    row0, row1 = max(row, 0), min(row + target.height, source.grid.height)
    col0, col1 = max(col, 0), min(col + target.width, source.grid.width)
    if row0 >= row1 or col0 >= col1:
        return data, valid
    with _opened(source, bands, level, use) as dataset:
        window = Window(col0, row0, col1 - col0, row1 - row0)
        read = dataset.read(list(bands), window=window)
        found = source.format.valid(read)
        if has_alpha(dataset, source.format, bands):
            found &= valid_in(dataset, window)
    inside = (slice(None), slice(row0 - row, row1 - row), slice(col0 - col, col1 - col))
    data[inside] = read
    valid[inside] = found
    return data, valid


def read_warp(
    source: Source,
    bands: tuple[int, ...],
    target: Grid,
    *,
    resampling: str,
    scale: tuple[float, float],
    level: int = 0,
    use: Use | None = None,
) -> Pixels:
    """Pixels of `target`, resampled from a level of the file by one of rasterio's warp resamplings.

    `scale`: (down, right) pixels of the target for one of the level; see `warped`.

    Raises SourceError when the file can't be opened, read or warped.
    """
    with _opened(source, bands, level, use) as dataset:
        if has_alpha(dataset, source.format, bands):
            return warped_by_alpha(dataset, bands, source.format, target, resampling=resampling, scale=scale)
        return warped(
            rasterio.band(dataset, list(bands)),
            (source.slant or source.grid).transform,
            dataset.crs,
            target,
            count=len(bands),
            format=source.format,
            resampling=resampling,
            scale=scale,
        )


def _check_unchanged(
    source: Source, bands: tuple[int, ...], dataset: rasterio.DatasetReader, *, is_overview: bool
) -> None:
    """A file that was replaced would be drawn in its old place or misread. Raises SourceError."""
    transform = dataset.transform
    if is_overview and transform.almost_equals(source.grid.transform):  # GDAL divides where we multiply
        transform = source.grid.transform
    found = (dataset.dtypes[0], dataset.shape, tuple(transform))
    known = source.slant or source.grid
    catalogued = (source.format.dtype, (known.height, known.width), tuple(known.transform))
    if max(bands) > dataset.count:
        reason = f"was replaced: has {dataset.count} band(s), needs {max(bands)}; index it again"
        raise SourceError(without_secret(source.uri), reason, cause=REPLACED)
    if found != catalogued:
        reason = f"was replaced ({found}, catalogued as {catalogued}); index it again"
        raise SourceError(without_secret(source.uri), reason, cause=REPLACED)
