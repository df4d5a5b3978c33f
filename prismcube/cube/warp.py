"""From a window of a file to a part of an answer: which window, and the kernel that resamples it.

view_of(file's grid, answer's grid, ...) -> View      what must be read, where it will lie; kept for all dates
resample(view, pixels, ...)                           fills what is still empty of `out`
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine

from prismcube.cube.kernels import compiled
from prismcube.cube.levels import Scale, kernel_scale
from prismcube.cube.mesh import ERROR_PX, Mesh, Meshes, Places, unwrapped
from prismcube.cube.plan import KERNEL_TYPES
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.raster.opening import GDAL_SETTINGS
from prismcube.raster.warp import warped
from prismcube.tiff.layout import Window

OWN = ("nearest", "bilinear", "cubic", "average")
"""Resamplings with a kernel of ours; GDAL does the others on the window that was read."""

REACH = {"nearest": 0, "bilinear": 1, "cubic": 2, "average": 1, "cubic_spline": 2, "lanczos": 3}
"""Pixels of the file beside the place that a kernel needs; 1 for all others."""

NARROW = 0.95
"""Kernels are widened below this scale: GDAL's."""

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A file as an answer sees it."""

    window: Window
    """What is to be read of the file's level."""
    part: Window
    """Of the answer, where the file may have pixels."""
    x: Places
    """Control points of the answer in pixels of `window`."""
    y: Places
    down: tuple[float, float]
    """See `prismcube.cube.kernels`; of the part's first row."""
    right: tuple[float, float]
    shrink: Scale
    """(down, right) pixels of the level for one of the answer."""
    is_dense: bool
    """See `Mesh.is_dense`."""


def view_of(source: Grid, target: Grid, *, resampling: str, shrink: Scale, meshes: Meshes) -> View | None:
    """What of `source` (the grid of the level that is read) `target` needs; None when it sees nothing of it."""
    dx, dy = source.resolution
    mesh = meshes.get(source.crs, target, tolerance=ERROR_PX * min(dx, dy))
    placed = _placed(source, target, mesh)
    if placed is None:
        mesh = meshes.get(source.crs, target, tolerance=0.0, dense=True)
        placed = _placed(source, target, mesh)
    x, y = placed if placed is not None else (np.full(mesh.x.shape, np.nan),) * 2
    (west, east), (north, south) = _cells(x, mesh), _cells(y, mesh)
    below, beside = (REACH.get(resampling, 1) * max(1.0, one) + 1 for one in shrink)
    sees = (west <= source.width + beside) & (east >= -beside) & (north <= source.height + below) & (south >= -below)
    if not sees.any():
        return None
    window = Window.between(
        max(math.floor(north[sees].min() - below), 0),
        max(math.floor(west[sees].min() - beside), 0),
        min(math.ceil(south[sees].max() + below), source.height),
        min(math.ceil(east[sees].max() + beside), source.width),
    )
    rows, cols = np.flatnonzero(sees.any(axis=1)), np.flatnonzero(sees.any(axis=0))
    part = Window.between(
        max(math.floor(mesh.first[0] + rows[0] * mesh.spacing[0]), 0),
        max(math.floor(mesh.first[1] + cols[0] * mesh.spacing[1]), 0),
        min(math.ceil(mesh.first[0] + (rows[-1] + 1) * mesh.spacing[0]), target.height),
        min(math.ceil(mesh.first[1] + (cols[-1] + 1) * mesh.spacing[1]), target.width),
    )
    if not (window.pixels and part.pixels):
        return None
    return View(
        window=window,
        part=part,
        x=np.ascontiguousarray(x - window.col),
        y=np.ascontiguousarray(y - window.row),
        down=((part.row + 0.5 - mesh.first[0]) / mesh.spacing[0], 1 / mesh.spacing[0]),
        right=((part.col + 0.5 - mesh.first[1]) / mesh.spacing[1], 1 / mesh.spacing[1]),
        shrink=shrink,
        is_dense=mesh.is_dense,
    )


def _placed(source: Grid, target: Grid, mesh: Mesh) -> tuple[Places, Places] | None:
    """The mesh in pixels of `source`; None when it must be asked for every pixel."""
    t = source.transform
    x = mesh.x
    if source.crs != target.crs:
        x, jumps = unwrapped(x, source.crs, t.c + t.a * source.width / 2)
        if jumps and not mesh.is_dense:
            return None
    return (x - t.c) / t.a, (mesh.y - t.f) / t.e


def _cells(points: Places, mesh: Mesh) -> tuple[Places, Places]:
    """The least and the greatest coordinate in each cell; of a dense mesh each point is one."""
    if mesh.is_dense:
        return points, points
    corners = (points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:])
    # Between its corners a cell bulges: a parabola by an eighth of its second difference.
    bulge = sum(float(np.abs(np.diff(points, n=2, axis=axis)).max(initial=0.0)) for axis in (0, 1)) / 8
    return np.minimum.reduce(corners) - bulge, np.maximum.reduce(corners) + bulge


