"""Pixels on another grid, by GDAL: of an open file, or of a window that was read otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio import Band
from rasterio.enums import Resampling
from rasterio.warp import reproject

from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid

WARP_TOLERANCE_PX = 0
"""PROJ places every pixel. GDAL's own default of 0.125 px moves values by up to hundreds of counts at edges; with a
thousandth it still takes some wrong pixels there, and others where an answer is wider than the world."""

Pixels = tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]
"""Values in the stored type and validity, both of shape (bands, height, width)."""


def warped(
    pixels: Any,
    transform: Affine,
    crs: Any,
    target: Grid,
    *,
    count: int,
    format: DataFormat,
    resampling: str,
    scale: tuple[float, float],
) -> Pixels:
    """`count` bands on the grid `target`, by one of rasterio's resamplings.

    `pixels`, of `format`, which lie at `transform` in `crs`: (bands, height, width), or what rasterio takes in place.
    `scale`: (down, right) pixels of the target for one of these, along their own axes, by which kernels are widened
    below 0.95. GDAL's own guess depends on the window, so that parts of an answer would not fit together.
    """
    nodata = math.nan if format.nodata is None and format.is_floating else format.nodata
    shape = target.shape

    def reprojected(source: Any, bands: int, **options: Any) -> npt.NDArray[Any]:
        data = np.zeros((bands, *shape), dtype=format.dtype)
        reproject(
            source,
            data,
            src_transform=transform,
            src_crs=crs,
            dst_transform=target.transform,
            dst_crs=target.crs,
            resampling=Resampling[resampling],
            tolerance=WARP_TOLERANCE_PX,
            num_threads=1,
            UNIFIED_SRC_NODATA="NO",
            YSCALE=scale[0],
            XSCALE=scale[1],
            **options,
        )
        return data

    if nodata is not None:
        data = reprojected(pixels, count, src_nodata=nodata, dst_nodata=nodata)
        return data, format.valid(data)
    # Without a nodata value GDAL reports validity in an alpha band, beside which rasterio puts each band where it is in
    # the file: of others than the first ones it is asked for by itself.
    if isinstance(pixels, Band) and list(pixels.bidx) != list(range(1, count + 1)):
        data = reprojected(pixels, count)
        alpha = reprojected(rasterio.band(pixels.ds, [1]), 2, dst_alpha=2)[1]
    else:
        *_, alpha = data = reprojected(pixels, count + 1, dst_alpha=count + 1)
    return data[:count], np.broadcast_to(alpha != 0, (count, *shape)).copy()
