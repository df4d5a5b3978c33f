"""Stores on the loopback: an HTTP server that counts, and S3."""

from __future__ import annotations

import http.server
import os
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from prismcube.storage import buckets


class Web:
    """Serves a folder; `log` has a line `method path?query range` for each request."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[str] = []
        self.answer: Callable[[str, str], int | None] = lambda method, path: None
        """A status in place of the file; negative: the connection is dropped."""
        self.ranges = True
        self.etags = True
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                web.log.append(" ".join(filter(None, (self.command, self.path, asked))))
                status = web.answer(self.command, self.path)
                path = web.root / unquote(self.path.partition("?")[0].lstrip("/"))
                if status is not None and status < 0:
                    self.close_connection = True
                    return
                if status is not None or not path.is_file():
                    self._send(status or 404, b"")
                    return
                data = path.read_bytes()
                if match := re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "") if web.ranges else None:
                    start, stop = int(match[1]), int(match[2] or len(data) - 1) + 1
                    if start >= len(data):
                        self._send(416, b"", **{"Content-Range": f"bytes */{len(data)}"})
                        return
                    part = data[start:stop]
                    told = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
                    self._send(206, part, **self._version(path), **{"Content-Range": told})
                else:
                    self._send(200, data, **self._version(path))

            def _version(self, path: Path) -> dict[str, str]:
                status = path.stat()
                modified = self.date_time_string(int(status.st_mtime))
                etag = {"ETag": f'"{status.st_size:x}-{status.st_mtime_ns:x}"'} if web.etags else {}
                return {"Last-Modified": modified, **etag}

            def _send(self, status: int, data: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

        return Handler


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A server of `tmp_path / "web"`."""
    root = tmp_path / "web"
    root.mkdir()
    web = Web(root)
    yield web
    web.close()
    buckets.forget()


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """An S3 server, shared by the tests of a module."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of boto3 to make buckets with; the environment leads our own stores to the same server."""
    import boto3

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "ACCESS_KEY_ID": "id",
        "SECRET_ACCESS_KEY": "SECRET",
        "REGION": "us-east-1",
        "ENDPOINT_URL": s3_endpoint,
        "ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    buckets.forget()
    client = boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1")
    with urllib.request.urlopen(urllib.request.Request(f"{s3_endpoint}/moto-api/reset", method="POST")):
        pass  # buckets of the test before
    client.create_bucket(Bucket="images")
    yield client
    client.close()
    buckets.forget()
