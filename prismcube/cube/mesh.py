"""Where the pixels of a grid lie in another CRS, told at control points and interpolated between them.

    mesh_of(source_crs, grid, tolerance) -> Mesh      kept: all dates of one zone share it

A transformation is smooth: between points some pixels apart a parabola misses it by far less than a millionth of a
pixel, which is measured where it errs most, in the middle of the cells and of their edges. (Not in cells alone:
conformal maps are harmonic, by which the errors along the two axes cancel there, and only there.) Where it is not
smooth (the edge of what a projection can tell, a date line) every pixel is asked for itself.
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
"""Pixels between control points, at first; halved until the mesh is exact enough."""

LEAST_STEP = 4
"""Below it, asking for every pixel is as cheap."""

ERROR_PX = 1e-6
"""How far an interpolated place may be from the true one, in pixels of the file.

So near to an edge between two of them a pixel of the answer may fall to the wrong side: with a ten thousandth, some of
the hundred million pixels of a large cube did, at the edges of clouds.
"""

THIRD = math.sqrt(3) / 216
"""By what part of third differences Bessel's formula errs at most that ends with the second: nowhere near the middle.

Of s (s - 1) (s - 1/2) / 6 between 0 and 1. Fourth differences err most in the middle, where they are measured.
"""

BESIDE = 1.03
"""By how much the error of third differences in a cell at the mesh's edge is greater than in its middle, at most.

Of s (s - 1) (s - 2): 0.385 to 0.375.
"""

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
    return Mesh(
        x=np.ascontiguousarray(x[::2, ::2]),
        y=np.ascontiguousarray(y[::2, ::2]),
        spacing=(grid.height / down, grid.width / right),
        first=(0.0, 0.0),
        error=max(_greatest_error(x), _greatest_error(y)),
    )


def _halved(points: Places) -> Places:
    """The points and those in the middle between them."""
    return np.interp(np.arange(2 * len(points) - 1) / 2, np.arange(len(points)), points)


def _greatest_error(true: Places) -> float:
    """Of the mesh that has every other point, at the points that it has not; NaN where a place is missing."""
    mesh = true[::2, ::2]
    across, down = _middles(mesh.T).T, _middles(mesh)
    errors = (true[::2, 1::2] - across, true[1::2, ::2] - down, true[1::2, 1::2] - _middles(down.T).T)
    third = [np.abs(np.diff(mesh, n=3, axis=axis)).max(initial=0.0) for axis in (0, 1)]
    return float(BESIDE * max(np.abs(one).max() for one in errors) + THIRD * sum(third))


def _middles(mesh: Places) -> Places:
    """What kernels find in the middle between the rows of a mesh: a parabola, as `kernels._stencil` has it."""
    middles = (mesh[1:] + mesh[:-1]) / 2
    bend = np.diff(mesh, n=2, axis=0)
    if len(bend):
        middles -= (np.concatenate([bend[:1], bend]) + np.concatenate([bend, bend[-1:]])) / 16
    return middles


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
