"""Landing page, conformance, collections, health, and the error of last resort."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest

from providers.ogc import coverage, edr, items, maptiles

EDR = {
    "area": edr.AREA_PARAMETERS,
    "radius": edr.RADIUS_PARAMETERS,
    "cube": edr.CUBE_PARAMETERS,
    "trajectory": edr.TRAJECTORY_PARAMETERS,
    "corridor": edr.CORRIDOR_PARAMETERS,
    "locations": edr.LOCATIONS_PARAMETERS,
    "locations/1": edr.LOCATION_PARAMETERS,
}


@pytest.mark.parametrize(
    "path",
    [
        "/", "/conformance", "/openapi", "/collections", "/collections/s2-romania", "/collections/s2-romania/items",
        "/collections/s2-romania/items/1", "/collections/s2-romania/coverage", "/collections/s2-romania/position",
        *(f"/collections/s2-romania/{kind}" for kind in EDR), "/collections/s2-romania/map/tiles/WebMercatorQuad/0/0/0",
    ],
)  # fmt: skip
def test_every_operation_refuses_unknown_parameters_by_name(demo, path):
    assert demo.refused(path, colour="red")["parameter"] == "colour"


def test_collections_say_where_when_and_what(demo):
    one = demo.json("/collections/s2-romania")
    assert one["extent"]["temporal"]["interval"] == [["2015-08-01T00:00:00Z", "2021-01-01T00:00:00Z"]]
    west, south, east, north = one["extent"]["spatial"]["bbox"][0]
    assert (west, south, east, north) == pytest.approx((22.1449, 45.1996, 22.1595, 45.2100), abs=1e-4)
    assert one["storageCrs"] == "http://www.opengis.net/def/crs/EPSG/0/3035"
    assert one["storageCrs"] in one["crs"]
    box = one["extent"]["spatial"]["storageCrsBbox"][0]  # EPSG:3035 has its northing first
    assert box == pytest.approx([2532004.2149, 5271982.5766, 2533004.2149, 5272982.5766])
    assert [axis["cellsCount"] for axis in one["extent"]["spatial"]["grid"]] == [100, 100]
    ndvi = one["parameter_names"]["ndvi"]
    assert ndvi["prismcube:expression"] == "(B8 - B4) / (B8 + B4)"
    assert ndvi["prismcube:range"] == [-1, 1]
    assert one["prismcube:masks"]["clear"] == {"rule": "SCL:4,5,6,7", "defaultFor": ["ndvi"]}
    assert one["attribution"] == "Contains modified Copernicus Sentinel data 2015-2021"
    for query in one["data_queries"].values():  # written out for one collection only
        query["link"]["variables"].pop("crs_details", None)
    assert one in demo.json("/collections")["collections"]


def test_links_name_the_host_the_client_used(demo):
    answer = httpx.get(f"{demo.url}/collections", headers={"Host": "eo.example.org"}).json()
    assert all(link["href"].startswith("http://eo.example.org/") for link in answer["links"])


@pytest.mark.parametrize("path", ["/", "/collections", "/collections/s2-romania", "/conformance"])
def test_pages_for_people(demo, path):
    answer = httpx.get(demo.url + path, headers={"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    loaded = re.findall(r'(?:src=|<link[^>]*href=)"(https?://[^/"]+)', answer.text)
    assert loaded
    assert set(loaded) == {demo.url}
    assert httpx.get(demo.url + path).headers["content-type"] == "application/json"


def test_a_language_is_one_of_the_configured(demo):
    assert demo.get("/?f=html&lang=en").status_code == 200
    assert demo.get("/?f=html&lang=en-US").headers["content-language"] == "en-US"
    assert demo.get("/collections/s2-romania/items").headers["content-language"] == "en-US"
    assert demo.refused("/?f=html&lang=xx")["parameter"] == "lang"


def test_health(demo):
    assert demo.ok("/healthz").text == "ok\n"
    assert demo.ok("/readyz").text == "ready\n"


def test_nowhere_is_a_problem_document(demo):
    demo.refused("/nowhere", status=404)
    demo.refused("/viewer/assets/../../../pages.py", status=404)
    demo.refused("/processes/nothing", status=404)
    demo.refused("/stac", status=404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path", ["/", "/collections/s2-romania/items", "/collections/s2-romania/coverage", "/healthz", "/readyz"]
)
def test_what_is_only_read_can_not_be_written(demo, method, path):
    answer = httpx.request(method, demo.url + path)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "GET" in answer.headers["allow"]


def test_head_has_no_body(demo):
    answer = httpx.head(f"{demo.url}/collections/s2-romania/coverage?datetime=2016-03-18")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 1000
    assert answer.content == b""


def test_browsers_of_other_sites_may_read(demo):
    answer = httpx.get(f"{demo.url}/collections", headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


HOSTILE = [
    "%00", "%ff%fe", "'", "' OR 1=1 --", "\\", "../../etc/passwd", "%252e%252e", "💥", "A" * 4000, "null", "NaN",
    "-Infinity", "1e400", "9" * 60, "(((((", "){:", "${jndi:ldap://x}", "{{7*7}}", "<script>", "%0d%0aSet-Cookie:x",
    ",", ",,,,", ";;;", ":", "*", "0", "-1", "1/0", "..", "../..", "2015-08-01T00:00:00+99:99", "\u0660", "0x10",
    "1_000", " ", "\t", "id:", "id:-1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/collections/s2-romania/coverage", coverage.PARAMETERS),
        ("/collections/s2-romania/position", edr.POSITION_PARAMETERS),
        *((f"/collections/s2-romania/{kind}", parameters) for kind, parameters in EDR.items()),
        ("/collections/s2-romania/items", items.PARAMETERS),
        ("/collections/l8-paraguay/map/tiles/WebMercatorQuad/8/146/89", maptiles.PARAMETERS),
    ],
)
def test_no_value_of_any_parameter_breaks_the_server(demo, path, names):
    def asked(name):
        extra = {"datetime": "2016-03-18"} if name != "datetime" and "datetime" in names else {}
        for value in HOSTILE:
            answer = client.get(path, params={**extra, name: value})
            assert answer.status_code < 500, (name, value, answer.text)

    # Side by side, for the server has two workers.
    with httpx.Client(base_url=demo.url, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        for _ in pool.map(asked, names):
            pass


@pytest.mark.parametrize("value", HOSTILE)
def test_no_path_breaks_the_server(demo, value):
    paths = [
        "/{}",
        "/collections/{}",
        "/collections/{}/coverage",
        "/collections/s2-romania/items/{}",
        "/collections/s2-romania/map/tiles/WebMercatorQuad/{}/0/0",
        "/viewer/{}",
        "/assets/{}",
    ]
    with httpx.Client(base_url=demo.url, timeout=60) as client:
        for path in paths:
            written = value if "%" in value else quote(value, safe="./")
            answer = client.get(path.format(written))
            assert answer.status_code < 500, (path, value, answer.text)


@pytest.mark.parametrize("host", ['evil.com/"><x>', "a b", "", "x:y", "evil.com\\@x", "x" * 5 + "/.."])
def test_a_host_that_is_none_does_not_get_into_links(demo, host):
    assert httpx.get(f"{demo.url}/collections", headers={"Host": host}).status_code == 400


def test_raw_bytes_in_the_address_are_refused(demo):
    import socket

    host, port = demo.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.sendall(b"GET /collections?x=\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 400 " in connection.recv(4096).splitlines()[0] + b" "


def test_a_very_long_address_is_refused(demo):
    demo.refused(f"/collections?x={'a' * 20000}", status=414)


def test_the_log_has_no_trace(demo):
    text = demo.output.read_text()
    assert "Traceback" not in text
    assert "Warning" not in text


def test_a_change_is_seen_at_once_by_every_worker(demo):
    """Lists and pages are kept, but only until the next change."""
    paths = ("/collections", "/collections?f=html", "/?f=html", "/collections/brand-new?f=html")
    before = [httpx.get(demo.url + path) for path in paths * 4]
    assert not any("Brand new" in answer.text for answer in before)
    document = {"name": "brand-new", "title": "Brand new", "fields": []}
    made = httpx.post(f"{demo.url}/catalogue/collections", json=document)
    assert made.status_code == 201, made.text
    try:
        assert all("Brand new" in httpx.get(demo.url + path).text for path in paths * 4)
        changed = httpx.patch(f"{demo.url}{made.headers['location'].removeprefix(demo.url)}", json={"title": "Renamed"})
        assert changed.status_code == 200, changed.text
        assert all("Renamed" in httpx.get(demo.url + path).text for path in paths * 4)
    finally:
        httpx.delete(f"{demo.url}{made.headers['location'].removeprefix(demo.url)}").raise_for_status()
    assert [httpx.get(demo.url + path).status_code for path in paths] == [200, 200, 200, 404]
