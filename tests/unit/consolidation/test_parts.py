"""Parts of cells: all that a source covers in them, and hardly more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon

from prismcube.consolidation.parts import Part, Parts
from prismcube.consolidation.written import Written
from prismcube.errors import InvalidInput
from prismcube.model.entities import Dataset
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import CRS84, Bounds, Grid, transformer

CELL = Grid("EPSG:32633", Affine(10, 0, 499_840, 0, -10, 5_000_000), 64, 128)
ALL = Part(0, 0, 64, 128)


def source(grid: Grid, part: Bounds | None = None) -> Dataset:
    return Dataset(
        record_id=1,
        instance_id=1,
        container_id=1,
        time=datetime(2020, 1, 1, tzinfo=UTC),
        uri="file:///a",
        bands=(1,),
        format=DataFormat(dtype="uint8"),
        mapping=ValueMapping(),
        grid=grid,
        footprint=MultiPolygon(),
        part=part,
    )


def utm(x: float, y: float, *, pixel: float = 10, height: int = 30, width: int = 50, crs: str = CELL.crs) -> Grid:
    return Grid(crs, Affine(pixel, 0, x, 0, -pixel, y), height, width)


@pytest.mark.parametrize(
    ("sources", "part"),
    [
        ([utm(500_000, 4_999_900)], (10, 16, 40, 66)),  # on the pixels of the cell
        ([utm(500_004, 4_999_896)], (10, 16, 41, 67)),  # beside them: all pixels that it touches
        ([utm(500_000.000001, 4_999_900)], (10, 16, 40, 66)),  # on them, but for what numbers can't tell
        ([utm(500_000, 5_000_100)], (0, 16, 20, 66)),  # reaches beyond the cell
        ([utm(400_000, 5_100_000, height=20_000, width=20_000)], ALL),
        ([utm(500_000, 4_999_900), utm(500_700, 4_999_500, height=2, width=3)], (10, 16, 52, 89)),  # apart
        ([utm(500_000, 4_999_900), utm(501_120, 4_999_000)], (10, 16, 40, 66)),  # one touches the cell's corner only
        ([utm(501_120, 4_999_000)], ALL),  # nothing that could be told
    ],
)
def test_whole_pixels_around_sources(sources: Any, part: Any) -> None:
    assert Parts(CELL).of(map(source, sources)) == part


def test_a_part_of_a_source_counts_alone() -> None:
    grid = utm(499_840, 5_000_000, height=64, width=128)
    for part in (ALL, Part(3, 5, 64, 128), Part(0, 0, 1, 1)):
        assert Parts(CELL).of([source(grid, part.bounds(CELL))]) == part


@given(
    dx=st.floats(-2_000, 2_000),
    dy=st.floats(-2_000, 2_000),
    pixel=st.sampled_from([3.0, 10.0, 60.0]),
    crs=st.sampled_from(["EPSG:32634", "EPSG:3035", "EPSG:3857", CRS84, "EPSG:4326"]),
    turn=st.sampled_from([0, 360, -360]),
)
def test_what_is_covered_in_another_crs_lies_in_the_part(
    dx: float, dy: float, pixel: float, crs: str, turn: float
) -> None:
    """Judged by points of the source, placed one by one; on each side some of its edge is less than two pixels away."""
    geographic = crs in (CRS84, "EPSG:4326")
    middle = CELL.bounds.west + 640 + dx, CELL.bounds.south + 320 + dy
    x, y = transformer(CELL.crs, crs).transform(*middle)
    grid = utm(x + (turn if geographic else 0), y, pixel=pixel / 1e5 if geographic else pixel, crs=crs)
    cols, rows = np.meshgrid(np.linspace(0, grid.width, 201), np.linspace(0, grid.height, 201))
    at = transformer(crs, CELL.crs).transform(*(grid.transform @ (cols.ravel(), rows.ravel())))
    cols, rows = ~CELL.transform @ at
    inside = (cols > 0) & (cols < CELL.width) & (rows > 0) & (rows < CELL.height)
    part = Parts(CELL).of([source(grid)])
    if not inside.any():
        return
    cols, rows, slack = cols[inside], rows[inside], 1e-5
    assert part.left <= cols.min() + slack
    assert part.right >= cols.max() - slack
    assert part.top <= rows.min() + slack
    assert part.bottom >= rows.max() - slack
    if inside.all():  # of a source that the cell cuts, the points may miss the farthest place
        assert part.left > cols.min() - 2
        assert part.right < cols.max() + 2
        assert part.top > rows.min() - 2
        assert part.bottom < rows.max() + 2


def test_both_ends_of_the_world_are_one_part() -> None:
    """A source across the date line lies at both ends of a cell that goes round."""
    world = Grid("EPSG:4326", Affine(1, 0, -180, 0, -1, 90), 180, 360)
    at = Grid("EPSG:4326", Affine(1, 0, 170, 0, -1, 10), 5, 20)
    assert Parts(world).of([source(at)]) == (80, 0, 85, 360)
    assert Parts(world).of([source(at.shifted(0, 0, height=5, width=10))]) == (80, 350, 85, 360)
    assert Parts(world).of([source(at.shifted(0, 10, height=5, width=10))]) == (80, 0, 85, 10)


def test_where_there_is_no_place_it_is_the_cell() -> None:
    pole = Grid("EPSG:3995", Affine(1000, 0, -64_000, 0, -1000, 32_000), 64, 128)
    assert Parts(pole).of([source(utm(500_000, 5_000_000))]) == ALL


def test_parts_survive_json() -> None:
    one = Written(record=3, subdir="", valid="", part=Part(1, 2, 3, 4))
    assert Written.from_json(one.to_json()) == one
    copied = Written(record=3, subdir="", valid="", copied=9)
    assert Written.from_json(copied.to_json()) == copied


def test_a_part_lies_within_its_grid() -> None:
    grid = utm(500_000, 4_999_900)
    assert source(grid, grid.bounds) == source(grid)
    assert source(grid).covered == grid.bounds
    with pytest.raises(InvalidInput, match="lies beyond"):
        source(grid, grid.bounds.moved(10))
