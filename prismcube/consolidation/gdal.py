"""Dates written by GDAL: codecs that our own writers have not (LERC, JPEG, LZW), overviews of other kinds.

Each is a tiled GeoTIFF of its own with internal overviews, bands one after the other, so that `assemble` copies its
blocks like those of any other. Memory is GDAL's cache of blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from prismcube.consolidation.settings import overviews_of
from prismcube.errors import SourceError
from prismcube.model.consolidation import OVERVIEW, ConsolidationParams
from prismcube.model.grid import Grid
from prismcube.tiff.image import Image

CACHE_BYTES = 128 * 2**20
"""Of blocks that GDAL keeps while it writes."""


class _Draft:
    """Takes rows of bands in any order of bands, each band from top to bottom."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._given = [0] * file.count

    def write(self, rows: npt.NDArray[Any], *, band: int = 1) -> None:
        row = self._given[band - 1]
        self._file.write(np.ascontiguousarray(rows), band, window=Window(0, row, rows.shape[1], len(rows)))
        self._given[band - 1] += len(rows)


@contextmanager
def writing_by_gdal(
    path: Path, image: Image, params: ConsolidationParams, *, grid: Grid, alpha: bool
) -> Iterator[_Draft]:
    """A draft in a file of its own. The last band of `image` tells validity when there is an `alpha`.

    Raises SourceError when GDAL can't write it.
    """
    options = params.options()
    colours = options.get("PHOTOMETRIC") == "YCBCR" and image.bands == 3
    if not colours:  # of other than three bands there are none
        options = {name: value for name, value in options.items() if "YCBCR" not in value}
    main = {name: value for name, value in options.items() if not name.endswith(OVERVIEW)}
    beside = {name: value for name, value in options.items() if name.endswith(OVERVIEW)}
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": image.height,
        "width": image.width,
        "count": image.bands,
        "dtype": image.format.dtype,
        "nodata": image.format.nodata,
        "crs": grid.crs,
        "transform": grid.transform,
        "tiled": True,
        "blockxsize": image.block_width,
        "blockysize": image.block_height,
        "interleave": "pixel" if colours else "band",  # libtiff has these colours pixel by pixel only
        "bigtiff": "IF_SAFER",
        "sparse_ok": not alpha and image.format.nodata is not None,
        **main,
    }
    try:
        with rasterio.Env(GDAL_PAM_ENABLED="NO", GDAL_CACHEMAX=CACHE_BYTES):
            with rasterio.open(path, "w", **profile) as file:
                _describe(file, image, alpha=alpha)
                yield _Draft(file)
            factors = [2 ** (level + 1) for level in range(len(image.levels) - 1)]
            if factors:
                with rasterio.Env(**beside), rasterio.open(path, "r+") as file:
                    file.build_overviews(factors, Resampling[overviews_of(params)])
    except RasterioError as error:
        raise SourceError(str(path), f"could not be written: {error}") from error


def _describe(file: Any, image: Image, *, alpha: bool) -> None:
    """What a reader may know of it without the catalogue."""
    file.update_tags(TIFFTAG_DOCUMENTNAME=image.name, **image.metadata)
    if image.time is not None:
        file.update_tags(TIFFTAG_DATETIME=image.time.strftime("%Y:%m:%d %H:%M:%S"))
    for band, text in enumerate(image.descriptions, start=1):
        file.set_band_description(band, text)
    file.scales, file.offsets = (image.scale,) * image.bands, (image.offset,) * image.bands
    if alpha:
        file.colorinterp = [*file.colorinterp[:-1], ColorInterp.alpha]
