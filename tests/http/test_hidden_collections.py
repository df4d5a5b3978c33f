"""To whom a rule hides a collection, it does not exist: each address answers as for one that is missing."""

import re

import httpx
import pytest

from server.routes import DOCUMENTS, PATH_PARAMETERS, PIXELS

OPEN, HIDDEN, MISSING = "l8-paraguay", "s2-romania", "s2-atlantis"
STOCK_OPEN, STOCK_HIDDEN = "lakes-open", "lakes-hidden"
"""Published by pygeoapi's own code."""
BLIND = (None, "reader", "writer")
"""Callers to whom the rules hide something; None: without a key."""

BELOW_A_COLLECTION = [one.path for one in (*DOCUMENTS, *PIXELS) if "{collectionId}" in one.path]
EXAMPLES = {name: example for name, (_, _, example) in PATH_PARAMETERS.items()}
QUERIES = (
    "",
    "?f=json",
    "?f=html",
    "?f=plan",
    "?f=png",
    "?f=csv",
    "?coords=POINT(22.15%2045.2)",
    "?limit=1",
    "?colour=red",
)


ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Of a request."""


@pytest.fixture(scope="module")
def get(guarded):
    def ask(path, who=None, method="GET", **headers):
        shown = {"Authorization": f"Bearer {guarded.keys[who]}"} if who else {}
        return client.request(method, guarded.url + path, headers={**shown, **headers})

    with httpx.Client(timeout=120) as client:
        yield ask


def told(answer, name):
    """What an answer tells, but for the name that was asked for and what differs by the moment."""
    headers = {
        key: value.replace(name, "NAME")
        for key, value in answer.headers.items()
        if key not in ("date", "content-length", "x-request-id")
    }
    return answer.status_code, headers, ID.sub("ID", answer.text.replace(name, "NAME"))


def test_the_table_is_what_we_think_it_is():
    assert len(BELOW_A_COLLECTION) >= 6


@pytest.mark.parametrize("who", BLIND)
@pytest.mark.parametrize("path", BELOW_A_COLLECTION)
def test_every_address_answers_as_if_it_were_missing(get, path, who):
    def below(name):
        return re.sub(r"\{(\w+)\}", lambda found: EXAMPLES[found[1]], path.replace("{collectionId}", name))

    statuses = set()
    for query in QUERIES:
        hidden, missing = get(below(HIDDEN) + query, who), get(below(MISSING) + query, who)
        assert told(hidden, HIDDEN) == told(missing, MISSING), query
        statuses.add(hidden.status_code)
    assert statuses <= {400, 401, 403, 404}
    assert 404 in statuses
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        assert told(get(below(HIDDEN), who, method), HIDDEN) == told(get(below(MISSING), who, method), MISSING)
    page = {"Accept": "text/html,*/*;q=0.8"}
    assert told(get(below(HIDDEN), who, **page), HIDDEN) == told(get(below(MISSING), who, **page), MISSING)


@pytest.mark.parametrize(
    "path", ["/nonsense", "/coverage/", "/items/", "//items", "/map", "/schema", "/queryables", "/tiles", "/instances"]
)
def test_addresses_that_are_none_answer_alike_too(get, path):
    hidden, missing = get(f"/collections/{HIDDEN}{path}"), get(f"/collections/{MISSING}{path}")
    assert told(hidden, HIDDEN) == told(missing, MISSING)


@pytest.mark.parametrize("path", ["", "?f=json", "/items", "/items/1", "/queryables", "/schema", "/anything"])
@pytest.mark.parametrize("who", BLIND)
def test_collections_of_pygeoapi_itself_are_hidden_as_well(get, path, who):
    hidden = get(f"/collections/{STOCK_HIDDEN}{path}", who)
    missing = get(f"/collections/lakes-dry{path}", who)
    assert told(hidden, STOCK_HIDDEN) == told(missing, "lakes-dry")
    assert hidden.status_code in (400, 404)


def test_collections_of_pygeoapi_are_there_for_whom_the_rules_let(get):
    assert get(f"/collections/{STOCK_OPEN}/items?f=json").status_code == 200
    assert get(f"/collections/{STOCK_HIDDEN}/items?f=json", "forester").status_code == 200
    assert "private" in get(f"/collections/{STOCK_HIDDEN}?f=json", "forester").headers["cache-control"]


@pytest.mark.parametrize("who", BLIND)
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?f=html",
        "/collections",
        "/collections?f=html",
        "/collections?limit=1",
        "/collections?q=sentinel",
        "/collections?q=forest",
        "/collections?bbox=22,45,23,46",
        "/collections?datetime=2018-01-01/..",
        "/collections?after=s",
        "/openapi",
        "/openapi?f=html",
        "/conformance",
        "/conformance?f=html",
        "/viewer",
        "/catalogue",
        "/catalogue/collections",
        "/catalogue/collections?name=s2*",
        f"/collections/{OPEN}",
        f"/collections/{OPEN}?f=html",
        f"/collections/{OPEN}/items",
        "/processes",
        "/jobs",
        "/stac",
        "/nothing",
    ],
)
def test_nothing_names_it(get, path, who):
    answer = get(path, who)
    assert answer.status_code < 500
    for name in (HIDDEN, STOCK_HIDDEN):
        assert name not in answer.text, path
        assert name not in str(answer.headers)


@pytest.mark.parametrize("who", BLIND)
def test_lists_and_counts_leave_it_out(get, who):
    document = get("/collections", who).json()
    assert [one["id"] for one in document["collections"]] == [OPEN, STOCK_OPEN]
    assert (document.get("numberMatched"), document["numberReturned"]) == (2, 2)
    first = get("/collections?limit=1", who).json()
    [following] = [one["href"] for one in first["links"] if one["rel"] == "next"]
    second = httpx.get(following, headers=dict(get("/", who).request.headers), timeout=120).json()
    assert [one["id"] for one in second["collections"]] == [STOCK_OPEN]
    assert not [one for one in second["links"] if one["rel"] == "next"]
    assert get("/collections?q=romania", who).json()["collections"] == []
    assert get("/collections?bbox=22,45,22.5,45.5&q=forest", who).json()["collections"] == []


def test_whom_the_rules_let_sees_all_of_it(get):
    document = get("/collections", "forester").json()
    assert [one["id"] for one in document["collections"]] == [OPEN, STOCK_HIDDEN, STOCK_OPEN, HIDDEN]
    assert get(f"/collections/{HIDDEN}/items", "forester").json()["features"]
    assert HIDDEN in get("/?f=html", "forester").text


def test_caches_tell_callers_apart(get):
    """What one caller's ETag says of a list does not hold for another."""
    seen = get("/collections", "forester").headers["etag"]
    assert get("/collections", "forester", **{"If-None-Match": seen}).status_code == 304
    other = get("/collections", None, **{"If-None-Match": seen})
    assert (other.status_code, len(other.json()["collections"])) == (200, 2)
