"""Polygons as pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from prismcube.model.grid import Grid


def pixels_inside(geometry: BaseGeometry, grid: Grid) -> npt.NDArray[np.bool_]:
    """True for the pixels that belong to `geometry` (in the grid's CRS), shape (height, width).

    A pixel belongs when its centre lies inside; an area too small or thin to hold any centre takes the pixels it
    touches, so that no polygon over the data is without an answer.
    """
    inside = _burn(geometry, grid, touched=False)
    return inside if inside.any() else _burn(geometry, grid, touched=True)


def _burn(geometry: BaseGeometry, grid: Grid, *, touched: bool) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = geometry_mask(
        [geometry], grid.shape, grid.transform, all_touched=touched, invert=True
    )
    return mask
