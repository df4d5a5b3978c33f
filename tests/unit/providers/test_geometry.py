"""Footprints in other CRSs: cut where a CRS has no place for them."""

import numpy as np
import pytest
from pyproj import Transformer
from shapely.geometry import MultiPolygon, box, shape

from prismcube.model.grid import CRS84
from providers.ogc.geometry import geometry_document


def test_a_single_polygon_is_one():
    one = geometry_document(MultiPolygon([box(1, 2, 3, 4)]), crs=CRS84)
    assert one["type"] == "Polygon"
    assert shape(one).equals(box(1, 2, 3, 4))
    two = geometry_document(MultiPolygon([box(1, 2, 3, 4), box(5, 2, 6, 4)]), crs=CRS84)
    assert two["type"] == "MultiPolygon"


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:3035", "EPSG:32633"])
def test_axes_are_in_the_order_of_the_crs(crs):
    found = geometry_document(MultiPolygon([box(14, 47, 15, 48)]), crs=crs)
    x, y = np.array(box(14, 47, 15, 48).exterior.coords).T
    expected = np.column_stack(Transformer.from_crs("OGC:CRS84", crs).transform(x, y))
    assert np.allclose(found["coordinates"][0], expected, rtol=1e-12)


def test_what_mercator_can_not_show_is_cut():
    found = geometry_document(MultiPolygon([box(-180, -90, 180, 90)]), crs="EPSG:3857")
    west, south, east, north = shape(found).bounds
    assert (west, east) == pytest.approx((-20037508.34, 20037508.34))
    assert (south, north) == pytest.approx((-20048966.1, 20048966.1), rel=1e-3)
    assert geometry_document(MultiPolygon([box(0, 89.999999, 1, 90)]), crs="EPSG:3857") is None
