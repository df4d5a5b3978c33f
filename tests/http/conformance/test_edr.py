"""OGC API - Environmental Data Retrieval 1.0 and 1.1 (OGC 19-086r4, r6): the abstract tests, by requirement.

After each requirement stands which method of the executable suite (ets-ogcapi-edr10) the test is for.
"""

from __future__ import annotations

import json

import httpx
import pytest

COLLECTIONS = ("s2-romania", "l8-paraguay")
UNDER = "/collections/{collectionId}"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
WITH_COORDS = ("position", "area", "radius", "trajectory", "corridor")
QUERIES = (*WITH_COORDS, "cube", "locations/{locationId}")
CLASSES = ("core", "collections", "json", "geojson", "edr-geojson", "covjson", "oas30")
FORMATS = ["GeoJSON", "CoverageJSON", "CSV", "NetCDF"]


@pytest.fixture(scope="module")
def paths(demo):
    return demo.json("/openapi")["paths"]


@pytest.fixture(scope="module", params=COLLECTIONS)
def collection(demo, request):
    return demo.json(f"/collections/{request.param}")


def parameter(paths, query, name):
    """How the API's document defines a query parameter; None when the operation has none of this name."""
    listed = paths[f"{UNDER}/{query}"]["get"]["parameters"]
    return next((one for one in listed if (one["in"], one["name"]) == ("query", name)), None)


def check_definition(found, *, required, kind="string"):
    assert found["required"] is required
    assert (found["style"], found["explode"]) == ("form", False)
    assert found["schema"]["type"] == kind


# Core


def test_http(demo):
    """/req/core/http — Conformance.http"""
    assert httpx.get(demo.url + "/").http_version == "HTTP/1.1"


def test_landing_page(demo):
    """/req/core/root-op, root-success — LandingPage.edrLandingPageValidation"""
    rels = {link["rel"] for link in demo.json("/")["links"]}
    assert {"service-desc", "conformance", "data"} <= rels


def test_api_definition(demo):
    """/req/core/api-definition-op, -success — ApiDefinition.openapiDocumentRetrieval, apiDefinitionValidation"""
    [found] = [link for link in demo.json("/")["links"] if link["rel"] == "service-desc"]
    assert found["type"] == "application/vnd.oai.openapi+json;version=3.0"
    answer = httpx.get(found["href"], headers={"Accept": found["type"]})
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.0")


def test_conformance(demo):
    """/req/core/conformance, conformance-success — Conformance.validateConformanceOperationAndResponse"""
    declared = demo.json("/conformance", f="json")["conformsTo"]
    for version in ("1.0", "1.1"):
        wanted = {f"http://www.opengis.net/spec/ogcapi-edr-1/{version}/conf/{name}" for name in CLASSES}
        assert wanted <= set(declared)


@pytest.mark.parametrize("path", ["/conformance/", "/collections/", "/collections/s2-romania/", "/openapi/"])
def test_slash_at_the_end(demo, path):
    """The executable suite asks for /conformance/?f=json: the same document, with the same address in its links"""
    assert demo.json(path, f="json") == demo.json(path.rstrip("/"), f="json")


@pytest.mark.parametrize("path", ["/", "/conformance", "/collections", "/collections/s2-romania", "/openapi"])
def test_json(demo, path):
    """/req/json/definition, content — JSONEncoding.validateResponseForJSON"""
    answer = httpx.get(demo.url + path, headers={"Accept": "application/json"})
    assert answer.status_code == 200
    json.loads(answer.text)


def test_crs84(demo):
    """/req/core/crs84 — CollectionsResponse.collectionsCRS84"""
    assert all(CRS84 in one["crs"] for one in demo.json("/collections")["collections"])


# Collections


def test_collections(demo):
    """/req/edr/rc-md-op, rc-md-success — CollectionsResponse.validateRetrievalOfCollections,
    Collections.validateCollectionsMetadataOperation"""
    assert {one["id"] for one in demo.json("/collections")["collections"]} >= set(COLLECTIONS)


@pytest.mark.parametrize("name", COLLECTIONS)
def test_one_collection(demo, name):
    """/req/edr/src-md-op, src-md-success — CollectionsResponse.validateRetrievalOfEnvironmentalDataCollections"""
    assert demo.json(f"/collections/{name}")["id"] == name


def test_links_of_the_list(demo):
    """/req/core/rc-collection-info-links — Collections.validateCollectionsMetadata_Links"""
    links = demo.json("/collections")["links"]
    for rel in ("self", "alternate"):
        assert [link["type"] for link in links if link["rel"] == rel]


