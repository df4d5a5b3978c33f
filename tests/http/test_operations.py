"""What an operator sees: request ids, the log, the figures; and what no stranger sees: versions."""

import json
import os
import re
import socket
import time
from pathlib import Path

import httpx
import pytest

from server.run import MEMORY

POSITION = "/collections/s2-romania/position?coords=POINT(22.1522 45.2048)&datetime=2016-03-18"


@pytest.fixture(scope="module")
def told(demo, start, tmp_path_factory):
    """A server of one worker over the demo's catalogue, with every line of its log as JSON."""
    url = f"sqlite:///{demo.home}/catalogue.sqlite"
    with start(tmp_path_factory.mktemp("told"), "serve", "--workers", "1", CATALOGUE__URL=url) as server:
        yield server


def lines(server, **wanted):
    """The log's lines that have these values, once there is one."""
    deadline = time.monotonic() + 120
    while True:
        every = [json.loads(line) for line in server.output.read_text().splitlines() if line.startswith("{")]
        found = [one for one in every if all(one.get(name) == value for name, value in wanted.items())]
        if found:
            return found
        assert time.monotonic() < deadline, every[-20:]
        time.sleep(0.05)


def test_each_answer_has_an_id_of_its_own(told):
    ids = {told.ok("/collections").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f-]{36}", one) for one in ids)


@pytest.mark.parametrize("path", ["/collections", POSITION, "/nowhere", "/healthz", "/viewer", "/catalogue"])
def test_the_id_of_the_client_is_kept(told, path):
    answer = httpx.get(told.url + path, headers={"X-Request-ID": "abc-1.2_3:4"})
    assert answer.headers.get_list("x-request-id") == ["abc-1.2_3:4"]


