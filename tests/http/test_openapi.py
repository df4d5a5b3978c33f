"""The OpenAPI document: valid, whole in itself, true to the handlers, and with examples that work."""

import json
import re
from urllib.parse import quote

import httpx
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from server.routes import DOCUMENTS, PIXELS

FREE = {"collectionId", "itemId", "styleId", "locationId", "tileSetId", "recordId", "instanceId"}
"""Names in paths whose values come from the catalogue, not from the code."""


@pytest.fixture(scope="module")
def document(demo):
    return demo.json("/openapi")


def operations(document):
    """(path, operation) of everything that is read, without the catalogue, which tests/http/test_catalogue.py reads."""
    paths = document["paths"].items()
    return [(path, methods["get"]) for path, methods in paths if "get" in methods and "/catalogue" not in path]


def test_it_is_valid(document):
    assert list(OpenAPIV30SpecValidator(document).iter_errors()) == []


def test_it_refers_to_nothing_outside_itself(document):
    components = document["components"]
    known = {f"#/components/{kind}/{name}" for kind, members in components.items() for name in members}
    used = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(document)))
    assert "#/components/schemas/Problem" in used <= known


def test_it_lists_exactly_what_is_routed_and_accepted(document):
    documented = {
        path: sorted(one["name"] for one in operation["parameters"] if one["in"] == "query")
        for path, operation in operations(document)
    }
    routed = {one.path: sorted(one.parameters) for one in (*DOCUMENTS, *PIXELS)}
    routed |= {path: ["f", "lang"] for path in ("/", "/conformance", "/openapi")}
    assert documented == routed


def test_operations_have_names_of_their_own(document):
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)
    assert "getCollectionsCollectionIdItems" in names
    assert {tag for methods in document["paths"].values() for one in methods.values() for tag in one["tags"]} <= {
        tag["name"] for tag in document["tags"]
    }


def test_parameters_are_defined_as_the_standards_ask(document):
    """OGC 17-069r4, requirements fc-limit-definition, fc-bbox-definition, fc-time-definition."""
    found = {one["name"]: one for one in document["paths"]["/collections/{collectionId}/items"]["get"]["parameters"]}
    for name in ("limit", "bbox", "datetime"):
        assert (found[name]["in"], found[name]["required"]) == ("query", False)
        assert (found[name]["style"], found[name]["explode"]) == ("form", False)
    assert found["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}
    assert found["bbox"]["schema"] == {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    assert found["datetime"]["schema"]["type"] == "string"


def test_nothing_from_the_catalogue_is_listed(document):
    for _, operation in operations(document):
        for one in operation["parameters"]:
            assert one["name"] not in FREE or "enum" not in one["schema"]
    assert json.dumps(document).count("s2-romania") <= 2  # as an example of a mapping, not as a collection


def test_errors_are_documented(document):
    for path, operation in operations(document):
        statuses = set(operation["responses"])
        assert {"200", "304", "400", "401", "403", "429", "500", "503"} <= statuses, path
        assert ("404" in statuses) == ("{" in path), path


def test_every_example_works(demo, document):
    tried = 0
    for path, operation in operations(document):
        if "{jobID}" in path:  # jobs come and go: none is an example
            continue
        for names, answer in alone(demo, path, operation):
            assert answer.status_code == 200, (path, names, answer.text[:300])
            assert len(answer.content) > 60, (path, names)
            media_type = answer.headers["content-type"].replace(" ", "").split(";charset")[0]
            assert media_type in {one.replace(" ", "") for one in operation["responses"]["200"]["content"]}, path
            assert not is_empty(answer), (path, names)
            tried += 1
    assert tried > 40


def test_every_example_of_the_catalogue_works(demo, furnish):
    made = furnish(demo.url)
    try:
        reading = [
            (p, one["get"]) for p, one in demo.json("/openapi")["paths"].items() if "/catalogue" in p and "get" in one
        ]
        tried = [(path, names, answer) for path, one in reading for names, answer in alone(demo, path, one)]
    finally:
        for address in made:
            assert httpx.delete(address, timeout=60).status_code == 204, address
    for path, names, answer in tried:
        assert answer.status_code == 200, (path, names, answer.text[:300])
        # Nothing is locked, and nothing is written in the layout that was just made.
        if "entities" in answer.json() and names not in ({"job"}, {"layout"}):
            assert answer.json()["entities"], (path, names)
    assert len(tried) > 60


def test_what_can_not_be_told_has_no_example(document):
    """A value in the path is real or not there, as for layouts, which the demo has none of; cursors are in links.

    Formats are lists to choose from.
    """
    without = {
        (path, one["name"])
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for one in operation["parameters"]
        if "example" not in one and (one["in"] != "query" or path.startswith("/catalogue"))
    }
    lacking = {"palettes", "styles", "layouts", "grids", "consolidation-params"}
    assert {path.split("/")[2] for path, name in without if name == "id"} == lacking
    assert {name for _, name in without} == {"id", "after", "layout", "f", "jobID"}


def alone(demo, path, operation):
    """(names, answer) of requests with each parameter's example alone, beside those that are required."""
    place, query, needed = path, {}, set()
    for one in operation["parameters"]:
        if one["in"] == "path":
            place = place.replace(f"{{{one['name']}}}", quote(text_of(one["example"])))
        elif one["in"] == "query" and "example" in one:
            query[one["name"]] = text_of(one["example"])
        if one["in"] == "query" and one.get("required"):
            needed.add(one["name"])
    for name in [None, *query]:
        names = needed | ({name} - {None})
        yield names, httpx.get(demo.url + place, params={n: query[n] for n in names}, timeout=120)


def is_empty(answer):
    """True for a page without features."""
    return answer.headers["content-type"] == "application/geo+json" and answer.json().get("features") == []


def text_of(value):
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def test_what_a_client_has_is_not_sent_again(demo):
    first = demo.ok("/openapi")
    assert first.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    again = httpx.get(f"{demo.url}/openapi", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