def test_links_of_a_collection(collection):
    """/req/edr/rc-md-query-links — Collections.validateCollectionMetadata_Links,
    CollectionsResponse.verifyCollectionsMetadata"""
    assert {"self", "alternate", "data"} <= {link["rel"] for link in collection["links"]}
    assert all(link["type"] for link in collection["links"] if link["rel"] == "data")


def test_extent(collection):
    """/req/core/rc-extent — CollectionsResponse.verifyCollectionsMetadata"""
    spatial, temporal = collection["extent"]["spatial"], collection["extent"]["temporal"]
    assert len(spatial["bbox"][0]) == 4
    assert spatial["crs"] == CRS84
    assert len(temporal["interval"][0]) == 2


def test_parameters(collection):
    """/req/edr/rc-parameters — CollectionsResponse.collectionsParameters"""
    assert collection["parameter_names"]
    for one in collection["parameter_names"].values():
        assert one["type"] == "Parameter"
        assert isinstance(one["description"], str)
        assert one["observedProperty"]["label"]
        assert one["data-type"] in ("integer", "float", "string")


def test_data_queries(demo, collection):
    """/req/edr/rc-data-queries: every query with its address, formats and units"""
    found = collection["data_queries"]
    assert set(found) == {*WITH_COORDS, "cube", "locations", "items"}
    for kind, query in found.items():
        assert query["link"]["rel"] == "data"
        assert query["link"]["href"] == f"{demo.url}/collections/{collection['id']}/{kind}"
        variables = query["link"]["variables"]
        assert variables["query_type"] == kind
        assert variables["default_output_format"] in variables["output_formats"]
        assert len(set(variables["output_formats"])) == len(variables["output_formats"])
        if kind != "items":
            assert {one["crs"] for one in variables["crs_details"]} == set(collection["crs"])
            assert all("[" in one["wkt"] for one in variables["crs_details"])
        assert ("coords" in variables) is (kind in WITH_COORDS)
    assert "km" in found["radius"]["link"]["variables"]["within_units"]
    assert "m" in found["corridor"]["link"]["variables"]["width_units"]
    assert collection["output_formats"] == FORMATS


# How the parameters of queries are defined in the API's document


@pytest.mark.parametrize("query", WITH_COORDS)
def test_coords_definition(paths, query):
    """/req/edr/coords-definition — {Position,Area,Trajectory,Corridor}Collections.*CoordsParameterDefinition"""
    check_definition(parameter(paths, query, "coords"), required=True)


def test_bbox_definition(paths):
    """/req/edr/bbox-definition — CubeCollections.cubeBboxParameterDefinition"""
    check_definition(parameter(paths, "cube", "bbox"), required=True, kind="array")


@pytest.mark.parametrize("query", [*QUERIES, "locations"])
def test_datetime_definition(paths, query):
    """/req/core/datetime-definition — {Position,Area,Cube,Trajectory,Corridor,Locations}Collections.*DateTime*"""
    check_definition(parameter(paths, query, "datetime"), required=False)


@pytest.mark.parametrize("query", QUERIES)
def test_parameter_name_definition(paths, query):
    """/req/edr/REQ_rc-parameter-name-definition — *Collections.*ParameternameParameterDefinition"""
    check_definition(parameter(paths, query, "parameter-name"), required=False)


@pytest.mark.parametrize("query", QUERIES)
def test_crs_definition(paths, query):
    """/req/edr/REQ_rc-crs-definition — *Collections.*CrsParameterDefinition"""
    check_definition(parameter(paths, query, "crs"), required=False)


@pytest.mark.parametrize("query", [*QUERIES, "locations"])
def test_f_definition(paths, query):
    """/req/edr/rc-f-definition — *Collections.*FParameterDefinition"""
    check_definition(parameter(paths, query, "f"), required=False)


@pytest.mark.parametrize("query", QUERIES)
def test_z_definition(demo, paths, query):
    """/req/edr/z-definition — {Position,Area,Cube,Trajectory,Corridor}Collections.*ZParameterDefinition

    Collections have no vertical axis, so there is none; it is refused by its name.
    """
    assert parameter(paths, query, "z") is None
    assert demo.refused(f"/collections/s2-romania/{query.format(locationId=1)}", z="1")["parameter"] == "z"


