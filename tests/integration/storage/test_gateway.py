"""URLs of strangers are fetched from allowed addresses only, wherever their hosts send the client on to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import httpx
import pytest

from prismcube.errors import SourceError
from prismcube.storage import buckets
from prismcube.storage.gateway import Gateway
from prismcube.storage.store import read_range, stat


class Host(BaseHTTPRequestHandler):
    """`/on` sends on to a second address of this machine, all else is ten letters."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['host']}{self.path}")
        if self.path.startswith("/on"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.2:{self.server.server_address[1]}/secret")
            self.end_headers()
            return
        self.send_response(206)
        self.send_header("Content-Length", "10")
        self.send_header("Content-Range", "bytes 0-9/10")
        self.end_headers()
        self.wfile.write(b"0123456789" if self.command == "GET" else b"")

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def port() -> Iterator[int]:
    Host.asked.clear()
    with ThreadingHTTPServer(("0.0.0.0", 0), Host) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def routed() -> Iterator[Callable[[Callable[[str], bool]], Gateway]]:
    def through(allows: Callable[[str], bool]) -> Gateway:
        gateway = Gateway(allows)
        buckets.route(lambda uri: gateway.url)
        return gateway

    yield through
    buckets.route(buckets.directly)
    buckets.forget()


def test_fetches_from_allowed_addresses(port: int, routed: Callable[..., Gateway]) -> None:
    judged = []
    routed(lambda address: not judged.append(address))
    for path in ("a.tif", "a%20b.tif?sig=x%2Fy"):
        assert read_range(f"http://127.0.0.1:{port}/{path}", 0, 10) == b"0123456789"
    assert Host.asked == [f"127.0.0.1:{port}/a.tif", f"127.0.0.1:{port}/a%20b.tif?sig=x%2Fy"]
    assert set(judged) == {"127.0.0.1"}


def test_refuses_other_addresses(port: int, routed: Callable[..., Gateway]) -> None:
    routed(lambda address: False)
    with pytest.raises(SourceError, match="access is refused"):
        stat(f"http://127.0.0.1:{port}/a.tif")
    assert Host.asked == []


def test_follows_nobody_to_other_addresses(port: int, routed: Callable[..., Gateway]) -> None:
    assert read_range(f"http://127.0.0.1:{port}/on", 0, 10) == b"0123456789"  # as without a gateway
    Host.asked.clear()
    buckets.forget()
    routed(lambda address: address == "127.0.0.1")
    with pytest.raises(SourceError):
        read_range(f"http://127.0.0.1:{port}/on", 0, 10)
    assert {one.partition("/")[2] for one in Host.asked} == {"on"}


def test_https_is_judged_too(port: int) -> None:
    refused, allowed = Gateway(lambda address: False), Gateway(lambda address: True)
    with httpx.Client(proxy=refused.url) as client, pytest.raises(httpx.ProxyError, match="403"):
        client.get(f"https://127.0.0.1:{port}/a.tif")
    with httpx.Client(proxy=allowed.url) as client, pytest.raises(httpx.ConnectError, match="SSL"):
        client.get(f"https://127.0.0.1:{port}/a.tif")  # connected, to a host that speaks no TLS


def test_speaks_nothing_else(port: int) -> None:
    gateway = Gateway(lambda address: True)
    assert httpx.get(f"{gateway.url}/a.tif").status_code == 400
    with httpx.Client(proxy=gateway.url) as client:
        assert client.post(f"http://127.0.0.1:{port}/a.tif", content=b"x").status_code == 400
        assert client.get("http://no-such-host.invalid/a.tif").status_code == 502
