"""Lines on a grid, against sampling them densely."""

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely import wkt

from prismcube.model.grid import Grid
from prismcube.model.lines import count_crossings, near_data, pixels_crossed, segments_of

GRID = Grid("EPSG:32632", Affine(10, 0, 500000, 0, -10, 5000000), 20, 30)
places = st.tuples(st.floats(499900, 500400), st.floats(4999700, 5000100))


@given(st.lists(places, min_size=2, max_size=6))
def test_a_line_crosses_what_its_points_lie_in(points):
    segments = np.stack([np.array(points[:-1]), np.array(points[1:])], axis=1)
    crossed = pixels_crossed(segments, GRID)
    found = set(zip(crossed.rows.tolist(), crossed.cols.tolist(), strict=True))
    assert len(crossed.rows) <= count_crossings(segments, GRID)
    for begin, end in segments:
        cols, rows = ~GRID.transform @ np.linspace(begin, end, 101)[1:-1].T
        sure = (np.abs(cols - np.round(cols)) > 1e-6) & (np.abs(rows - np.round(rows)) > 1e-6)
        inside = sure & (cols > 0) & (cols < GRID.width) & (rows > 0) & (rows < GRID.height)
        assert set(zip(rows[inside].astype(int).tolist(), cols[inside].astype(int).tolist(), strict=True)) <= found
    back_cols, back_rows = ~GRID.transform @ np.array([crossed.x, crossed.y])
    assert (np.abs(back_cols - crossed.cols - 0.5) <= 0.5 + 1e-6).all()
    assert (np.abs(back_rows - crossed.rows - 0.5) <= 0.5 + 1e-6).all()


def test_pixels_come_in_the_lines_order_and_again_when_it_comes_back():
    line = wkt.loads("LINESTRING(500005 4999995,500025 4999995,500005 4999995)")
    assert pixels_crossed(segments_of(line), GRID).cols.tolist() == [0, 1, 2, 1, 0]


def test_longitudes_of_0_to_360_are_found_from_the_west():
    grid = Grid("EPSG:4326", Affine(1, 0, 0, 0, -1, 90), 180, 360)
    line = wkt.loads("LINESTRING(-1.5 10.5,1.5 10.5)")
    assert pixels_crossed(segments_of(line), grid).cols.tolist() == [358, 359, 0, 1]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("LINESTRING(0 0,1 1)", 0),
        ("LINESTRING(500005 4999995,500025 4999995)", 1),
        ("LINESTRING(0 4999900,900000 4999900,900000 0)", 1),
    ],
)
def test_only_what_lies_near_the_data_is_kept(line, kept):
    segments = near_data(segments_of(wkt.loads(line)), "EPSG:32632", GRID)
    assert len(segments) == kept
    if kept:
        assert segments[..., 0].min() >= 499900
        assert segments[..., 0].max() <= 500400