@pytest.mark.parametrize("insane", ["", "a b", "x" * 65, "a\tb", '"quoted"', "ä".encode()])
def test_an_id_that_is_none_is_replaced(told, insane):
    found = httpx.get(f"{told.url}/collections", headers={"X-Request-ID": insane}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", found)


def test_problems_have_the_id(told):
    given = "5c1a2d60-7a39-4a31-8c40-1d37a1d1ad3c"
    for path in ("/nowhere", "/collections/none", "/collections/s2-romania/coverage?colour=red", "/metrics?x=1"):
        problem = httpx.get(told.url + path, headers={"X-Request-ID": given}).json()
        assert (problem["requestId"], problem["instance"]) == (given, f"urn:uuid:{given}"), path


def test_a_request_is_one_line(told):
    size = len(told.ok("/collections").content)
    answer = httpx.get(told.url + POSITION, headers={"X-Request-ID": "one-line"})
    (line,) = lines(told, request_id="one-line")
    assert line["message"] == "request"
    assert line["method"] == "GET"
    assert line["path"] == "/collections/s2-romania/position"
    assert line["query"] == "coords=POINT(22.1522+45.2048)&datetime=2016-03-18"
    assert line["status"] == 200
    assert line["bytes"] == len(answer.content) != size
    assert line["client"] == "127.0.0.1"
    assert line["collection"] == "s2-romania"
    assert line["route"] == "/collections/{collectionId}/position"
    assert 0 < line["first_byte"] <= line["seconds"]


def test_secrets_of_a_request_are_not_told(told):
    httpx.get(
        f"{told.url}/collections?token=TopSecret1&api_key=TopSecret2&X-Amz-Signature=TopSecret3&password=TopSecret4&a=b",
        headers={"X-Request-ID": "secrets", "Authorization": "Bearer TopSecret5", "X-API-Key": "TopSecret6"},
    )
    (line,) = lines(told, request_id="secrets")
    assert "a=b" in line["query"]
    assert "TopSecret" not in told.output.read_text()


def figures(server, *, since=None, requests=0):
    """Every figure by name and labels.

    With `since`, once so many requests have been counted since then: a worker counts an answer when it has gone, and
    another may be asked for the figures before.
    """
    deadline = time.monotonic() + 60
    while True:
        text = server.ok("/metrics").text
        lines = [one.rpartition(" ") for one in text.splitlines() if one[0] != "#"]
        found = {name: float(value) for name, _, value in lines}
        if since is None or answered(found) - answered(since) >= requests:
            return found
        assert time.monotonic() < deadline, f"{answered(found) - answered(since):g} requests of {requests} are counted"


def answered(found):
    """Requests that were counted, but for those for figures."""
    names = (name for name in found if name.startswith("prismcube_requests_total") and "/metrics" not in name)
    return sum(found[name] for name in names)


def test_figures_count_requests_by_route(told):
    before = figures(told)
    for name in ("s2-romania", "l8-paraguay"):
        told.ok(f"/collections/{name}")
    told.get("/collections/none")
    told.get("/no/such/place/1")
    told.get("/no/such/place/2")
    after = figures(told, since=before, requests=5)
    requests = 'prismcube_requests_total{{method="GET",route="{}",status="{}"}}'.format
    added = {name: after[name] - before.get(name, 0) for name in after}
    assert added[requests("/collections/<name>", 200)] == 2
    assert added[requests("/collections/<name>", 404)] == 1
    assert added[requests("unmatched", 404)] == 2
    assert not any("none" in name or "place" in name for name in after)


def test_figures_count_the_work(told):
    before = figures(told)
    answer = told.ok("/collections/s2-romania/coverage", datetime="2016-03-18", properties="B4")
    refused = told.get("/collections/s2-romania/coverage", width=30000, properties="B4")
    assert refused.status_code == 413
    after = figures(told, since=before, requests=2)
    added = {name: after[name] - before.get(name, 0) for name in after}
    assert added['prismcube_slices_total{status="ok"}'] == 1
    assert added["prismcube_files_read_total"] == 1
    assert added["prismcube_read_bytes_total"] >= 2 * 100 * 100
    assert sum(value for name, value in added.items() if name.startswith("prismcube_refusals_total")) == 1
    sent = added['prismcube_sent_bytes_total{route="/collections/{collectionId}/coverage"}']
    assert sent == len(answer.content) + len(refused.content)
    assert after["prismcube_memory_free_bytes"] == after["prismcube_memory_total_bytes"] == 2**30
    assert after['prismcube_pool_size{pool="pixels"}'] == 4


@pytest.mark.skipif(not os.access(MEMORY, os.W_OK), reason="the system has no place in memory for files")
def test_workers_map_figures_that_lie_in_memory(demo):
    demo.ok("/collections")
    for pid in demo.workers():
        mapped = [line.split()[-1] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if ".db" in line]
        figures = [path for path in mapped if "prismcube-metrics-" in path]
        assert figures
        assert all(path.startswith(f"{MEMORY}/") for path in figures)


def test_figures_of_all_workers_are_added_up(demo):
    """Two workers; each request may reach the other."""
    name = 'prismcube_requests_total{method="GET",route="/conformance",status="200"}'
    before = figures(demo)
    for _ in range(12):
        demo.ok("/conformance")  # each over a connection of its own
    figures(demo, since=before, requests=12)
    assert {figures(demo)[name] for _ in range(6)} == {before.get(name, 0) + 12}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
def test_figures_come_in_the_form_that_is_asked_for(demo, accept, kind):
    answer = httpx.get(f"{demo.url}/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/collections?f=html", POSITION, "/nowhere", "/healthz", "/metrics", "/viewer"])
def test_answers_tell_no_version_and_guard_the_browser(demo, path):
    headers = demo.get(path).headers
    assert "server" not in headers
    assert "x-powered-by" not in headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers, "this is HTTP"


def raw(server, request):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def test_what_is_no_http_is_a_problem_too(demo):
    head, body = raw(demo, b"GARBAGE\r\n\r\n")
    assert head.startswith("HTTP/1.1 400 ")
    assert "server:" not in head.lower()
    assert json.loads(body)["status"] == 400


def test_the_demo_prints_for_people(demo):
    """Lines of text, and none for a request that went well; other tests may have given reason for warnings."""
    with httpx.Client(base_url=demo.url, headers={"X-Request-ID": "for-people"}) as client:
        for _ in range(2):  # over one connection: when the second is answered, all is printed of the first
            assert client.get("/collections").status_code == 200
    text = demo.output.read_text()
    assert "Serving" in text
    assert not [line for line in text.splitlines() if line.startswith("{")]
    assert "for-people" not in text
