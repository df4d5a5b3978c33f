"""A web server of files on the loopback, that counts what it is asked for and fails as it is told."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

DRIP = 0.05
"""Seconds between two bytes of an answer that drips."""


class Web:
    """Serves a folder; `log` has a line `method path?query range` for each request."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[str] = []
        self.answer: Callable[[str, str], int | None] = lambda method, path: None
        """A status in place of the file; negative: the connection is dropped."""
        self.faults: dict[str, str] = {}
        """By name of a file: `500`, `dropped`, `silent`, `short` (half of the part), `drip` (byte by byte), `loop`."""
        self.ranges = True
        self.etags = True
        self._over = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._over.set()
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
                fault = web.faults.get(path.name, "")
                if (status is not None and status < 0) or fault in ("dropped", "silent"):
                    web._over.wait(60 if fault == "silent" else 0)
                    self.close_connection = True
                elif fault == "loop":
                    self._send(302, b"", Location=self.path)
                elif status is not None or fault == "500" or not path.is_file():
                    self._send(status or (500 if fault else 404), b"")
                else:
                    self._send_file(path, asked or "", fault)

            def _send_file(self, path: Path, asked: str, fault: str) -> None:
                data = path.read_bytes()
                if match := re.fullmatch(r"bytes=(\d+)-(\d*)", asked) if web.ranges else None:
                    start, stop = int(match[1]), int(match[2] or len(data) - 1) + 1
                    if start >= len(data):
                        self._send(416, b"", **{"Content-Range": f"bytes */{len(data)}"})
                        return
                    part = data[start:stop]
                    if fault == "short":
                        part = part[: len(part) // 2]
                    told = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
                    version = self._version(path)
                    self._send(206, part, slowly=fault == "drip", **version, **{"Content-Range": told})
                else:
                    self._send(200, data, slowly=fault == "drip", **self._version(path))

            def _version(self, path: Path) -> dict[str, str]:
                status = path.stat()
                modified = self.date_time_string(int(status.st_mtime))
                etag = {"ETag": f'"{status.st_size:x}-{status.st_mtime_ns:x}"'} if web.etags else {}
                return {"Last-Modified": modified, **etag}

            def _send(self, status: int, data: bytes, *, slowly: bool = False, **headers: str) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "GET":
                    return
                if not slowly:
                    self.wfile.write(data)
                    return
                for at in range(len(data)):
                    if web._over.wait(DRIP):
                        break
                    try:
                        self.wfile.write(data[at : at + 1])
                    except OSError:  # nobody waits any more
                        break
                self.close_connection = True

        return Handler
