"""Where the pixels of a grid lie in another CRS, told at control points and interpolated between them.

    mesh_of(source_crs, grid, tolerance) -> Mesh      kept: all dates of one zone share it

A transformation is smooth: between points some pixels apart its error is far below a thousandth of a pixel, which is
measured where it is greatest, in the middle of the cells and of their edges. (Not in cells alone: conformal maps are
harmonic, by which the errors along the two axes cancel there, and only there.) Where it is not smooth (the edge of what
a projection can tell, a date line) every pixel is asked for itself.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.model.grid import Grid, transformer, turns

STEP = 32
"""Pixels between the points by which the error is measured, at first; halved until the mesh is exact enough."""

LEAST_STEP = 4
"""Below it, asking for every pixel is as cheap."""

ERROR_PX = 0.0001
"""How far an interpolated place may be from the true one, in pixels of the file."""

KEPT_POINTS = 8 * 2**20
"""Control points of all meshes that are kept: 128 MB."""

Places = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Places in the file's CRS of control points of a grid."""

    x: Places
    """(rows, columns) of points."""
    y: Places
    spacing: tuple[float, float]
    """(down, right) pixels of the grid from one point to the next."""
    first: tuple[float, float]
    """(down, right) of the first point in the grid: 0 is its upper left corner, 0.5 the centre of its first pixel."""
    error: float
    """The greatest found, in units of the CRS; 0 where every pixel has been asked for."""

    @property
    def is_dense(self) -> bool:
        """True when each point is the centre of a pixel."""
        return self.first == (0.5, 0.5)


class Meshes:
    """Keeps the meshes that were used last. Safe for threads."""

    def __init__(self, kept_points: int = KEPT_POINTS) -> None:
        self._kept_points = kept_points
        self._meshes: OrderedDict[tuple[str, Grid, bool], Mesh] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, crs: str, grid: Grid, *, tolerance: float, dense: bool = False) -> Mesh:
        """The mesh of `grid` in `crs`, right to `tolerance` units of it.

        `dense`: every pixel is to be asked for, since the caller has found that its file needs it.
        """
        key = (crs, grid, dense)
        with self._lock:
            mesh = self._meshes.get(key)
            if mesh is not None and mesh.error <= tolerance:
                self._meshes.move_to_end(key)
                return mesh
        mesh = dense_mesh(crs, grid) if dense else make_mesh(crs, grid, tolerance=tolerance)
        with self._lock:
            self._meshes[key] = mesh
            self._meshes.move_to_end(key)
            while sum(one.x.size for one in self._meshes.values()) > self._kept_points:
                self._meshes.popitem(last=False)
        return mesh


def make_mesh(crs: str, grid: Grid, *, tolerance: float) -> Mesh:
    """The coarsest mesh whose error is at most `tolerance`, of `STEP` pixels at most; dense where none is."""
    step = STEP
    while step >= LEAST_STEP:
        mesh = _mesh(crs, grid, step)
        if mesh.error <= tolerance:  # not so for NaN: somewhere there is no place
            return mesh
        step //= 2
    return dense_mesh(crs, grid)


def dense_mesh(crs: str, grid: Grid) -> Mesh:
    """The place of each pixel's centre; NaN where it has none."""
    rows, cols = np.arange(grid.height) + 0.5, np.arange(grid.width) + 0.5
    x, y = _places(crs, grid, rows, cols)
    return Mesh(x=x, y=y, spacing=(1.0, 1.0), first=(0.5, 0.5), error=0.0)


def _mesh(crs: str, grid: Grid, step: int) -> Mesh:
    down, right = math.ceil(grid.height / step), math.ceil(grid.width / step)
    rows, cols = np.linspace(0, grid.height, down + 1), np.linspace(0, grid.width, right + 1)
    x, y = _places(crs, grid, _halved(rows), _halved(cols))
    # All of them are kept, so that the error is a quarter: it grows with the square of the distance.
    error = max(_greatest_error(x, x[::2, ::2]), _greatest_error(y, y[::2, ::2])) / 4
    spacing = (grid.height / down / 2, grid.width / right / 2)
    return Mesh(x=x, y=y, spacing=spacing, first=(0.0, 0.0), error=error)


def _halved(points: Places) -> Places:
    """The points and those in the middle between them."""
    return np.interp(np.arange(2 * len(points) - 1) / 2, np.arange(len(points)), points)


def _greatest_error(true: Places, mesh: Places) -> float:
    """Of interpolation, in the middles of cells and of their edges; NaN where a place is missing."""
    across, down = (mesh[:, 1:] + mesh[:, :-1]) / 2, (mesh[1:] + mesh[:-1]) / 2
    middle = (down[:, 1:] + down[:, :-1]) / 2
    errors = (true[::2, 1::2] - across, true[1::2, ::2] - down, true[1::2, 1::2] - middle)
    return float(max(np.abs(one).max() for one in errors))


def _places(crs: str, grid: Grid, rows: Any, cols: Any) -> tuple[Places, Places]:
    """Of points of a grid, in `crs`; NaN where there is none."""
    across, down = np.meshgrid(grid.transform.c + cols * grid.transform.a, grid.transform.f + rows * grid.transform.e)
    if crs == grid.crs:
        return across, down
    x, y = transformer(grid.crs, crs).transform(across, down)
    nowhere = ~(np.isfinite(x) & np.isfinite(y))
    turn = max(turns(crs))
    if turn:  # smooth across a date line; which turn a file counts in is seen later
        x = np.unwrap(np.unwrap(x, axis=1, period=turn), axis=0, period=turn)
    return np.where(nowhere, np.nan, x), np.where(nowhere, np.nan, y)


def unwrapped(x: Places, crs: str, centre: float) -> tuple[Places, bool]:
    """Longitudes turned so that they lie nearest to `centre`, and whether neighbours are still half a turn apart.

    A file may count 0 to 360 and PROJ counts -180 to 180. Projected coordinates are left as they are.
    """
    turn = max(turns(crs))
    if not turn:
        return x, False
    turned = x + turn * np.round((centre - x) / turn)
    jumps = (np.abs(np.diff(turned, axis=0)) > turn / 2).any() or (np.abs(np.diff(turned, axis=1)) > turn / 2).any()
    return turned, bool(jumps)
