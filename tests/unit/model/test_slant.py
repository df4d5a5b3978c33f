"""Pixels that do not lie north-up."""

import json
import math

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.grid import Grid
from prismcube.model.slant import Slant

PLACE = Affine.translation(500_000, 5_000_000)


@st.composite
def slants(draw: st.DrawFn) -> Slant:
    size = st.floats(0.1, 1000) | st.floats(-1000, -0.1)
    turned = Affine.rotation(draw(st.floats(0, 360))) @ Affine.shear(draw(st.floats(-40, 40)))
    transform = PLACE @ turned @ Affine.scale(draw(size), draw(size))
    return Slant(transform, draw(st.integers(1, 3000)), draw(st.integers(1, 3000)))


@given(slants())
def test_the_upright_grid_is_the_least_around_all_pixels(slant: Slant) -> None:
    grid = slant.upright("EPSG:32632")
    corners = [slant.transform @ (col, row) for col in (0, slant.width) for row in (0, slant.height)]
    bounds, (dx, dy) = grid.bounds, grid.resolution
    xs, ys = zip(*corners, strict=True)
    assert bounds.west == min(xs)
    assert bounds.north == max(ys)
    assert max(grid.shape) <= slant.height + slant.width
    assert -1e-5 * dx <= bounds.east - max(xs) <= dx
    assert -1e-5 * dy <= min(ys) - bounds.south <= dy


@given(slants())
def test_it_is_the_same_after_a_journey_as_json(slant: Slant) -> None:
    assert Slant.from_json(json.loads(json.dumps(slant.to_json()))) == slant


@given(st.floats(0, 360), st.floats(0.1, 100), st.floats(0.1, 10))
def test_a_rotation_leaves_the_size_of_pixels(angle: float, size: float, times: float) -> None:
    slant = Slant(PLACE @ Affine.rotation(angle) @ Affine.scale(size, -size), 30, 40)
    assert slant.upright("EPSG:32632").resolution == pytest.approx((size, size))
    assert slant.along_own_axes(times, times) == pytest.approx((times, times))


@pytest.mark.parametrize(("across", "along"), [(1, 1), (-1, -1), (-1, 1)])
def test_mirrored_pixels_keep_their_grid(across: int, along: int) -> None:
    """The pixels are those of the upright grid, in another order."""
    slant = Slant(PLACE @ Affine.scale(20 * across, 10 * along), 30, 40)
    grid = slant.upright("EPSG:32632")
    west, north = (500_000 if across == 1 else 499_200), (5_000_300 if along == 1 else 5_000_000)
    assert grid == Grid("EPSG:32632", Affine(20, 0, west, 0, -10, north), 30, 40)
    assert slant.along_own_axes(2, 3) == (2, 3)
    assert slant.reason == "its pixels are upside down"


def test_a_quarter_turn_changes_the_sides() -> None:
    slant = Slant(PLACE @ Affine(0, 10, 0, 20, 0, 0), 30, 40)  # columns go north, rows go east
    grid = slant.upright("EPSG:32632")
    assert grid == Grid("EPSG:32632", Affine(10, 0, 500_000, 0, -20, 5_000_800), 40, 30)
    assert slant.along_own_axes(2, 3) == (3, 2)
    assert slant.reason == "its pixels are rotated"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=6, max_size=6))
def test_any_other_numbers_are_refused_or_have_a_grid(numbers: list[float]) -> None:
    try:
        slant = Slant(Affine(*numbers), 1, 1)
        grid = slant.upright("EPSG:32632")
    except InvalidInput:
        return
    assert all(map(math.isfinite, grid.bounds.as_tuple()))


@pytest.mark.parametrize(
    ("transform", "height", "width"),
    [
        (Affine(1, 2, 0, 2, 4, 0), 5, 5),  # all on one line
        (Affine(0, 0, 0, 0, 0, 0), 5, 5),
        (Affine(math.nan, 0, 0, 0, 1, 0), 5, 5),
        (Affine(1, 0, 0, 0, 1, math.inf), 5, 5),
        (Affine(1, 0, 0, 0, 1, 0), 0, 5),
        (Affine(1, 0, 0, 0, 1, 0), 5, -1),
    ],
)
def test_what_is_no_image_is_refused(transform: Affine, height: int, width: int) -> None:
    with pytest.raises(InvalidInput):
        Slant(transform, height, width)