def resample(
    view: View,
    pixels: Array,
    source: Grid,
    target: Grid,
    *,
    format: DataFormat,
    resampling: str,
    out: Array,
    valid: Mask,
    shunned: float | None = None,
) -> int:
    """Fill what is not valid of an answer from the window of a file; how many pixels were filled.

    `pixels`: (height, width) of `view.window`, of type `format.dtype`, as is `out`; `source` is the grid of the level,
    `target` that of the answer, whose shape `out` and `valid` have. A valid result never becomes `shunned`.
    """
    part = view.part.slices
    if resampling not in OWN or (resampling == "average" and view.is_dense):
        return _by_gdal(view, pixels, source, target, format, resampling, out[part], valid[part], shunned)
    kind = KERNEL_TYPES.get(format.dtype)
    if kind is None:
        return _by_kernel(view, pixels, format, resampling, out[part], valid[part], shunned)
    made = out[part].astype(kind)
    filled = _by_kernel(view, pixels.astype(kind), format, resampling, made, valid[part], shunned)
    out[part] = made
    return filled


def _by_kernel(
    view: View, pixels: Array, format: DataFormat, resampling: str, out: Array, valid: Mask, shunned: float | None
) -> int:
    kind = pixels.dtype.name
    start = (np.ascontiguousarray(pixels), *_nodata(pixels.dtype, format), view.x, view.y)
    avoid, instead = collision(out.dtype, format.dtype, shunned)
    rounds = not format.is_floating
    place, rest = (view.down, view.right, out, valid, rounds), (avoid, instead)
    limits = np.finfo(format.dtype) if format.is_floating else np.iinfo(format.dtype)
    within = (float(limits.min), float(limits.max))
    scale = (kernel_scale(view.shrink[0]), kernel_scale(view.shrink[1]))
    if resampling in ("bilinear", "cubic") and min(scale) < NARROW:
        return int(compiled("widened", kind)(*start, *place, *within, *rest, scale, resampling == "cubic"))
    if resampling == "cubic":
        return int(compiled("cubic", kind)(*start, *place, *within, *rest))
    if resampling == "average":
        down = (view.down[0] - view.down[1] / 2, view.down[1])
        right = (view.right[0] - view.right[1] / 2, view.right[1])
        return int(compiled("average", kind)(*start, down, right, *place[2:], *rest))
    return int(compiled(resampling, kind)(*start, *place, *rest))


def _nodata(dtype: np.dtype[Any], format: DataFormat) -> tuple[Any, bool]:
    """The nodata value as a number of that type, and whether there is one that kernels must look for."""
    nodata = format.nodata
    has_one = nodata is not None and not math.isnan(nodata)
    return dtype.type(nodata if has_one else 0), has_one


def collision(dtype: np.dtype[Any], stored: str, nodata: float | None) -> tuple[float, Any]:
    """What a valid result must not be, NaN for nothing, and what it becomes instead: the nearest other number."""
    if nodata is None or math.isnan(nodata):
        return math.nan, dtype.type(0)
    if np.dtype(stored).kind == "f":
        value = np.dtype(stored).type(nodata)
        up = np.nextafter(value, value.dtype.type(np.inf))
        return nodata, dtype.type(up if np.isfinite(up) else np.nextafter(value, value.dtype.type(-np.inf)))
    return nodata, dtype.type(nodata + 1 if nodata < np.iinfo(stored).max else nodata - 1)


def fill(pixels: Array, *, format: DataFormat, out: Array, valid: Mask, shunned: float | None = None) -> int:
    """Copy the valid pixels of an aligned window into those of `out`, of the same shape, that are not valid yet."""
    if format.dtype in KERNEL_TYPES:
        return merge(pixels, format.valid(pixels), out=out, valid=valid, shunned=shunned)
    avoid, instead = collision(out.dtype, format.dtype, shunned)
    return int(compiled("fill", format.dtype)(pixels, *_nodata(pixels.dtype, format), out, valid, avoid, instead))


def mark(*, format: DataFormat, out: Array, valid: Mask, empty: Any, shunned: float | None = None) -> None:
    """As `fill`, of pixels that have been read into `out` already, where nothing was valid; the rest is `empty`.

    Arrays may have any shape, and `valid` may hold anything. By numpy, whose comparisons take a tenth of the
    time of a loop with branches.
    """
    nodata, has_one = _nodata(out.dtype, format)
    if has_one:
        np.not_equal(out, nodata, out=valid)
    else:
        valid[...] = True
    if format.is_floating:
        valid &= ~np.isnan(out)
    avoid, instead = collision(out.dtype, format.dtype, shunned)
    if not (math.isnan(avoid) or (has_one and avoid == nodata)):
        np.copyto(out, instead, where=valid & (out == avoid))
    if (format.is_floating or empty != nodata) and not valid.all():
        np.copyto(out, out.dtype.type(empty), where=~valid)


def merge(pixels: Array, found: Mask, *, out: Array, valid: Mask, shunned: float | None) -> int:
    """As `fill`, of pixels whose validity is known."""
    avoid, instead = collision(out.dtype, out.dtype.name, shunned)
    is_new = found & ~valid
    out[is_new] = np.where(pixels == avoid, instead, pixels)[is_new]
    valid |= is_new
    return int(np.count_nonzero(is_new))


def _by_gdal(
    view: View,
    pixels: Array,
    source: Grid,
    target: Grid,
    format: DataFormat,
    resampling: str,
    out: Array,
    valid: Mask,
    shunned: float | None,
) -> int:
    part = target.shifted(view.part.row, view.part.col, height=view.part.height, width=view.part.width)
    with rasterio.Env(**GDAL_SETTINGS):
        made, found = warped(
            pixels[np.newaxis],
            source.transform @ Affine.translation(view.window.col, view.window.row),
            source.crs,
            part,
            count=1,
            format=format,
            resampling=resampling,
            scale=(kernel_scale(view.shrink[0]), kernel_scale(view.shrink[1])),
        )
    return merge(made[0], found[0], out=out, valid=valid, shunned=shunned)
