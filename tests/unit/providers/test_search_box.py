"""`bbox` of searches: on the globe, held against pyproj's own bounds."""

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.geometry import Point

from prismcube.errors import InvalidInput
from prismcube.model.grid import CRS84
from providers.ogc.search_box import parse_search_box

TO_GLOBE = Transformer.from_crs("EPSG:3035", CRS84, always_xy=True)
LON, LAT = st.floats(-180, 180), st.floats(-90, 90)


@given(lon=st.tuples(LON, LON), lat=st.tuples(LAT, LAT).map(sorted), at=st.tuples(LON, LAT))
def test_a_box_in_degrees_holds_what_lies_in_it(lon, lat, at):
    (west, east), (south, north), (x, y) = lon, lat, at
    area = parse_search_box(f"{west!r},{south!r},{east!r},{north!r}", crs=CRS84)
    inside = south <= y <= north and (west <= x <= east if west <= east else x >= west or x <= east)
    assert area.intersects(Point(x, y)) == inside
    assert parse_search_box(f"{south!r},{west!r},{north!r},{east!r}", crs="EPSG:4326").equals(area)


@given(x=st.floats(4_000_000, 5_000_000), y=st.floats(2_000_000, 4_000_000), side=st.floats(1, 500_000))
def test_a_projected_box_holds_what_lies_in_it(x, y, side):
    """EPSG:3035, northing first; corners and middles of edges belong to it, what is well beyond does not."""
    area = parse_search_box(f"{y!r},{x!r},{y + side!r},{x + side!r}", crs="EPSG:3035")
    for dx, dy in ((0, 0), (side, 0), (0, side), (side, side), (side / 2, side / 2)):
        assert area.intersects(Point(*TO_GLOBE.transform(x + dx, y + dy)))
    beyond = 1 + side / 100
    for dx, dy in ((-beyond, side / 2), (side + beyond, side / 2), (side / 2, -beyond), (side / 2, side + beyond)):
        assert not area.intersects(Point(*TO_GLOBE.transform(x + dx, y + dy)))


@pytest.mark.parametrize(
    ("text", "crs", "inside", "outside"),
    [
        ("10,45,10,45", CRS84, (10, 45), (10, 45.0001)),
        ("10,45,11,45", CRS84, (10.5, 45), (10.5, 45.0001)),
        (
            "1113194.9079327357,5621521.486192066,1113194.9079327357,5621521.486192066",
            "EPSG:3857",
            (10, 45),
            (10, 45.0001),
        ),
        ("-1000000,-1000000,1000000,1000000", "EPSG:3413", (123, 89), (-45, 76)),  # around the north pole
        ("1,2,-5,3,4,5", CRS84, (2, 3), (4, 5)),  # heights are taken off
        ("1900000,3900000,2300000,4100000", "EPSG:3460", (-179.5, -17), (170, -17)),  # Fiji, across the antimeridian
        ("-50,170,-40,-170", "EPSG:4167", (-175, -45), (0, -45)),  # latitude first, in degrees of another datum
    ],
)
def test_boxes_that_are_special(text, crs, inside, outside):
    area = parse_search_box(text, crs=crs)
    assert area.intersects(Point(*inside))
    assert not area.intersects(Point(*outside))
    assert area.is_valid
    assert shapely.get_num_coordinates(area) < 1000


@pytest.mark.parametrize(
    ("text", "crs"),
    [
        ("2,1,1,2", "EPSG:3857"),
        ("1,2,2,1", CRS84),
        ("1,2,3", CRS84),
        ("1,2,3,4,5", CRS84),
        ("1,2,9,3,4,0", CRS84),
        ("1,2,3,nan", CRS84),
        ("1,2,3,1e300", "EPSG:3857"),
        ("181,0,182,1", CRS84),
        ("0,-91,1,1", CRS84),
        ("89,0,91,1", "EPSG:4326"),
        ("900000000,900000000,950000000,950000000", "EPSG:32633"),
    ],
)
def test_boxes_that_are_none(text, crs):
    with pytest.raises(InvalidInput) as caught:
        parse_search_box(text, crs=crs)
    assert caught.value.parameter == "bbox"
