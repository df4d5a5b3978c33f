"""The area in which datasets are searched for a grid."""

import pytest
from affine import Affine
from shapely.geometry import Point

from prismcube.cube.sources import area_around
from prismcube.model.grid import Grid


@pytest.mark.parametrize(
    ("crs", "x", "y", "inside", "outside"),
    [
        ("EPSG:32632", 500000, 5000000, [(9.1, 45.1)], [(8.9, 45.1), (9.1, 45.2)]),
        ("EPSG:32601", 340000, 7000000, [(-179.99, 63.05), (179.95, 63.05)], [(0, 63.05), (177, 63.05)]),
        ("EPSG:3413", -5000, 5000, [(0, 89.99), (170, 89.99), (-90, 89.99)], [(0, 89), (90, 89)]),
    ],
)
def test_a_grid_is_searched_where_it_lies(crs, x, y, inside, outside):
    """100 x 100 pixels of 100 m: also across the antimeridian and over a pole."""
    area = area_around(Grid(crs, Affine(100, 0, x, 0, -100, y), 100, 100))
    assert all(area.intersects(Point(*place)) for place in inside)
    assert not any(area.intersects(Point(*place)) for place in outside)
