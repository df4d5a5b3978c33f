"""Places between control points, as the kernels find them, beside PROJ's own."""

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import njit
from pyproj import Transformer

from prismcube.cube.kernels import _row
from prismcube.cube.mesh import ERROR_PX, STEP, Meshes, dense_mesh, make_mesh
from prismcube.model.grid import Grid

PLACES = {
    # CRS of the answer, a point in its middle, CRS of the file
    "zones": ("EPSG:32632", (263_580.0, 5_045_100.0), "EPSG:32631"),
    "mercator": ("EPSG:3857", (664_000.0, 5_700_000.0), "EPSG:32632"),
    "southern": ("EPSG:3857", (-6_400_000.0, -2_900_000.0), "EPSG:32721"),
    "polar": ("EPSG:3413", (1_200_000.0, -1_500_000.0), "EPSG:32622"),
    "degrees": ("EPSG:4326", (24.0, 45.0), "EPSG:32635"),
    "datum": ("EPSG:31370", (150_000.0, 170_000.0), "EPSG:3035"),
}


@njit
def rows_of(x, y, first, spacing, xs, ys):
    line = np.empty((2, x.shape[1]))
    for row in range(xs.shape[0]):
        v = (row + 0.5 - first[0]) / spacing[0]
        _row(x, y, v, (0.5 - first[1]) / spacing[1], 1 / spacing[1], xs.shape[1], line, xs[row], ys[row])


def placed(mesh, grid):
    xs, ys = np.empty(grid.shape), np.empty(grid.shape)
    rows_of(mesh.x, mesh.y, mesh.first, mesh.spacing, xs, ys)
    return xs, ys


def true_places(crs, grid):
    cols, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    x, y = grid.transform @ (cols, rows)
    return Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)


@pytest.mark.parametrize("name", PLACES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    metres=st.floats(0.5, 3000),
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    move=st.tuples(st.integers(-500, 500), st.integers(-500, 500)),
)
def test_kernels_miss_no_place_by_more_than_the_mesh_tells(name, metres, shape, move):
    crs, (x, y), source = PLACES[name]
    pixel = metres / 111_000 if crs == "EPSG:4326" else metres
    height, width = shape
    corner = Affine(
        pixel, 0, x - pixel * (width / 2 + move[1] / 10), 0, -pixel, y + pixel * (height / 2 + move[0] / 10)
    )
    grid = Grid(crs, corner, height, width)
    mesh = make_mesh(source, grid, tolerance=ERROR_PX * metres)
    found, true = placed(mesh, grid), true_places(source, grid)
    error = max(np.abs(found[axis] - true[axis]).max() for axis in (0, 1))
    rounding = 1e-8  # metres: of coordinates of millions
    assert error <= mesh.error + rounding
    assert mesh.error <= ERROR_PX * metres or mesh.is_dense


def test_a_large_cube_of_fine_pixels_needs_few_points():
    grid = Grid("EPSG:3857", Affine(27.0, 0, 635_000, 0, -27.0, 5_720_000), 2048, 2048)
    mesh = make_mesh("EPSG:32632", grid, tolerance=ERROR_PX * 20)
    assert mesh.spacing == (STEP, STEP)
    assert mesh.x.flags.c_contiguous
    assert 0 < mesh.error <= 20e-6


def test_a_dense_mesh_is_taken_point_by_point_though_some_are_nowhere():
    grid = Grid("EPSG:3857", Affine(500.0, 0, 635_000, 0, -500.0, 5_720_000), 40, 50)
    mesh = dense_mesh("EPSG:32632", grid)
    mesh.x[7, 9] = mesh.y[7, 9] = np.nan
    found, true = placed(mesh, grid), true_places("EPSG:32632", grid)
    beside = np.ones(grid.shape, bool)
    beside[7, 9] = False
    assert np.isnan(found[0][7, 9])
    for axis in (0, 1):
        np.testing.assert_allclose(found[axis][beside], true[axis][beside], rtol=0, atol=1e-8)


def test_meshes_are_kept_for_all_files_of_a_zone(monkeypatch):
    made = []

    def counted(crs, grid, *, tolerance):
        made.append((crs, grid))
        return make_mesh(crs, grid, tolerance=tolerance)

    monkeypatch.setattr("prismcube.cube.mesh.make_mesh", counted)
    meshes = Meshes()
    grid = Grid("EPSG:32632", Affine(10, 0, 263_580, 0, -10, 5_045_100), 400, 300)
    first = meshes.get("EPSG:32631", grid, tolerance=1e-3)
    assert meshes.get("EPSG:32631", grid, tolerance=1e-3) is first
    assert meshes.get("EPSG:32633", grid, tolerance=1e-3) is not first
    assert meshes.get("EPSG:32631", grid.shifted(1, 0, height=400, width=300), tolerance=1e-3) is not first
    assert len(made) == 3
    finer = meshes.get("EPSG:32631", grid, tolerance=first.error / 2)
    assert len(made) == 4
    assert finer.error <= first.error / 2
    assert meshes.get("EPSG:32631", grid, tolerance=1e-3) is finer, "what is exact enough for one is for others"
    assert len(made) == 4


def test_meshes_that_were_used_longest_ago_go():
    grids = [Grid("EPSG:32632", Affine(10, 0, 263_580 + 10 * i, 0, -10, 5_045_100), 320, 320) for i in range(3)]
    size = make_mesh("EPSG:32631", grids[0], tolerance=1).x.size
    meshes = Meshes(kept_points=2 * size)
    first, second = (meshes.get("EPSG:32631", grid, tolerance=1) for grid in grids[:2])
    assert meshes.get("EPSG:32631", grids[0], tolerance=1) is first
    meshes.get("EPSG:32631", grids[2], tolerance=1)
    assert meshes.get("EPSG:32631", grids[0], tolerance=1) is first
    assert meshes.get("EPSG:32631", grids[1], tolerance=1) is not second
