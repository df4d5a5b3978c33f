"""`/items`: time steps and footprints."""

import httpx
import pytest
import rasterio
from rasterio.warp import transform_bounds
from shapely.geometry import shape

S2 = "/collections/s2-romania/items"


def test_items_are_the_records_with_their_footprints(demo, romania, romania_files):
    page = demo.json(S2, limit=1000)
    assert page["type"] == "FeatureCollection"
    assert page["numberReturned"] == len(page["features"]) == 140
    assert [one["properties"]["datetime"][:10] for one in page["features"]] == sorted(romania["dates"])
    first = page["features"][0]
    assert first["properties"]["name"] == "S2_20150801"
    assert first["properties"]["constellation"] == "sentinel-2"
    with rasterio.open(romania_files[0]) as file:
        expected = transform_bounds(file.crs, "OGC:CRS84", *file.bounds)
    assert shape(first["geometry"]).bounds == pytest.approx(expected, abs=1e-6)
    assert shape(first["geometry"]).is_valid


def test_pages_follow_each_other_without_gap_or_repeat(demo):
    seen, url = [], f"{demo.url}{S2}?limit=33&datetime=2016/2018"
    while url:
        page = httpx.get(url).json()
        assert page["numberReturned"] <= 33
        seen += [one["id"] for one in page["features"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    whole = [one["id"] for one in demo.json(S2, limit=1000, datetime="2016/2018")["features"]]
    assert seen == whole
    assert len(set(seen)) == len(seen) > 33


def test_ten_items_unless_told(demo):
    assert demo.json(S2)["numberReturned"] == 10


def test_limit_beyond_the_servers_own_is_the_servers_own(demo):
    assert demo.json(S2, limit=10**6)["numberReturned"] == 140


def test_datetime_and_bbox_choose(demo):
    assert demo.json(S2, datetime="2016-03-18")["features"][0]["properties"]["name"] == "S2_20160318"
    assert demo.json(S2, datetime="1999")["features"] == []
    assert demo.json(S2, bbox="22.15,45.20,22.151,45.201")["numberReturned"] == 10
    assert demo.json(S2, bbox="0,0,1,1")["features"] == []


def test_bbox_crs_decides_the_axis_order(demo):
    north_first = {"bbox_crs": "http://www.opengis.net/def/crs/EPSG/0/4326"}
    assert demo.json(S2, bbox="45.20,22.15,45.201,22.151", **north_first)["numberReturned"] == 10
    assert demo.json(S2, bbox="22.15,45.20,22.151,45.201", **north_first)["features"] == []


def test_landsat_footprints_differ(demo):
    north, south = demo.json("/collections/l8-paraguay/items")["features"]
    assert shape(north["geometry"]).centroid.y > shape(south["geometry"]).centroid.y
    both = demo.json("/collections/l8-paraguay/items", bbox="-54.6,-25.1,-54.5,-25.09")["features"]
    assert [one["id"] for one in both] == [north["id"]]


def test_one_item(demo):
    first = demo.json(S2, limit=1)["features"][0]
    one = demo.json(f"{S2}/{first['id']}")
    assert {key: one[key] for key in ("id", "geometry", "properties")} == {
        key: first[key] for key in ("id", "geometry", "properties")
    }
    assert {link["rel"] for link in one["links"]} == {"self", "collection"}


@pytest.mark.parametrize("key", ["999999", "x", "-1", "1e3", "9" * 30])
def test_no_such_item(demo, key):
    demo.refused(f"{S2}/{key}", status=404)


def test_an_item_of_another_collection_is_not_here(demo):
    other = demo.json("/collections/l8-paraguay/items")["features"][0]["id"]
    demo.refused(f"{S2}/{other}", status=404)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("after", "x"),
        ("after", "MjAxNQ"),
        ("bbox", "1,2,3"),
        ("bbox-crs", "EPSG:3035"),
        ("datetime", "x"),
        ("offset", "10"),
        ("f", "csv"),
    ],
)
def test_a_bad_value_is_refused_by_the_parameters_name(demo, parameter, value):
    answer = httpx.get(demo.url + S2, params={parameter: value})
    assert answer.status_code == 400
    assert answer.json()["parameter"] == parameter
