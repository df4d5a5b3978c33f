"""Circles and corridors on the ground, against geodesic distances."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from shapely import wkt

from prismcube.model.distance import circle, corridor
from prismcube.model.grid import Grid
from prismcube.model.lines import segments_of
from prismcube.model.shapes import onto

GEOD = Geod(ellps="WGS84")


def grid(crs, x, y, size):
    return Grid(crs, Affine(size, 0, x, 0, -size, y), 100, 100)


@settings(max_examples=25)
@given(
    st.sampled_from(["EPSG:3035", "EPSG:4326", "EPSG:3857", "EPSG:3413"]),
    st.floats(-25, 40),
    st.floats(35, 70),
    st.floats(10, 50_000),
)
def test_a_circle_is_what_lies_within_the_distance(crs, lon, lat, metres):
    native = grid(crs, 0, 0, 0.0001 if crs == "EPSG:4326" else 10)
    shape = circle(lon, lat, "OGC:CRS84", metres=metres, native=native)
    to = Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    azimuths = np.linspace(0, 360, 37)
    for factor, inside in ((0.9999, True), (1.0001, False)):
        n = len(azimuths)
        xs, ys, _ = GEOD.fwd(np.full(n, lon), np.full(n, lat), azimuths, np.full(n, metres * factor))
        assert (shapely.contains_xy(shape, *to.transform(xs, ys)) == inside).all()


def test_a_circle_around_a_pole_takes_it_in():
    native = Grid("EPSG:4326", Affine(1, 0, -180, 0, -1, 90), 2, 360)
    shape = onto(circle(10, 89.9, "OGC:CRS84", metres=100_000, native=native), native)
    assert shapely.contains_xy(shape, [10, 100, 179], [89.95, 89.9, 89.99]).all()
    assert not shapely.contains_xy(shape, [10, 100, 179], [88.9, 88.9, 88.9]).any()


@pytest.mark.parametrize("crs", ["EPSG:3035", "EPSG:4326"])
@pytest.mark.parametrize("line", ["LINESTRING(22 45,22.3 45.2)", "LINESTRING(22 45,22.2 45.1,22.0 45.2,22.0 45.2)"])
def test_a_corridor_is_what_lies_near_the_line(crs, line):
    native = grid(crs, 5260000, 2550000, 10) if crs == "EPSG:3035" else grid(crs, 22, 45.2, 0.0001)
    shape = corridor(segments_of(wkt.loads(line)), "OGC:CRS84", metres=1500, native=native)
    random = np.random.default_rng(1)
    lon, lat = random.uniform(21.9, 22.4, 400), random.uniform(44.9, 45.3, 400)
    ends = wkt.loads(line).coords
    dense = np.concatenate([np.linspace(a, b, 1501) for a, b in pairwise(ends)])
    near = np.array(
        [
            GEOD.inv(np.full(len(dense), x), np.full(len(dense), y), *dense.T)[2].min()
            for x, y in zip(lon, lat, strict=True)
        ]
    )
    sure = np.abs(near - 1500) > 5
    to = Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    inside = shapely.contains_xy(shape, *to.transform(lon, lat))
    assert np.array_equal(inside[sure], near[sure] < 1500)
    assert inside.any()