def test_within_definitions(paths):
    """/req/edr/within-definition, within-units-definition —
    CorridorCollections.corridorWithinParameterDefinition, corridorWithinUnitsParameterDefinition

    Of the radius query, where they are needed; the corridor has neither.
    """
    check_definition(parameter(paths, "radius", "within"), required=True, kind="number")
    check_definition(parameter(paths, "radius", "within-units"), required=True)
    assert parameter(paths, "corridor", "within") is None
    assert parameter(paths, "corridor", "within-units") is None


def test_corridor_width_definition(paths):
    """/req/edr/REQ_rc-corridor-width-definition — CorridorCollections.corridorCorridorWidthParameterDefinition"""
    check_definition(parameter(paths, "corridor", "corridor-width"), required=True, kind="number")
    check_definition(parameter(paths, "corridor", "width-units"), required=True)


def test_corridor_height_definition(paths):
    """/req/edr/REQ_rc-corridor-height-definition — CorridorCollections.corridorCorridorHeightParameterDefinition"""
    assert parameter(paths, "corridor", "corridor-height") is None


# Queries


@pytest.mark.parametrize("query", [*WITH_COORDS, "cube"])
def test_no_parameters(demo, collection, query):
    """/req/edr/position &c.: 400 without parameters — QueryCollections.validateNoQueryParameters"""
    demo.refused(f"/collections/{collection['id']}/{query}")


def test_locations_without_parameters(demo, collection):
    """/req/edr/locations — QueryCollections.validateNoQueryParameters (Abstract Test 136)"""
    found = demo.json(f"/collections/{collection['id']}/locations")
    assert found["type"] == "FeatureCollection"
    assert found["features"]


@pytest.mark.parametrize("query", WITH_COORDS)
@pytest.mark.parametrize(
    "coords",
    ["", "POINT()", "POLYGON()", "LINESTRING()", "LINESTRINGM()", "LINESTRINGZM()", "LINESTRINGZ()", "POINT(x y)"],
)
def test_bad_coords(demo, query, coords):
    """/req/edr/coords-response — QueryCollections.validateCoordsQueryParameters"""
    answer = httpx.get(f"{demo.url}/collections/s2-romania/{query}", params={"coords": coords})
    assert answer.status_code == 400
    assert answer.json()["parameter"] == "coords"


def asked_as_the_suite_does(collection, query):
    """One degree around the middle of the extent, all times, one parameter."""
    west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
    x, y = (west + east) / 2, (south + north) / 2
    x0, y0, x1, y1 = x - 1, y - 1, x + 1, y + 1
    line = f"LINESTRING({x0} {y0},{x} {y},{x1} {y1})"
    own = {
        "position": {"coords": f"POINT({x} {y})"},
        "area": {"coords": f"POLYGON(({x0} {y0},{x0} {y1},{x1} {y1},{x1} {y0},{x0} {y0}))"},
        "trajectory": {"coords": line},
        "corridor": {"coords": line, "corridor-width": "2", "width-units": "m"},
        "radius": {"coords": f"POINT({x} {y})", "within": "500", "within-units": "m"},
        "cube": {"bbox": f"{x - 0.005},{y - 0.005},{x + 0.005},{y + 0.005}"},
    }[query]
    return own | {
        "parameter-name": next(iter(collection["parameter_names"])),
        "datetime": "/".join(collection["extent"]["temporal"]["interval"][0]),
    }


@pytest.mark.parametrize("query", ["position", "radius", "area", "cube", "trajectory", "corridor"])
def test_query_using_parameters(demo, collection, query):
    """/req/edr/{query}, coords-, datetime-, parameter-name-, crs- and f-response —
    QueryCollections.validate{Position,Area,Trajectory,Corridor}QueryUsingParameters"""
    asked = asked_as_the_suite_does(collection, query)
    link = collection["data_queries"][query]["link"]
    crs = {"crs": CRS84} if query in ("position", "area") else {}
    answer = httpx.get(link["href"], params={**asked, **crs, "f": "CoverageJSON"}, timeout=120)
    assert answer.status_code == 200, answer.text[:300]
    document = answer.json()
    assert document["type"] in ("Coverage", "CoverageCollection")
    assert list(document["parameters"]) == [asked["parameter-name"]]
    referencing = document.get("referencing") or document["domain"]["referencing"]
    if crs:
        assert referencing[0]["system"]["id"] == CRS84


