"""Pixels on another grid, by GDAL: of an open file, or of a window that was read otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject

from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid

WARP_TOLERANCE_PX = 0.001
"""GDAL's own default of 0.125 px moves values by up to hundreds of counts at edges."""

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
    bands = count + (nodata is None)  # without a nodata value GDAL reports validity in an alpha band
    data = np.zeros((bands, *target.shape), dtype=format.dtype)
    options: dict[str, Any] = {"dst_alpha": bands} if nodata is None else {"src_nodata": nodata, "dst_nodata": nodata}
    reproject(
        pixels,
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
    if nodata is None:
        return data[:-1], np.broadcast_to(data[-1] != 0, (count, *target.shape)).copy()
    return data, format.valid(data)
