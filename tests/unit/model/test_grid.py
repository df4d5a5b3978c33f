"""Grids: windows stay on the lattice and cover what was asked."""

from __future__ import annotations

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.grid import ALIGNED_PX, Bounds, Grid, is_north_first, parse_crs

SIZES = st.integers(1, 500)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    dx, dy = draw(st.sampled_from([10.0, 0.3, 231.65, 1e-4])), draw(st.sampled_from([10.0, 0.7, 20.0]))
    x, y = draw(st.floats(-1e5, 1e5)), draw(st.floats(-1e5, 1e5))
    return Grid("EPSG:3035", Affine(dx, 0, x, 0, -dy, y), draw(SIZES), draw(SIZES))


@st.composite
def boxes(draw: st.DrawFn, grid: Grid) -> Bounds:
    """A box within 100 pixels around the grid."""
    dx, dy = grid.resolution
    west = grid.bounds.west + draw(st.floats(-100, 100)) * dx
    south = grid.bounds.south + draw(st.floats(-100, 100)) * dy
    return Bounds(west, south, west + draw(st.floats(0, 300)) * dx, south + draw(st.floats(0, 300)) * dy)


@given(data=st.data(), grid=grids())
def test_window_covers_the_box_with_less_than_a_pixel_to_spare(data: st.DataObject, grid: Grid) -> None:
    wanted = data.draw(boxes(grid))
    found = grid.window(wanted)
    (dx, dy), slack = grid.resolution, 1e-3
    assert found.bounds.west <= wanted.west + slack * dx
    assert found.bounds.east >= wanted.east - slack * dx
    assert found.bounds.south <= wanted.south + slack * dy
    assert found.bounds.north >= wanted.north - slack * dy
    assert found.width <= (wanted.east - wanted.west) / dx + 2
    assert found.height <= (wanted.north - wanted.south) / dy + 2


@given(data=st.data(), grid=grids())
def test_window_is_on_the_lattice(data: st.DataObject, grid: Grid) -> None:
    found = grid.window(data.draw(boxes(grid)))
    offset = grid.pixel_offset(found)
    assert offset is not None
    row, col = offset
    assert grid.shifted(row, col, height=found.height, width=found.width) == found


@given(grid=grids())
def test_window_of_its_own_bounds_is_itself(grid: Grid) -> None:
    assert grid.window(grid.bounds).shape == grid.shape
    assert grid.pixel_offset(grid) == (0, 0)


@given(grid=grids(), row=st.integers(-200, 200), col=st.integers(-200, 200), height=SIZES, width=SIZES)
def test_offset_undoes_shift(grid: Grid, row: int, col: int, height: int, width: int) -> None:
    assert grid.pixel_offset(grid.shifted(row, col, height=height, width=width)) == (row, col)


@given(grid=grids(), part=st.floats(10 * ALIGNED_PX, 0.9))
def test_a_part_of_a_pixel_is_no_offset(grid: Grid, part: float) -> None:
    moved = Grid(grid.crs, grid.transform @ Affine.translation(part, 0), grid.height, grid.width)
    assert grid.pixel_offset(moved) is None


@given(grid=grids())
def test_another_crs_or_pixel_size_has_no_offset(grid: Grid) -> None:
    assert grid.pixel_offset(Grid("EPSG:32633", grid.transform, 1, 1)) is None
    assert grid.pixel_offset(Grid(grid.crs, grid.transform @ Affine.scale(2), 1, 1)) is None


@given(grid=grids())
def test_json_round_trip(grid: Grid) -> None:
    assert Grid.from_json(grid.to_json()) == grid


@given(grid=grids())
def test_centres_lie_inside(grid: Grid) -> None:
    xs, ys = grid.xs(), grid.ys()
    assert (xs.shape, ys.shape) == ((grid.width,), (grid.height,))
    assert grid.bounds.west < xs[0]
    assert xs[-1] < grid.bounds.east
    assert grid.bounds.south < ys[-1]
    assert ys[0] < grid.bounds.north


@pytest.mark.parametrize(
    "transform",
    [Affine(1, 0.1, 0, 0, -1, 0), Affine(1, 0, 0, 0.1, -1, 0), Affine(1, 0, 0, 0, 1, 0), Affine(-1, 0, 0, 0, -1, 0)],
)
def test_only_north_up_grids(transform: Affine) -> None:
    with pytest.raises(InvalidInput, match="north-up"):
        Grid("EPSG:3035", transform, 1, 1)


@pytest.mark.parametrize(
    "code",
    [
        3031, 3413, 3995, 5041, 3976, 5938, 32661, 32761, 5042, 3575, 3408, 3035, 2180, 31467, 31700, 2193, 4326, 3857,
        32633, 27700,
    ],
)  # fmt: skip
def test_axis_order_is_the_one_pyproj_uses(code):
    """Around a pole both axes point north, or both south."""
    from pyproj import Transformer

    area = parse_crs(f"EPSG:{code}").area_of_use
    place = (area.west + (area.east - area.west) * 0.37, area.south + (area.north - area.south) * 0.61)
    x, y = Transformer.from_crs("OGC:CRS84", f"EPSG:{code}", always_xy=True).transform(*place)
    own = Transformer.from_crs("OGC:CRS84", f"EPSG:{code}").transform(*place)
    assert own == pytest.approx((y, x) if is_north_first(f"EPSG:{code}") else (x, y))
