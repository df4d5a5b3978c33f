"""OGC API - Common parts 1 (19-072) and 2 (20-024), and Features part 3's queryables (19-079r2), by requirement."""

from __future__ import annotations

import httpx
import pytest

DECLARED = (
    "common-1/1.0/conf/core",
    "common-1/1.0/conf/landing-page",
    "common-1/1.0/conf/json",
    "common-1/1.0/conf/html",
    "common-1/1.0/conf/oas30",
    "common-2/1.0/conf/collections",
    "common-2/1.0/conf/json",
    "common-2/1.0/conf/html",
    "common-2/1.0/conf/simple-query",
    "features-3/1.0/conf/queryables",
    "features-3/1.0/conf/queryables-query-parameters",
)


@pytest.fixture(scope="module")
def landing(demo):
    return demo.json("/")


def follow(document, rel):
    [one] = [link for link in document["links"] if link["rel"] == rel]
    answer = httpx.get(one["href"], headers={"Accept": one["type"]})
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == one["type"].split(";")[0]
    return answer


def test_landing_page(landing):
    """/req/landing-page/root-op, root-success, api-definition-op, conformance-op"""
    assert landing["title"]
    assert landing["description"]
    for rel in ("self", "alternate", "service-desc", "conformance", "data"):
        follow(landing, rel)


def test_conformance(landing):
    """/req/landing-page/conformance-success"""
    declared = follow(landing, "conformance").json()["conformsTo"]
    assert {f"http://www.opengis.net/spec/ogcapi-{one}" for one in DECLARED} <= {*declared}
    assert len(set(declared)) == len(declared)


@pytest.mark.parametrize(
    "path", ["/", "/conformance", "/collections", "/collections/s2-romania", "/collections/s2-romania/queryables"]
)
def test_json_and_html(demo, path):
    """/req/json/definition, /req/html/definition, /req/html/content"""
    for f, kind in (("json", "json"), ("html", "text/html")):
        for answer in (demo.ok(path, f=f), httpx.get(demo.url + path, headers={"Accept": _type(f)})):
            assert kind in answer.headers["content-type"]
    assert demo.ok(path, f="html").text.lstrip().lower().startswith("<!doctype html>")


def _type(f):
    return {"json": "application/json", "html": "text/html"}[f]


def test_collections(demo, landing):
    """/req/collections/rc-md-op, rc-md-success, rc-md-links, rc-md-items, src-md-op, src-md-success"""
    document = follow(landing, "data").json()
    assert document["links"]
    for one in document["collections"]:
        for key in ("id", "title", "description", "extent", "links"):
            assert one[key]
        alone = demo.json(f"/collections/{one['id']}")
        assert set(one) == set(alone)
        assert all(one[key] == alone[key] for key in one if key != "data_queries")  # shorter in the list
        [bbox] = one["extent"]["spatial"]["bbox"]
        assert bbox[0] <= bbox[2]
        assert bbox[1] <= bbox[3]
        [[start, end]] = one["extent"]["temporal"]["interval"]
        assert start <= end
        assert {"self", "alternate", "items"} <= {link["rel"] for link in one["links"]}


def ids(demo, **params):
    return [one["id"] for one in demo.json("/collections", **params)["collections"]]


def test_simple_query(demo):
    """/req/simple-query: bbox, datetime, limit, q (Records, 20-004r1)"""
    assert ids(demo, bbox="22,45,23,46") == ["s2-romania"]
    assert ids(demo, bbox="-56,-27,-52,-24") == ["l8-paraguay"]
    assert ids(demo, bbox="0,0,1,1") == []
    assert ids(demo, datetime="2015-08-01/2016-01-01") == ["s2-romania"]
    assert ids(demo, datetime="1999") == []
    assert ids(demo, q="landsat") == ["l8-paraguay"]
    assert ids(demo, q="LANDSAT,sentinel") == ["l8-paraguay", "s2-romania"]
    page = demo.json("/collections", limit=1)
    assert [one["id"] for one in page["collections"]] == ["l8-paraguay"]
    [following] = [link["href"] for link in page["links"] if link["rel"] == "next"]
    last = httpx.get(following).json()
    assert [one["id"] for one in last["collections"]] == ["s2-romania"]
    assert "next" not in {link["rel"] for link in last["links"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [("bbox", "1,2,3"), ("datetime", "x"), ("limit", "0"), ("q", ","), ("colour", "red"), ("bbox-crs", "EPSG:999999")],
)
def test_bad_queries_are_refused(demo, name, value):
    """/req/core/query-param-invalid, query-param-name-unknown"""
    assert demo.refused("/collections", **{name: value})["parameter"] == name


def test_parameters_are_defined(demo):
    """/req/oas30/oas-impl: what is accepted is described"""
    parameters = demo.json("/openapi")["paths"]["/collections"]["get"]["parameters"]
    found = {one["name"]: one for one in parameters}
    assert {"bbox", "bbox-crs", "datetime", "limit", "q", "after", "f", "lang"} == set(found)
    assert found["bbox"]["schema"]["items"] == {"type": "number"}


def test_queryables(demo):
    """Features part 3: /req/queryables/links, get-queryables-op, get-queryables-response"""
    collection = demo.json("/collections/s2-romania")
    schema = follow(collection, "http://www.opengis.net/def/rel/ogc/1.0/queryables").json()
    assert schema["type"] == "object"
    assert schema["$id"] == f"{demo.url}/collections/s2-romania/queryables"
    for name, one in schema["properties"].items():
        assert ("type" in one) != (name == "geometry")
        assert one["title"]
