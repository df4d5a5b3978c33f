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
    assert one["prismcube:fields"] == ["B2", "B3", "B4", "B8", "SCL"]
    links = {link["rel"].rpartition("/")[2]: link for link in one["links"]}
    assert set(links) == {"self", "alternate", "collection", "coverage"}
    for link in links.values():
        answer = httpx.get(link["href"], timeout=120)
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == link["type"].split(";")[0]


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
        ("bbox-crs", "EPSG:0"),
        ("datetime", "x"),
        ("offset", "10"),
        ("f", "csv"),
    ],
)
def test_a_bad_value_is_refused_by_the_parameters_name(demo, parameter, value):
    answer = httpx.get(demo.url + S2, params={parameter: value})
    assert answer.status_code == 400
    assert answer.json()["parameter"] == parameter


def names(page):
    return [one["properties"]["name"] for one in page["features"]]


def test_properties_filter_by_equality_and_pattern(demo):
    assert names(demo.json(S2, name="S2_20160318")) == ["S2_20160318"]
    assert names(demo.json(S2, name="S2_2016*", limit=100)) == names(demo.json(S2, datetime="2016", limit=100))
    assert demo.json(S2, constellation="sentinel-2", limit=1000)["numberReturned"] == 140
    assert demo.json(S2, constellation="sentinel-1")["features"] == []
    l8 = "/collections/l8-paraguay/items"
    tags = demo.json(l8)["features"][0]["properties"]
    key = next(key for key in tags if key not in ("name", "datetime"))
    assert demo.refused(l8, **{key + "x": "1"})["parameter"] == key + "x"
    both = {one["properties"][key] for one in demo.json(l8, **{key: tags[key]})["features"]}
    assert both == {tags[key]}


@pytest.mark.parametrize(
    ("sortby", "key", "falls"),
    [
        ("datetime", "datetime", False),
        ("+datetime", "datetime", False),
        ("-datetime", "datetime", True),
        ("-name", "name", True),
        ("name,-datetime", "name", False),
        ("-id", None, True),
    ],
)
def test_sortby_orders_all_pages(demo, sortby, key, falls):
    seen, url = [], f"{demo.url}{S2}?limit=50&sortby={sortby}"
    while url:
        page = httpx.get(url).json()
        seen += page["features"]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    values = [one["properties"][key] if key else int(one["id"]) for one in seen]
    assert values == sorted(values, reverse=falls)
    assert len({one["id"] for one in seen}) == 140


@pytest.mark.parametrize("sortby", ["datetime", "-name", "-datetime,name"])
def test_prev_links_lead_back(demo, sortby):
    pages, url = [], f"{demo.url}{S2}?limit=60&sortby={sortby}"
    while url:
        pages.append(httpx.get(url).json())
        url = next((link["href"] for link in pages[-1]["links"] if link["rel"] == "next"), None)
    assert [len(page["features"]) for page in pages] == [60, 60, 20]
    back = pages.pop()
    while pages:
        back = httpx.get(next(link["href"] for link in back["links"] if link["rel"] == "prev")).json()
        assert names(back) == names(pages.pop())
    assert "prev" not in {link["rel"] for link in back["links"]}
    assert "next" in {link["rel"] for link in back["links"]}


def test_a_cursor_is_good_for_its_order_only(demo):
    following = next(link["href"] for link in demo.json(S2)["links"] if link["rel"] == "next")
    answer = httpx.get(f"{following}&sortby=-datetime")
    assert answer.status_code == 400
    assert answer.json()["parameter"] == "after"


def test_properties_and_geometry_are_chosen(demo):
    [one] = demo.json(S2, limit=1, properties="name,constellation", skipGeometry="true")["features"]
    assert one["properties"] == {"name": "S2_20150801", "constellation": "sentinel-2"}
    assert one["geometry"] is None
    [one] = demo.json(S2, limit=1, skipGeometry="false")["features"]
    assert one["geometry"]["type"] == "Polygon"