@pytest.mark.parametrize("query", ["position", "radius", "area", "cube", "trajectory", "corridor", "locations/1"])
def test_every_format_that_is_listed(demo, query):
    """/req/edr/rc-f-response: `f` by the names of output_formats, and Accept"""
    ask = {"parameter-name": "B8", "datetime": "2016-03-18"}
    line = "LINESTRING(22.15 45.203,22.155 45.206)"
    ask |= {
        "position": {"coords": "POINT(22.1522 45.2048)"},
        "area": {"coords": "POLYGON((22.15 45.203,22.152 45.203,22.152 45.205,22.15 45.203))"},
        "trajectory": {"coords": line},
        "corridor": {"coords": line, "corridor-width": "50", "width-units": "m"},
        "radius": {"coords": "POINT(22.1522 45.2048)", "within": "60", "within-units": "m"},
        "cube": {"bbox": "22.150,45.203,22.152,45.204"},
        "locations/1": {},
    }[query]
    types = ("application/geo+json", "application/prs.coverage+json", "text/csv", "application/netcdf")
    for name, kind in zip(FORMATS, types, strict=True):
        by_name = httpx.get(f"{demo.url}/collections/s2-romania/{query}", params={**ask, "f": name})
        accepted = httpx.get(f"{demo.url}/collections/s2-romania/{query}", params=ask, headers={"Accept": kind})
        for answer in (by_name, accepted):
            assert answer.status_code == 200, answer.text[:300]
            assert answer.headers["content-type"].partition(";")[0] == kind


@pytest.mark.parametrize(
    ("query", "coords"),
    [
        ("area", "POLYGON(({0} {1},{0} {3},{2} {3},{2} {1},{0} {1}))"),
        ("corridor", "LINESTRING({0} {1},{2} {3})&corridor-width=2.0&width-units=m"),
    ],
)
def test_whole_scene(demo, query, coords):
    """QueryCollections.validateAreaQueryUsingParameters, validateCorridorQueryUsingParameters

    Two degrees about the middle of the extent, all dates, in the last one of GeoJSON and CoverageJSON that is listed.
    """
    found = demo.json("/collections/l8-paraguay")
    west, south, east, north = found["extent"]["spatial"]["bbox"][0]
    x, y = (west + east) / 2, (south + north) / 2
    link = found["data_queries"][query]["link"]
    format = [one for one in link["variables"]["output_formats"] if one in ("GeoJSON", "CoverageJSON")][-1]
    coords = coords.format(x - 1, y - 1, x + 1, y + 1)
    document = demo.json(f"/collections/l8-paraguay/{query}?parameter-name=B2&f={format}&coords={coords}")
    assert document["type"].startswith("Coverage")
    axes = document["domain"]["axes"]
    assert min(axes["x"]["num"], axes["y"]["num"]) > 1000


# Encodings


def check_edr_geojson(document):
    assert document["type"] == "FeatureCollection"
    assert document["features"]
    for one in document["parameters"]:
        assert one["type"] == "Parameter"
        assert isinstance(one["observedProperty"]["label"], str)
    for feature in document["features"]:
        assert feature["type"] == "Feature"
        assert feature["geometry"]["type"] in ("Point", "Polygon", "MultiPolygon")
        assert set(feature["properties"]) >= {"datetime", "label", "parameter-name", "edrqueryendpoint"}


def test_locations_are_geojson(demo, collection):
    """/req/geojson/definition, content — GeoJSONEncoding.validateResponseForGeoJSON"""
    link = collection["data_queries"]["locations"]["link"]
    assert "GeoJSON" in link["variables"]["output_formats"]
    answer = httpx.get(link["href"], params={"f": "GeoJSON"})
    assert answer.headers["content-type"] == "application/geo+json"
    check_edr_geojson(answer.json())


def test_positions_are_edr_geojson(demo, collection):
    """/req/edr-geojson/definition, content — EDRGeoJSONEncoding.validateResponseForEDRGeoJSON

    This one method asks for `crs=CRS84`, by that name alone.
    """
    asked = {**asked_as_the_suite_does(collection, "position"), "crs": "CRS84"}
    answer = httpx.get(collection["data_queries"]["position"]["link"]["href"], params={**asked, "f": "GeoJSON"})
    document = answer.json()
    check_edr_geojson(document)
    name = asked["parameter-name"]
    series = demo.json(f"/collections/{collection['id']}/position", **asked)
    assert [one["properties"][name] for one in document["features"]] == series["ranges"][name]["values"]
    assert [one["properties"]["datetime"] for one in document["features"]] == series["domain"]["axes"]["t"]["values"]


def test_unknown_parameters_are_refused(demo):
    """/req/core/http, 8.1.5: 400 for a parameter that is not specified"""
    for query in QUERIES:
        found = demo.refused(f"/collections/s2-romania/{query.format(locationId=1)}", colour="red")
        assert found["parameter"] == "colour"
