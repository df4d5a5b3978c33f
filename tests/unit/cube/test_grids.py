"""Output grids: what a request's area and size amount to."""

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import calculate_default_transform

from prismcube.cube.grids import GridRequest, output_grid
from prismcube.errors import InvalidInput
from prismcube.model.grid import Bounds, Grid

# The demo's grid: its origin is not on a whole metre.
NATIVE = Grid("EPSG:3035", Affine(10, 0, 5236001.25, 0, -10, 2699998.75), 100, 120)


def ask(**wanted):
    return output_grid(NATIVE, GridRequest(**wanted))


def test_nothing_asked_is_the_native_grid():
    assert ask() == NATIVE


def test_a_window_lies_on_the_native_lattice_and_covers_the_area():
    grid = ask(bounds=Bounds(5236100, 2699500, 5236355, 2699700))
    assert NATIVE.pixel_offset(grid) == (29, 9)
    assert (grid.width, grid.height) == (27, 21)
    assert grid.bounds.west <= 5236100 < grid.bounds.west + 10
    assert grid.bounds.south <= 2699500 < grid.bounds.south + 10


@given(st.floats(0, 1190), st.floats(0, 990), st.floats(0.1, 1200), st.floats(0.1, 1000))
def test_any_window_covers_what_of_the_area_has_data(east, south, width, height):
    west0, south0 = NATIVE.bounds.west, NATIVE.bounds.south
    area = Bounds(west0 + east, south0 + south, west0 + east + width, south0 + south + height)
    grid = ask(bounds=area)
    assert NATIVE.pixel_offset(grid) is not None
    covered = area.intersection(NATIVE.bounds)
    slack = 10 * 1e-5
    assert grid.bounds.west <= covered.west + slack
    assert grid.bounds.east >= covered.east - slack
    assert grid.bounds.south <= covered.south + slack
    assert grid.bounds.north >= covered.north - slack
    assert 0 <= NATIVE.pixel_offset(grid)[0] <= NATIVE.height - grid.height
    assert 0 <= NATIVE.pixel_offset(grid)[1] <= NATIVE.width - grid.width


def test_pixel_edges_do_not_take_a_neighbour():
    b = NATIVE.bounds
    grid = ask(bounds=Bounds(b.west + 10, b.north - 30, b.west + 40, b.north - 10))
    assert (grid.width, grid.height) == (3, 2)


def test_a_single_position_is_the_pixel_it_lies_in():
    b = NATIVE.bounds
    grid = ask(bounds=Bounds(b.west + 15, b.north - 25, b.west + 15, b.north - 25))
    assert NATIVE.pixel_offset(grid) == (2, 1)
    assert grid.shape == (1, 1)


def test_beside_the_data_is_nothing():
    assert ask(bounds=Bounds(0, 0, 10, 10)) is None


def test_width_and_height_fill_exactly_the_area():
    area = Bounds(5236000, 2699000, 5237000, 2699500)
    grid = ask(bounds=area, width=50, height=50)
    assert grid.bounds == area
    assert grid.resolution == (20, 10)


@pytest.mark.parametrize(("size", "shape"), [({"width": 40}, (20, 40)), ({"height": 40}, (40, 80))])
def test_one_side_follows_from_the_other(size, shape):
    assert ask(bounds=Bounds(5236000, 2699000, 5237000, 2699500), **size).shape == shape


def test_scale_factor_two_halves_the_resolution():
    grid = ask(scale=(2.0, 2.0))
    assert grid.shape == (50, 60)
    assert grid.bounds == NATIVE.bounds


def test_resolution_may_reach_beyond_the_south_east():
    grid = ask(resolution=(70, 70))
    assert grid.resolution == (70, 70)
    assert grid.shape == (15, 18)
    assert (grid.bounds.west, grid.bounds.north) == (NATIVE.bounds.west, NATIVE.bounds.north)


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:32635", "EPSG:4326"])
def test_another_crs_has_pixels_as_large_as_gdal_would_choose(crs):
    grid = ask(crs=crs)
    b = NATIVE.bounds
    transform, _, _ = calculate_default_transform(
        NATIVE.crs, crs, NATIVE.width, NATIVE.height, b.west, b.south, b.east, b.north
    )
    assert grid.resolution[0] == pytest.approx(transform.a, rel=0.02)


def test_sizes_exclude_each_other():
    with pytest.raises(InvalidInput, match="exclude each other"):
        ask(width=5, scale=(2.0, 2.0))


def test_a_size_beyond_all_reason_is_refused_without_being_computed():
    with pytest.raises(InvalidInput, match="more than"):
        ask(scale=(1e-12, 1e-12))
