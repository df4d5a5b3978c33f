"""An HTTP server of files that waits before each answer, as storage far away does, and counts what it is asked for.

    with slow_server(folder) as server:
        server.url                  files are below
        server.counts()             since the last call

It is a process of its own, though on the same cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

import httpx

from server.bench.cube.blocks import first_pixels
from server.bench.cube.cases import LATENCY

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
COUNTS = "/-/counts"


@dataclass
class Counts:
    """Requests of a run."""

    data: int = 0
    """For pixels."""
    header: int = 0
    """For what lies before the pixels, alone or with some of them."""
    other: int = 0
    """HEAD, whole files, files that are not there."""
    bytes: int = 0
    """Of all bodies."""

    @property
    def requests(self) -> int:
        return self.data + self.header + self.other


@dataclass(frozen=True)
class SlowServer:
    """A server that runs."""

    url: str
    """Ends in a slash."""

    def counts(self) -> Counts:
        """What it was asked for since the last call."""
        return Counts(**httpx.get(self.url.rstrip("/") + COUNTS, timeout=30).raise_for_status().json())


@contextmanager
def slow_server(folder: Path, start: ForkServerContext) -> Iterator[SlowServer]:
    """Serve the images of a folder on a free port of loopback, while the context lasts."""
    here, there = start.Pipe()
    process = start.Process(target=_serve, args=(folder, there), daemon=True)
    process.start()
    there.close()
    try:
        yield SlowServer(f"http://127.0.0.1:{here.recv()}/")
    finally:
        process.terminate()
        process.join()


def _serve(folder: Path, told: Connection) -> None:
    asyncio.run(_Files(folder).serve(told))


class _Files:
    def __init__(self, folder: Path) -> None:
        self._files = {
            f"/{path.relative_to(folder)}": (os.open(path, os.O_RDONLY), path.stat().st_size, first_pixels(path))
            for path in folder.rglob("*.tif")
        }
        self._counts = Counts()

    async def serve(self, told: Connection) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0, backlog=1000)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        if path == COUNTS:
            told, self._counts = self._counts, Counts()
            _send(writer, 200, json.dumps(asdict(told)).encode(), {"Content-Type": "application/json"})
            return
        asked = next((line.partition(":")[2].strip() for line in lines if line.lower().startswith("range:")), "")
        await asyncio.sleep(LATENCY)
        file = self._files.get(path)
        if file is None:
            self._counts.other += 1
            _send(writer, 404, b"", {})
            return
        handle, size, pixels = file
        common = {"Content-Type": "image/tiff", "Accept-Ranges": "bytes", "ETag": f'"{size}"'}
        part = _part(asked, size)
        if method == "HEAD":
            self._counts.other += 1
            _send(writer, 200, b"", {**common, "Content-Length": str(size)})
            return
        if part is None:
            self._counts.other += 1
            status, start, stop = 200, 0, size
        else:
            status, (start, stop) = 206, part
            common["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            if start < pixels:
                self._counts.header += 1
            else:
                self._counts.data += 1
        self._counts.bytes += stop - start
        _send(writer, status, os.pread(handle, stop - start, start), common)
        await writer.drain()


def _part(asked: str, size: int) -> tuple[int, int] | None:
    """[start, stop) of a Range header (RFC 9110, 14.1.2); None for none, and for those that are not served."""
    found = _RANGE.fullmatch(asked)
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    start, stop = int(first), min(size, int(last) + 1 if last else size)
    return (start, stop) if start < stop else None


def _send(writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str]) -> None:
    headers = {"Content-Length": str(len(body)), "Connection": "keep-alive", **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} {_REASONS[status]}\r\n{lines}\r\n".encode() + body)


_REASONS = {200: "OK", 206: "Partial Content", 404: "Not Found"}
