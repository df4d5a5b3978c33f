"""What one client may take: places among the pixel threads, bodies, headers, and time to send them."""

import json
import re
import socket
import threading
import time
from contextlib import ExitStack

import httpx
import pytest

COSTLY = {"width": 1000, "height": 1000, "properties": "ndvi", "group": "all", "mosaic": "mean", "mask": "none",
          "resampling": "cubic"}  # fmt: skip
COVERAGE = "/collections/s2-romania/coverage"


@pytest.fixture(scope="module")
def tight(demo, start, tmp_path_factory):
    """One pixel thread, two places for each client, one in the queue; small bodies and headers, little patience."""
    settings = {
        "CATALOGUE__URL": f"sqlite:///{demo.home}/catalogue.sqlite",
        "SERVE__THREADS": "1",
        "SERVE__TRUSTED_PROXIES": '["127.0.0.0/8"]',
        "SERVE__HEADER_SECONDS": "2",
        "LIMITS__CLIENT_REQUESTS": "2",
        "LIMITS__QUEUE": "2",
        "LIMITS__BODY_BYTES": "1000",
        "LIMITS__BODY_SECONDS": "2",
        "LIMITS__HEADER_BYTES": "2000",
        "LIMITS__PARAMETERS": "20",
    }
    with start(tmp_path_factory.mktemp("tight"), "serve", "--workers", "1", **settings) as server:
        yield server


def connect(server):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=100)


def pixels(server, what):
    """How many requests for pixels are busy, or waiting."""
    found = re.search(rf'prismcube_pool_{what}{{pool="pixels"}} (\S+)', server.ok("/metrics").text)
    return float(found[1]) if found else 0


class Waiting:
    """Costly requests of clients that wait for their answers until the block ends."""

    def __init__(self, server, *clients):
        self._server = server
        self._clients = clients

    def __enter__(self):
        self._sockets = []
        query = "&".join(f"{name}={value}" for name, value in COSTLY.items())
        for client in self._clients:
            connection = connect(self._server)
            head = f"GET {COVERAGE}?{query} HTTP/1.1\r\nHost: [::1]\r\nX-Forwarded-For: {client}\r\n\r\n"
            connection.sendall(head.encode())
            self._sockets.append(connection)
        # What is asked before they have come would take one of their places.
        deadline = time.monotonic() + 60
        while sum(pixels(self._server, pool) for pool in ("busy", "waiting")) < len(self._clients):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        for connection in self._sockets:
            connection.close()


def cheap(server, client):
    params = {"datetime": "2016-03-18", "properties": "B4"}
    return httpx.get(server.url + COVERAGE, params=params, headers={"X-Forwarded-For": client}, timeout=100)


def until(server, client, status):
    """The answer, once there is one with this status: what others send, or that they have gone, takes a moment."""
    deadline = time.monotonic() + 60
    while (answer := cheap(server, client)).status_code != status:
        assert time.monotonic() < deadline, (answer.status_code, answer.text[:200])
        time.sleep(0.05)
    return answer


def test_a_client_has_so_many_places(tight):
    with Waiting(tight, "203.0.113.1", "203.0.113.1"):
        answer = until(tight, "203.0.113.1", 429)
        assert "2 requests" in answer.json()["detail"]
        assert answer.headers["retry-after"] == "1"
    until(tight, "203.0.113.1", 200)  # places are free again when the client has gone


def test_the_queue_has_an_end(tight):
    with Waiting(tight, "203.0.113.1", "203.0.113.2", "203.0.113.3"):
        answer = until(tight, "203.0.113.4", 503)
        assert "waiting" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) >= 1
        assert tight.ok("/healthz").text == "ok\n"
        tight.ok("/collections")
        assert (pixels(tight, "busy"), pixels(tight, "waiting")) == (1, 2)
        assert 'prismcube_refusals_total{kind="queue"}' in tight.ok("/metrics").text
    until(tight, "203.0.113.4", 200)


def raw(server, *pieces, wait=0.0):
    """(head, body) of the answer to bytes that are sent one after the other."""
    with connect(server) as connection:
        for piece in pieces:
            connection.sendall(piece)
            threading.Event().wait(wait)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


def once(server, status, path="/healthz"):
    """The answer to a request, once there is one with this status: connections take a moment to end."""
    deadline = time.monotonic() + 60
    while (answer := httpx.get(server.url + path, timeout=100)).status_code != status:
        assert time.monotonic() < deadline, (answer.status_code, answer.text[:200])
        time.sleep(0.05)
    return answer


def test_a_worker_keeps_so_many_connections(start, tmp_path):
    """Those that ask nothing count too; one beyond is told so before it asks."""
    settings = {"SERVE__CONNECTIONS": "5", "SERVE__HEADER_SECONDS": "600"}
    with start(tmp_path, "serve", "--workers", "1", **settings) as server, ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(5)]
        for _ in range(20):  # those that are turned away take no place
            answer = once(server, 503)
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.headers["retry-after"], answer.headers["connection"]) == ("5", "close")
            assert "5 connections" in answer.json()["detail"]
        with connect(server) as silent:
            head = b"".join(iter(lambda: silent.recv(65536), b""))
            assert head.startswith(b"HTTP/1.1 503 ")
        idle.pop().close()
        assert once(server, 200).text == "ok\n"
        refused = re.search(r'prismcube_refusals_total\{kind="connections"\} (\S+)', once(server, 200, "/metrics").text)
        assert float(refused[1]) >= 21
        for one in idle:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            assert one.recv(65536).startswith(b"HTTP/1.1 200 "), "who was let in stays"


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 2000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + (b"100\r\n" + b"x" * 256 + b"\r\n") * 8 + b"0\r\n\r\n",
    ],
    ids=["told", "chunked"],
)
def test_a_body_has_a_largest_size(tight, body):
    head, answer = raw(
        tight, b"POST /catalogue/records HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n" + body
    )
    assert head.startswith("HTTP/1.1 413 ")
    assert json.loads(answer)["status"] == 413


def test_a_chunked_body_arrives(tight):
    document = b'{"name": 7}'
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(document), document)
    head, answer = raw(
        tight,
        b"POST /catalogue/records HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
    )
    assert head.startswith("HTTP/1.1 400 ")
    assert "name" in json.loads(answer)["detail"]


def test_a_slow_body_is_given_up(tight):
    head, answer = raw(tight, b"POST /catalogue/records HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 20\r\n\r\n", b"{")
    assert head.startswith("HTTP/1.1 408 ")
    assert json.loads(answer)["status"] == 408


def test_slow_headers_are_given_up(tight):
    head, answer = raw(tight, b"GET / HTTP/1.1\r\n", b"Host: [::1]\r\n", b"A: b\r\n", wait=0.3)
    assert head.startswith("HTTP/1.1 408 ")
    assert json.loads(answer)["status"] == 408


def test_headers_and_parameters_have_a_largest_number(tight):
    answer = httpx.get(f"{tight.url}/collections", headers={"Padding": "x" * 2000})
    assert (answer.status_code, answer.json()["status"]) == (431, 431)
    tight.refused("/collections?" + "&".join(["limit=1"] * 21), status=413)