@pytest.mark.parametrize("code", ["4326", "3857", "3035"])
def test_geometries_come_in_the_crs_asked_for_in_its_axis_order(demo, code):
    import numpy as np
    from pyproj import Transformer

    uri = f"http://www.opengis.net/def/crs/EPSG/0/{code}"
    first = demo.json(S2, limit=1)["features"][0]
    # pyproj gives coordinates in the order of the CRS's own definition unless told otherwise.
    to_crs = Transformer.from_crs("OGC:CRS84", f"EPSG:{code}")
    expected = np.column_stack(to_crs.transform(*np.array(first["geometry"]["coordinates"][0]).T))
    page, one = demo.ok(S2, limit=1, crs=uri), demo.ok(f"{S2}/{first['id']}", crs=uri)
    for answer, feature in ((page, page.json()["features"][0]), (one, one.json())):
        assert np.allclose(feature["geometry"]["coordinates"][0], expected, rtol=1e-12)
        assert answer.headers["content-crs"] == f"<{uri}>"
    assert demo.ok(S2).headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"


def test_a_box_on_the_very_edge_finds(demo):
    west, south, east, north = demo.json("/collections/s2-romania")["extent"]["spatial"]["bbox"][0]
    for box in ((west, south, west, south), (east, north, east, north), (west - 1, south - 1, west, north)):
        x, y = box[0], box[1]
        found = demo.json(S2, bbox=",".join(map(repr, box)))["numberReturned"]
        assert found == (10 if box[0] != box[2] else _corner(demo, x, y))
    beyond = (west - 1, south - 1, west - 1e-9, north)
    assert demo.json(S2, bbox=",".join(map(repr, beyond)))["features"] == []


def _corner(demo, x, y):
    """10 when a footprint's vertex lies there, else 0: the extent is larger than a turned square."""
    from shapely.geometry import Point

    return 10 * shape(demo.json(S2, limit=1)["features"][0]["geometry"]).intersects(Point(x, y))


def test_number_matched_is_told_on_the_first_page(demo):
    for asked in ({}, {"limit": 1000}, {"sortby": "-name", "limit": 1}, {"name": "S2_*"}):
        assert demo.json(S2, **asked)["numberMatched"] == 140
    assert demo.json(S2, datetime="1999")["numberMatched"] == 0
    in_a_year = demo.json(S2, datetime="2016", limit=1000)["numberReturned"]
    assert demo.json(S2, datetime="2016", limit=1)["numberMatched"] == in_a_year < 140


def test_number_matched_is_of_the_first_page_only(demo):
    first = demo.json(S2)
    [after] = [one["href"] for one in first["links"] if one["rel"] == "next"]
    second = httpx.get(after, timeout=60).json()
    assert "numberMatched" not in second
    [before] = [one["href"] for one in second["links"] if one["rel"] == "prev"]
    back = httpx.get(before, timeout=60).json()
    assert [one["id"] for one in back["features"]] == [one["id"] for one in first["features"]]
    assert "numberMatched" not in back


def test_queryables_are_the_parameters_that_filter(demo):
    answer = demo.ok("/collections/s2-romania/queryables")
    assert answer.headers["content-type"] == "application/schema+json"
    schema = answer.json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"{demo.url}/collections/s2-romania/queryables"
    first = demo.json(S2, limit=1)["features"][0]["properties"]
    assert set(schema["properties"]) == {"geometry", *first}
    for name, value in first.items():
        assert demo.json(S2, limit=1, **{name: value})["features"][0]["properties"][name] == value
        if name != "datetime":
            assert demo.json(S2, limit=1, **{name: "no such"})["features"] == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("sortby", "colour"),
        ("sortby", "--name"),
        ("sortby", "name,-name"),
        ("properties", "colour"),
        ("skipGeometry", "maybe"),
        ("crs", "EPSG:32633"),  # known, but not one of the collection's
        ("crs", "http://www.opengis.net/def/crs/0/unsupported"),
        ("before", "x"),
        ("name", "a\\"),
        ("constellation", ""),
        ("bbox", "1,2,9,3,4,0"),
        ("bbox", "2,1,1"),
        ("bbox", "1,2,1,1"),
    ],
)
def test_a_bad_value_of_the_newer_parameters_is_refused(demo, parameter, value):
    assert demo.refused(S2, **{parameter: value})["parameter"] == parameter
