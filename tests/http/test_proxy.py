"""Behind a proxy with a prefix: links, limits and the log know the client's side of it."""

import json
import time

import httpx
import pytest

PUBLIC = "https://eo.example.org/api"


@pytest.fixture(scope="module")
def behind(demo, start, tmp_path_factory):
    """A server that trusts this machine, lets a client make seven requests an hour."""
    settings = {
        "CATALOGUE__URL": f"sqlite:///{demo.home}/catalogue.sqlite",
        "SERVE__TRUSTED_PROXIES": '["127.0.0.0/8"]',
        "SERVE__CORS_ORIGINS": '["https://maps.example.org"]',
        "LIMITS__CLIENT_RATE": "7/hour",
    }
    with start(tmp_path_factory.mktemp("behind"), "serve", "--workers", "1", **settings) as server:
        yield server


def ask(server, path, client, **more):
    headers = {
        "X-Forwarded-For": client, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "eo.example.org",
        "X-Forwarded-Prefix": "/api", **more,
    }  # fmt: skip
    return httpx.get(server.url + path, headers=headers, timeout=60)


def test_links_have_the_prefix_that_was_taken_off(behind):
    links = ask(behind, "/collections", "203.0.113.1").json()["links"]
    assert links
    assert all(link["href"].startswith(f"{PUBLIC}/collections") for link in links)


def test_pages_and_pixels_have_it_too(behind):
    page = ask(behind, "/collections?f=html", "203.0.113.2")
    assert f'href="{PUBLIC}/' in page.text
    assert behind.url not in page.text
    position = "/collections/s2-romania/position?coords=POINT(22.1522 45.2048)&datetime=2016-03-18"
    assert ask(behind, position, "203.0.113.2").status_code == 200
    assert page.headers["strict-transport-security"]


def test_the_log_has_the_client(behind):
    ask(behind, "/conformance", "203.0.113.3", **{"X-Request-ID": "from-afar"})
    deadline = time.monotonic() + 120
    while not (found := [one for one in behind.output.read_text().splitlines() if "from-afar" in one]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    line = json.loads(found[0])
    assert (line["client"], line["path"]) == ("203.0.113.3", "/conformance")


def test_each_client_has_its_own_rate(behind):
    answers = [ask(behind, "/conformance", "2001:db8:0:9::1") for _ in range(5)]
    answers += [ask(behind, "/conformance", "2001:db8:0:9::2") for _ in range(5)]  # the same household
    assert [one.status_code for one in answers] == [200] * 7 + [429] * 3
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert ask(behind, "/conformance", "2001:db8:0:10::1").status_code == 200
    assert {ask(behind, path, "2001:db8:0:9::1").status_code for path in ("/healthz", "/readyz")} == {200}
    assert ask(behind, "/metrics", "2001:db8:0:9::1").status_code == 403, "not counted, but not for those from afar"


def test_a_refused_page_of_another_site_can_read_why(behind):
    origin = {"Origin": "https://maps.example.org"}
    answers = [ask(behind, "/nowhere", "203.0.113.4", **origin) for _ in range(8)]
    assert [one.status_code for one in answers] == [404] * 7 + [429]
    assert {one.headers["access-control-allow-origin"] for one in answers} == {"https://maps.example.org"}
    other = ask(behind, "/nowhere", "203.0.113.5", Origin="https://evil.example")
    assert "access-control-allow-origin" not in other.headers
