"""Clients that others wrote, against the running demo."""

import json

import numpy as np
import pytest
import rasterio
from owslib.ogcapi.coverages import Coverages
from owslib.ogcapi.edr import EnvironmentalDataRetrieval
from owslib.ogcapi.features import Features
from rasterio.transform import rowcol
from rasterio.warp import transform

WEST, SOUTH, EAST, NORTH = 22.151, 45.204, 22.153, 45.206


def test_owslib_coverages(demo, romania_files):
    client = Coverages(f"{demo.url}/")
    assert client.coverages() == ["l8-paraguay", "s2-romania"]
    with rasterio.open(romania_files[0]) as file:
        affine, whole = file.transform, file.read(4)
    west, north = affine @ (10, 20)
    east, south = affine @ (40, 60)
    answer = client.coverage(
        "s2-romania",
        properties=["B8"],
        subset=[("E", west, east), ("N", south, north)],
        datetime=("2015-08-01", "2015-08-01"),
    )
    with rasterio.MemoryFile(answer.read()) as memory, memory.open() as file:
        assert np.array_equal(file.read(1), whole[20:60, 10:40])


def test_owslib_scales_coverages(demo):
    client = Coverages(f"{demo.url}/")
    day = {"datetime": "2015-08-01", "properties": ["B8"]}
    for scaled in ({"scale_factor": 4}, {"scale_size": {"E": 25, "N": 25}}):
        answer = client.coverage("s2-romania", **day, **scaled)
        with rasterio.MemoryFile(answer.read()) as memory, memory.open() as file:
            assert file.shape == (25, 25)


def test_owslib_edr(demo):
    client = EnvironmentalDataRetrieval(f"{demo.url}/")
    assert client.data() == ["l8-paraguay", "s2-romania"]
    collection = client.collection("s2-romania")
    assert set(collection["data_queries"]) >= {"position", "area"}
    answer = client.query_data(
        "s2-romania",
        "position",
        coords="POINT(22.1522 45.2048)",
        parameter_names=["ndvi"],
        datetime_="2016-01-01/2016-12-31",
    )
    series = answer if isinstance(answer, dict) else json.loads(answer)
    assert set(series["ranges"]) == {"ndvi"}
    assert all(time.startswith("2016") for time in series["domain"]["axes"]["t"]["values"])


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("position", {"coords": f"POINT({WEST} {SOUTH})"}),
        ("area", {"coords": f"POLYGON(({WEST} {SOUTH},{EAST} {SOUTH},{EAST} {NORTH},{WEST} {NORTH},{WEST} {SOUTH}))"}),
        ("cube", {"bbox": [WEST, SOUTH, EAST, NORTH]}),
        ("trajectory", {"coords": f"LINESTRING({WEST} {SOUTH},{EAST} {NORTH})"}),
        (
            "corridor",
            {"coords": f"LINESTRING({WEST} {SOUTH},{EAST} {NORTH})", "corridor_width": 40, "width_units": "m"},
        ),
    ],
)
def test_owslib_asks_the_queries_of_edr(demo, romania_files, query, asked):
    """All but radius: OWSLib 0.35 can't send its `within-units`, which OGC 19-086r6 requires."""
    client = EnvironmentalDataRetrieval(f"{demo.url}/")
    assert query in client.collection("s2-romania")["data_queries"]
    answer = client.query_data("s2-romania", query, parameter_names=["B4"], datetime_="2016-03-18", **asked)
    coverages = answer.get("coverages", [answer])
    values = {value for one in coverages for value in one["ranges"]["B4"]["values"]} - {None}
    with rasterio.open(next(path for path in romania_files if path.stem == "S2_20160318")) as file:
        x, y = transform("EPSG:4326", file.crs, [WEST, EAST], [SOUTH, NORTH])
        (bottom, top), (left, right) = rowcol(file.transform, x, y)
        red = file.read(3)
    assert red[bottom, left] in values
    assert (red[top, right] in values) == (query != "position")
    assert values <= set(red[top - 5 : bottom + 6, left - 5 : right + 6].ravel().tolist())


def test_owslib_features(demo):
    client = Features(f"{demo.url}/")
    assert client.feature_collections() == ["l8-paraguay", "s2-romania"]
    items = client.collection_items("s2-romania", limit=3, datetime_="2016")
    assert items["numberReturned"] == 3
    assert client.collection_item("s2-romania", items["features"][0]["id"])["id"] == items["features"][0]["id"]
    assert set(client.collection_queryables("s2-romania")["properties"]) >= {"name", "datetime", "constellation"}


def test_owslib_filters_and_sorts_features(demo):
    client = Features(f"{demo.url}/")
    everything = demo.json("/collections/s2-romania/items", limit=1000)["features"]
    names = [one["properties"]["name"] for one in everything]

    def found(collection, /, **asked):
        return [
            one["properties"]["name"] for one in client.collection_items(collection, limit=1000, **asked)["features"]
        ]

    assert found("s2-romania", sortby=("datetime", "desc")) == names[::-1]
    assert found("s2-romania", name="S2_2017*") == [one for one in names if one.startswith("S2_2017")]
    assert found("s2-romania", bbox=[22.15, 45.20, 22.151, 45.201]) == names
    assert found("s2-romania", bbox=[0, 0, 1, 1]) == []
    assert found("s2-romania", properties="name") == names


def test_rasterio_opens_a_coverage_by_its_url(demo):
    url = f"/vsicurl_streaming/{demo.url}/collections/l8-paraguay/coverage?properties=B4&width=300"
    with rasterio.open(url) as file:
        assert file.width == 300
        assert file.crs.to_epsg() == 32621
        assert (file.read(1) != 0).any()


@pytest.mark.parametrize("rel", ["service-desc", "conformance", "data", "preview", "self", "alternate"])
def test_every_link_of_the_landing_page_leads_somewhere(demo, rel):
    import httpx

    links = [link for link in demo.json("/")["links"] if link["rel"] == rel]
    assert links
    for link in links:
        answer = httpx.get(link["href"])
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == link["type"].split(";")[0]
