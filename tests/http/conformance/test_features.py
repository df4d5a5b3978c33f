"""OGC API - Features parts 1 (17-069r4) and 2 (18-058r1), test by test of their abstract suites.

Own ports, named by requirement; `ETS:` names the methods of the executable suite (ets-ogcapi-features10) that each one
stands for. Where the executable suite only looks at a status, these look at what is returned.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import shapely
from pyproj import CRS, Transformer
from shapely.geometry import box, shape

COLLECTIONS = ("s2-romania", "l8-paraguay")
GEOJSON = {"Accept": "application/geo+json"}
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
UNSUPPORTED = "http://www.opengis.net/def/crs/0/unsupported"
BOXES = {
    "meridian": (-1.5, 50.0, 1.5, 53.0),
    "equator": (-80.0, -5.0, -70.0, 5.0),
    "antimeridian": (177.0, 65.0, -177.0, 70.0),
    "north pole": (-180.0, 85.0, 180.0, 90.0),
    "south pole": (-180.0, -90.0, 180.0, -85.0),
}

every_collection = pytest.mark.parametrize("name", COLLECTIONS)


@pytest.fixture(scope="module")
def api(demo):
    return demo.json("/openapi")


def parameter(api, name, path="/collections/{collectionId}/items"):
    [found] = [one for one in api["paths"][path]["get"]["parameters"] if one["name"] == name]
    return found


def items(demo, name, status=200, path="", **params):
    query = {key.replace("_", "-"): value for key, value in params.items()}
    answer = httpx.get(f"{demo.url}/collections/{name}/items{path}", params=query, headers=GEOJSON, timeout=60)
    assert answer.status_code == status, answer.text[:300]
    return answer


def ids(page):
    return [one["id"] for one in page["features"]]


def check_page(page, *, limit=None):
    """A FeatureCollection as requirements fc-response to fc-numberReturned ask."""
    assert page["type"] == "FeatureCollection"
    assert isinstance(page["features"], list)
    assert page["numberReturned"] == len(page["features"])
    assert limit is None or len(page["features"]) <= limit
    assert page.get("numberMatched", len(page["features"])) >= len(page["features"])
    stamp = datetime.fromisoformat(page["timeStamp"])
    assert abs(stamp - datetime.now(UTC)) < timedelta(minutes=10)
    links = {link["rel"]: link for link in page["links"]}
    assert links["self"]["type"] == "application/geo+json"
    assert links["alternate"]["type"] == "text/html"
    assert all(link["rel"] and link["type"] and link["href"] for link in page["links"])
    for feature in page["features"]:
        assert feature["type"] == "Feature"
        west, south, east, north = shape(feature["geometry"]).bounds
        assert -180 <= west <= east <= 180
        assert -90 <= south <= north <= 90


# Part 1, core


def test_http(demo):
    """/req/core/http. ETS: GeneralHttp.http"""
    answer = httpx.get(demo.url + "/")
    assert answer.http_version == "HTTP/1.1"
    assert httpx.get(demo.url + "/nowhere").status_code == 404
    assert httpx.post(demo.url + "/").status_code == 405


def test_root(demo):
    """/req/core/root-op, root-success. ETS: LandingPage.landingPageRetrieval, landingPageValidation"""
    rels = {link["rel"] for link in demo.json("/")["links"]}
    assert {"self", "alternate", "service-desc", "conformance", "data"} <= rels


def test_api_definition(demo):
    """/req/core/api-definition-op, -success; /req/oas30. ETS: ApiDefinition (2)"""
    [one] = [link for link in demo.json("/")["links"] if link["rel"] == "service-desc"]
    assert one["type"] == "application/vnd.oai.openapi+json;version=3.0"
    answer = httpx.get(one["href"], headers={"Accept": one["type"]})
    assert answer.status_code == 200
    assert answer.headers["content-type"].replace(" ", "") == one["type"]
    assert answer.json()["openapi"].startswith("3.0.")


def test_conformance(demo):
    """/req/core/conformance-op, -success. ETS: Conformance.validateConformanceOperationAndResponse"""
    declared = demo.json("/conformance")["conformsTo"]
    assert all(isinstance(one, str) for one in declared)
    for name in ("1/1.0/conf/core", "1/1.0/conf/geojson", "1/1.0/conf/oas30", "2/1.0/conf/crs"):
        assert f"http://www.opengis.net/spec/ogcapi-features-{name}" in declared


def test_collections_and_collection_agree(demo):
    """/req/core/fc-md-op, fc-md-success, fc-md-links, fc-md-items, sfc-md-op, sfc-md-success.

    ETS: FeatureCollections (5), FeatureCollection (2)
    """
    document = demo.json("/collections")
    links = {link["rel"]: link for link in document["links"]}
    assert links["self"]["type"] == "application/json"
    assert links["alternate"]["type"] == "text/html"
    found = {one["id"]: one for one in document["collections"]}
    assert set(found) >= {*COLLECTIONS}
    for name, one in found.items():
        alone = demo.json(f"/collections/{name}")
        for key in ("id", "title", "description", "extent"):
            assert alone[key] == one[key]
        rels = [(link["rel"], link["type"]) for link in one["links"]]
        assert ("items", "application/geo+json") in rels


@pytest.mark.parametrize(
    ("name", "kind"), [("limit", "integer"), ("bbox", "array"), ("datetime", "string"), ("crs", "string")]
)
def test_parameters_are_defined(api, name, kind):
    """/req/core/fc-limit-definition, fc-bbox-definition, fc-time-definition; /req/crs/fc-crs-definition.

    ETS: FeaturesLimit.limitParameterDefinition, FeaturesBBox.boundingBoxParameterDefinition,
    FeaturesTime.timeParameterDefinition
    """
    one = parameter(api, name)
    assert (one["in"], one["style"], one["explode"], one.get("required", False)) == ("query", "form", False, False)
    assert one["schema"]["type"] == kind
    if name == "limit":
        assert one["schema"]["minimum"] >= 0
        assert one["schema"]["minimum"] <= one["schema"]["default"] <= one["schema"]["maximum"]
    if name == "bbox":
        assert (one["schema"]["minItems"], one["schema"]["maxItems"]) == (4, 6)
        assert one["schema"]["items"] == {"type": "number"}


@every_collection
def test_items(demo, name):
    """/req/core/fc-op, fc-response, fc-links, fc-rel-type, fc-timeStamp, fc-numberMatched, fc-numberReturned, crs84.

    ETS: Features (8)
    """
    answer = items(demo, name)
    assert answer.headers["content-type"] == "application/geo+json"
    check_page(answer.json())


@every_collection
def test_limit(demo, api, name):
    """/req/core/fc-limit-response. ETS: FeaturesLimit (10)"""
    schema = parameter(api, "limit")["schema"]
    for limit in (schema["minimum"], 7, min(100, schema["maximum"])):
        check_page(items(demo, name, limit=limit).json(), limit=limit)
    check_page(items(demo, name, limit=schema["maximum"] + 1).json(), limit=schema["maximum"])


@every_collection
@pytest.mark.parametrize("where", [*BOXES, "extent"])
def test_bbox(demo, name, where):
    """/req/core/fc-bbox-response. ETS: FeaturesBBox (10)"""
    extent = demo.json(f"/collections/{name}")["extent"]["spatial"]["bbox"][0]
    west, south, east, north = BOXES.get(where, extent)
    page = items(demo, name, bbox=f"{west},{south},{east},{north}", limit=1000).json()
    check_page(page)
    parts = (
        [box(west, south, east, north)]
        if west <= east
        else [box(west, south, 180, north), box(-180, south, east, north)]
    )
    everything = items(demo, name, limit=1000).json()
    expected = [
        one["id"] for one in everything["features"] if any(part.intersects(shape(one["geometry"])) for part in parts)
    ]
    assert ids(page) == expected
    assert bool(expected) == (where == "extent")


@every_collection
def test_datetime(demo, name):
    """/req/core/fc-time-response. ETS: FeaturesTime (10)"""
    begin, end = (
        datetime.fromisoformat(text) for text in demo.json(f"/collections/{name}")["extent"]["temporal"]["interval"][0]
    )
    quarter = (end - begin) / 4
    told = (
        (begin, begin),
        (begin + quarter, begin + 2 * quarter),
        (None, begin + quarter),
        (begin + 3 * quarter, None),
    )
    everything = items(demo, name, limit=1000).json()["features"]
    for first, last in told:
        text = "/".join(".." if one is None else one.isoformat().replace("+00:00", "Z") for one in (first, last))
        for value in {text, text.partition("/")[0] if first == last else text, text.replace("..", "")}:
            page = items(demo, name, datetime=value, limit=1000).json()
            check_page(page)
            times = {one["id"]: datetime.fromisoformat(one["properties"]["datetime"]) for one in everything}
            assert ids(page) == [
                id for id, time in times.items() if (first is None or first <= time) and (last is None or time <= last)
            ]


@every_collection
def test_query_param_invalid(demo, name):
    """/req/core/query-param-invalid. ETS: FeaturesErrorConditions.validateFeaturesOperation_QueryParamInvalid"""
    for wrong in ({"limit": "unlimited"}, {"bbox": "1,2,3"}, {"datetime": "yesterday"}, {"crs": "x"}):
        items(demo, name, status=400, **wrong)


@every_collection
def test_query_param_unknown(demo, name):
    """/req/core/query-param-unknown. ETS: FeaturesErrorConditions.validateFeaturesOperation_QueryParamUnknown"""
    items(demo, name, status=400, unknownQueryParameter12345="1")


@every_collection
def test_feature(demo, name):
    """/req/core/f-op, f-success, f-links. ETS: Feature.featureOperation, validateFeatureResponse"""
    for id in ids(items(demo, name, limit=3).json()):
        answer = items(demo, name, path=f"/{id}")
        assert answer.headers["content-type"] == "application/geo+json"
        one = answer.json()
        assert (one["type"], one["id"]) == ("Feature", id)
        links = {link["rel"]: link for link in one["links"]}
        assert links["self"]["type"] == "application/geo+json"
        assert links["alternate"]["type"] == "text/html"
        assert links["collection"]["href"] == f"{demo.url}/collections/{name}"
    items(demo, name, status=404, path="/no-such-item")
    demo.refused("/collections/atlantis/items", status=404)


@every_collection
def test_pages_by_their_links(demo, name):
    """/req/core/fc-links, next (7.15.6): following the links gives every feature once."""
    seen, url = [], f"{demo.url}/collections/{name}/items?limit=50"
    while url:
        page = httpx.get(url, headers=GEOJSON).json()
        check_page(page)
        seen += ids(page)
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert seen == ids(items(demo, name, limit=1000).json())
    assert len(set(seen)) == len(seen)


# Part 2, coordinate reference systems


def crs_list(demo, name):
    return demo.json(f"/collections/{name}")["crs"]


def test_crs_identifiers(demo):
    """/req/crs/crs-uri, fc-md-crs-list A and B, fc-md-storageCrs, fc-md-storageCrs-valid-value.

    ETS: CrsRequirementClassPrecondition, DiscoveryCollectionsCrsUri (4), DiscoveryCollectionCrsUri (2),
    DiscoveryCollection(s)DefaultCrs (2), DiscoveryCollection(s)StorageCrs (2)
    """
    for one in demo.json("/collections")["collections"]:
        assert one["crs"][0] == CRS84
        assert one["crs"] == crs_list(demo, one["id"])
        for uri in one["crs"]:
            assert re.fullmatch(r"http://www\.opengis\.net/def/crs/[A-Za-z]+/[0-9.]+/[A-Za-z0-9]+", uri)
            CRS.from_user_input(uri)
        assert one["storageCrs"] in one["crs"]
        assert one["extent"]["spatial"]["crs"] == CRS84


@every_collection
def test_crs_of_the_answer(demo, name):
    """/req/crs/fc-crs-definition, fc-crs-valid-value, ogc-crs-header(-value), crs-action, geojson.

    ETS: FeaturesCrsParameter, FeatureCrsParameter, FeaturesCrsParameterTransform (2), FeatureCrsParameterTransform (2)
    """
    plain = {one["id"]: one for one in items(demo, name).json()["features"]}
    for uri in crs_list(demo, name):
        answer = items(demo, name, crs=uri)
        assert answer.headers["content-crs"] == f"<{uri}>"
        # pyproj's own order is that of the CRS's definition, which is what GeoJSON must have in it.
        to_crs = Transformer.from_crs(CRS84, uri)
        for one in answer.json()["features"]:
            expected = shapely.transform(shape(plain[one["id"]]["geometry"]), to_crs.transform, interleaved=False)
            assert shape(one["geometry"]).equals_exact(expected, 1e-6)
        first = next(iter(plain))
        alone = items(demo, name, path=f"/{first}", crs=uri)
        assert alone.headers["content-crs"] == f"<{uri}>"
        assert alone.json()["geometry"] == answer.json()["features"][0]["geometry"]


@every_collection
def test_crs_by_default(demo, name):
    """/req/crs/fc-crs-default-value, ogc-crs-header. ETS: FeaturesCrsParameterDefault, FeatureCrsParameterDefault"""
    page = items(demo, name)
    assert page.headers["content-crs"] == f"<{CRS84}>"
    [first, *_] = ids(page.json())
    assert items(demo, name, path=f"/{first}").headers["content-crs"] == f"<{CRS84}>"


@every_collection
def test_crs_that_is_not_listed(demo, name):
    """/req/crs/fc-crs-valid-value. ETS: FeaturesCrsParameterInvalid, FeatureCrsParameterInvalid"""
    [first, *_] = ids(items(demo, name).json())
    for uri in (UNSUPPORTED, "http://www.opengis.net/def/crs/EPSG/0/2056"):
        items(demo, name, status=400, crs=uri)
        items(demo, name, status=400, path=f"/{first}", crs=uri)


@every_collection
def test_bbox_crs(demo, name):
    """/req/crs/fc-bbox-crs-definition, bbox-crs-action, fc-bbox-crs-default-value.

    ETS: BBoxCrsParameter (2), BBoxCrsParameterDefault
    """
    everything = items(demo, name, limit=1000).json()["features"]
    west, south, east, north = shape(everything[0]["geometry"]).bounds
    # The western third, whose edge lies on the footprint's own, and a box far off.
    for corners in ((west - 1, south, west, north), (west, south, west + (east - west) / 3, north), (1, 1, 2, 2)):
        plain = ids(items(demo, name, bbox=",".join(map(repr, corners)), limit=1000).json())
        for uri in crs_list(demo, name):
            a, b, c, d = Transformer.from_crs(CRS84, uri).transform_bounds(*corners, densify_pts=21)
            found = ids(items(demo, name, bbox=f"{a!r},{b!r},{c!r},{d!r}", bbox_crs=uri, limit=1000).json())
            if corners[0] == 1:
                assert found == plain == []
            else:
                assert set(plain) <= set(found)


@every_collection
def test_bbox_crs_that_is_not_listed(demo, name):
    """/conf/crs/bbox-crs-parameter-invalid. ETS: BBoxCrsParameterInvalid"""
    items(demo, name, status=400, bbox="5,49,6,50", bbox_crs=UNSUPPORTED)
    items(demo, name, status=400, bbox="5,49,6,50", bbox_crs="http://www.opengis.net/def/crs/EPSG/0/2056")
