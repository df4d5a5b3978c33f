"""GDAL's warper as the judge of ours: the same scale, every pixel asked for, and how far both may differ."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject

from prismcube.cube.levels import kernel_scale, scale_of
from prismcube.model.grid import Grid, transformer

EXACT = 0
"""GDAL's tolerance in pixels: every pixel is asked for."""


def shrink_of(source: Grid, target: Grid) -> tuple[float, float]:
    """(down, right) pixels of the file for one of the answer: the documented rule, in the middle of what both cover."""
    common = target.bounds.to_crs(target.crs, source.crs).intersection(source.bounds)
    return scale_of(source, target, common or source.bounds)


def warped(
    data: Any,
    source: Grid,
    target: Grid,
    resampling: str,
    nodata: float | None,
    *,
    shrink: tuple[float, float] | None = None,
) -> tuple[Any, Any]:
    """(values, validity) of a band (height, width) on another grid, by GDAL."""
    down, right = shrink or shrink_of(source, target)
    out = np.zeros((1 if nodata is not None else 2, *target.shape), dtype=data.dtype)
    options: dict[str, Any] = {"src_nodata": nodata, "dst_nodata": nodata} if nodata is not None else {"dst_alpha": 2}
    with rasterio.Env(GDAL_CACHEMAX=64 * 2**20):
        reproject(
            data[np.newaxis],
            out,
            src_transform=source.transform,
            src_crs=source.crs,
            dst_transform=target.transform,
            dst_crs=target.crs,
            resampling=Resampling[resampling],
            tolerance=EXACT,
            num_threads=1,
            UNIFIED_SRC_NODATA="NO",
            XSCALE=kernel_scale(right),
            YSCALE=kernel_scale(down),
            **options,
        )
    if nodata is None:
        return out[0], out[1] != 0
    return out[0], ~np.isnan(out[0]) if math.isnan(nodata) else out[0] != nodata


def warped_file(path: Any, band: int, target: Grid, resampling: str, nodata: float | None) -> Any:
    """A band of a file without overviews on another grid, by GDAL; `nodata`, or 0, where it has nothing."""
    with rasterio.open(path) as file:
        source = Grid(file.crs.to_string(), file.transform, file.height, file.width)
        return warped(file.read(band), source, target, resampling, nodata)[0]


def check_same(
    found: Any, valid: Any, wanted: Any, wanted_valid: Any, *, source: Grid, target: Grid, resampling: str
) -> None:
    """Both say the same: at most one count apart, and empty in the same places.

    - `nearest`, `mode`, `max` and the like pick a pixel: on the edge between two of them either is right.
    - `average`: GDAL gives the file's edge pixels the weight of what lies beyond the edge, too, so that pixels cut by
      the edge are not compared.
    """
    assert wanted_valid.any(), "the case is empty"
    both = valid & wanted_valid
    difference = np.where(both, np.abs(found.astype(float) - wanted.astype(float)), 0)
    if resampling in ("nearest", "mode", "max", "min", "med", "q1", "q3", "sum", "rms"):
        differs = (difference > 0) | (valid != wanted_valid)
        if resampling == "nearest":
            assert not (differs & ~on_edges(source, target)).any()
        else:
            assert differs.mean() < 0.01
        return
    assert np.array_equal(valid, wanted_valid), np.count_nonzero(valid != wanted_valid)
    if resampling == "average":
        difference[cut_by_edge(source, target)] = 0
    assert difference.max() <= 1, difference.max()


def on_edges(source: Grid, target: Grid) -> Any:
    """True for pixels whose centre lies within a thousandth of a pixel of the edge between two of `source`."""
    x, y = transformer(target.crs, source.crs).transform(*np.meshgrid(target.xs(), target.ys()))
    places = [(x - source.transform.c) / source.transform.a, (y - source.transform.f) / source.transform.e]
    return np.logical_or.reduce([np.abs(one - np.round(one)) < 1e-3 for one in places])


def cut_by_edge(source: Grid, target: Grid) -> Any:
    """True for pixels of `target` that the edge of `source` goes through."""
    cols, rows = np.meshgrid(np.arange(target.width + 1), np.arange(target.height + 1))
    x, y = transformer(target.crs, source.crs).transform(*(target.transform @ (cols, rows)))
    bounds = source.bounds
    inside = (x >= bounds.west) & (x <= bounds.east) & (y >= bounds.south) & (y <= bounds.north)
    return ~(inside[1:, 1:] & inside[:-1, :-1])
