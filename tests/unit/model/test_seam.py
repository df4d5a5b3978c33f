"""Where maps end, and that cells end there."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from affine import Affine
from shapely.geometry import MultiPolygon, box

from prismcube.errors import InvalidInput
from prismcube.model.cells import is_cell_of, tiles, web_mercator_grid
from prismcube.model.grid import Bounds, Grid
from prismcube.model.layout import RegularGrid, SingleCell
from prismcube.model.seam import map_ends, shows_poles

HALF = math.pi * 6_378_137.0
FIJI = MultiPolygon([box(179.9, -17.1, 180, -17), box(-180, -17.1, -179.9, -17)])
DEGREES = RegularGrid(crs="EPSG:4326", resolution=0.01, cell_width=512, cell_height=512)


@pytest.mark.parametrize(
    ("crs", "half"),
    [
        ("EPSG:4326", 180.0),
        ("OGC:CRS84", 180.0),
        ("EPSG:3857", HALF),
        ("EPSG:3832", HALF),
        ("EPSG:4087", HALF),
        ("EPSG:6933", 17_367_530.445),
        ("EPSG:32701", None),
        ("EPSG:3035", None),
        ("EPSG:3031", None),
        ("EPSG:8857", None),  # its meridians are bent
    ],
)
def test_maps_of_upright_meridians_have_ends(crs, half):
    assert map_ends(crs) == (None if half is None else (pytest.approx(-half), pytest.approx(half)))


def test_maps_of_mercator_show_no_poles():
    shown = {crs: shows_poles(crs) for crs in ("EPSG:4326", "EPSG:4087", "EPSG:6933", "EPSG:3031", "EPSG:32701")}
    assert all(shown.values()), shown
    assert not any(map(shows_poles, ("EPSG:3857", "EPSG:3832", "EPSG:3395")))
    with pytest.raises(InvalidInput, match="reaches a pole"):
        tiles(replace(DEGREES, crs="EPSG:3857", resolution=1000), box(0, 80, 1, 90))


def test_cells_across_the_end_are_cut_and_keep_their_ids():
    cells = {one.id: one.grid for one in tiles(DEGREES, FIJI)}
    assert cells.keys() == {"35/3", "-36/3"}
    assert cells["35/3"].bounds.as_tuple() == pytest.approx((179.2, -20.48, 180, -15.36))
    assert cells["-36/3"].bounds.as_tuple() == pytest.approx((-180, -20.48, -179.2, -15.36))
    assert all(is_cell_of(DEGREES, one) for one in cells.values())


def test_pixels_that_lie_across_the_end_are_in_both_cells():
    spec = replace(DEGREES, resolution=0.007)
    east, west = (one.grid.bounds for one in sorted(tiles(spec, FIJI), key=lambda one: -one.grid.transform.c))
    assert 180 < east.east < 180.007
    assert -180.007 < west.west < -180


@pytest.mark.parametrize("x", [179.2, 180.0, -184.32])
def test_whole_cells_across_the_end_are_none_any_more(x):
    assert not is_cell_of(DEGREES, Grid("EPSG:4326", Affine(0.01, 0, x, 0, -0.01, -15.36), 512, 512))


def test_the_tiles_of_the_web_are_whole():
    found = list(tiles(web_mercator_grid(10), FIJI))
    assert {one.id.split("/")[0] for one in found} == {"0", "1023"}
    assert {one.grid.shape for one in found} == {(256, 256)}


def test_a_single_cell_of_degrees_counts_on():
    [one] = tiles(SingleCell("EPSG:4326", 0.01), FIJI)
    assert one.grid.bounds.as_tuple() == pytest.approx((179.9, -17.1, 180.1, -17.0))


def test_boxes_across_the_date_line_count_on():
    there = Bounds(179, -20, 181, -10).to_crs("OGC:CRS84", "EPSG:3832")
    assert there.to_crs("EPSG:3832", "OGC:CRS84").as_tuple() == pytest.approx((179, -20, 181, -10))
