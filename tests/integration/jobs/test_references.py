"""What links of inputs lead to, from a server of the web that may do anything."""

from __future__ import annotations

import base64
import http.server
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from prismcube.jobs import references
from prismcube.jobs.addresses import Addresses
from prismcube.jobs.references import NotFetched, References

PAGES: dict[str, tuple[int, str, bytes]] = {
    "/point": (200, "application/geo+json; charset=utf-8", b'{"type": "Point", "coordinates": [1, 2]}'),
    "/text": (200, "text/plain", "ö".encode()),
    "/bytes": (200, "image/png", b"\x89PNG"),
    "/untyped": (200, "", b'{"a": 1}'),
    "/bad": (200, "application/json", b"{"),
    "/huge": (200, "application/json", b"[" + b"9" * 4_000 + b"]"),
    "/nan": (200, "application/json", b"NaN"),
    "/deep": (200, "application/json", b"[" * 100_000),
    "/latin": (200, "text/plain", b"\xf6"),
    "/gone": (404, "text/plain", b""),
    "/moved": (302, "text/plain", b""),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what `PAGES` say; else without end, or a byte now and then."""

    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        try:
            if self.path == "/endless":
                self._head(200, "text/plain")
                while True:
                    self.wfile.write(b"x" * 65_536)
            if self.path == "/slow":
                self._head(200, "text/plain")
                while True:
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            status, kind, content = PAGES[self.path.partition("?")[0]]
            self._head(status, kind)
            self.wfile.write(content)
        except OSError:
            return  # nobody listens any more: that is what is tried

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Location", "/text")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    Handler.seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def follow(site: str) -> References:
    """Under the name `localhost`, which has the address of the server."""
    return References(Addresses(["localhost"], resolve=lambda host, port: ["127.0.0.1"]))


def test_values_are_of_their_media_type(site: str, follow: References) -> None:
    assert follow.following()({"href": f"{site}/point?a=b"}) == {"type": "Point", "coordinates": [1, 2]}
    assert follow.following()({"href": f"{site}/text"}) == "ö"
    assert base64.b64decode(follow.following()({"href": f"{site}/bytes"})) == b"\x89PNG"
    assert follow.following()({"href": f"{site}/untyped", "type": "application/json"}) == {"a": 1}
    assert follow.following()({"href": f"{site}/point", "type": "text/plain"}).startswith(
        "{"
    )  # the link's own comes first
    assert {one["Host"] for one in Handler.seen} == {site.removeprefix("http://")}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("bad", "no application/json"),
        ("deep", "no application/json"),
        ("huge", "no application/json"),
        ("nan", "no application/json"),
        ("latin", "no text/plain"),
        ("gone", "status 404"),
        ("moved", "status 302"),  # which would lead past the check of the address
        ("endless", "bytes"),
        ("slow", "no answer"),
    ],
)
def test_what_can_not_be_taken_is_told(
    site: str, follow: References, monkeypatch: pytest.MonkeyPatch, path: str, told: str
) -> None:
    monkeypatch.setattr(references, "SECONDS", 2.0)
    with pytest.raises(NotFetched, match=told):
        follow.following()({"href": f"{site}/{path}"})


@pytest.mark.parametrize("href", ["file:///etc/passwd", "ftp://a/b", "http://user@localhost/", "", "http://[::1]/"])
def test_what_is_no_public_address_is_not_asked(site: str, href: str) -> None:
    with pytest.raises(NotFetched):
        References(Addresses()).following()({"href": href})
    with pytest.raises(NotFetched, match="not public"):
        References(Addresses()).following()({"href": f"{site}/text"})
    assert Handler.seen == []


def test_links_of_a_request_have_limits_together(
    site: str, follow: References, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = follow.following()
    for _ in range(references.MOST_LINKS):
        one({"href": f"{site}/text"})
    with pytest.raises(NotFetched, match="20 links"):
        one({"href": f"{site}/text"})
    assert len(Handler.seen) == references.MOST_LINKS
    monkeypatch.setattr(references, "MOST_BYTES", 5)
    one = follow.following()
    assert [one({"href": f"{site}/text"}) for _ in range(2)] == ["ö", "ö"]
    with pytest.raises(NotFetched, match="5 bytes"):
        one({"href": f"{site}/text"})
    monkeypatch.setattr(references, "SECONDS", 0.0)
    with pytest.raises(NotFetched, match="may take 0 s"):
        follow.following()({"href": f"{site}/text"})
