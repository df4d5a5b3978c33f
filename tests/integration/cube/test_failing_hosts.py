"""A host that fails for one file costs the steps of that file alone, by the fast way and by GDAL; nothing hangs."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.cube.engine import Engine, EngineSettings
from prismcube.cube.gate import never
from prismcube.cube.observer import NOBODY
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.formats import DataFormat
from prismcube.storage import buckets
from prismcube.storage.store import read_range, stat
from prismcube.tiff.layout import Header
from prismcube.tiff.parse import read_layout
from tests.integration.cube.conftest import Scenes

HERE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
U16 = DataFormat(dtype="uint16", nodata=0)
CAUSES = {
    "500": ("its host fails", "its server answers with status 500"),
    "short": ("its host fails", "its server sent bytes"),
    "silent": ("its host does not answer", "can't be reached"),
    "dropped": ("its host does not answer", "can't be reached"),
    "replaced": ("it was replaced since it was indexed", "was replaced"),
    "damaged": ("it is truncated", "is truncated"),
}
"""What goes wrong, and what the answer and the log say of it."""


class Host:
    """Serves a folder by ranges; `faults` says what is wrong with a file once all headers have been read."""

    def __init__(self, folder: Path) -> None:
        self.faults: dict[str, str] = {}
        self._over = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(folder))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, folder: Path) -> type[http.server.BaseHTTPRequestHandler]:
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = folder / self.path.lstrip("/")
                if not path.is_file():
                    self._send(404, b"")
                    return
                data, fault = path.read_bytes(), host.faults.get(path.name, "")
                first, last = 0, len(data) - 1
                if asked := self.headers.get("Range"):
                    start, _, stop = asked.removeprefix("bytes=").partition("-")
                    first, last = int(start), min(int(stop or last), last)
                part = data[first : last + 1]
                if fault in ("silent", "dropped"):
                    host._over.wait(60 if fault == "silent" else 0)
                    self.close_connection = True
                elif fault == "500":
                    self._send(500, b"oops")
                else:
                    if fault == "short":
                        part = part[: len(part) // 2]
                    told = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
                    self._send(206 if asked else 200, part, {"Content-Range": told} if asked else {}, path)

            def _send(
                self, status: int, data: bytes, more: dict[str, str] | None = None, path: Path | None = None
            ) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in (more or {}).items():
                    self.send_header(name, value)
                if path:
                    self.send_header("ETag", f'"{path.stat().st_size}-{path.stat().st_mtime_ns}"')
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data)

        return Handler


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setitem(buckets.CLIENT, "read_timeout", "300ms")
    buckets.forget()
    host = Host(tmp_path)
    yield host
    host.close()
    buckets.forget()


def run(scenes: Scenes, **asked: Any) -> list[Slice]:
    """The slices, by an engine that keeps no block of an earlier test."""
    plan, engine = scenes.plan({"v": U16}, **asked), Engine(EngineSettings(threads=2))
    jobs = ((plan, index) for index in range(len(plan.slices)))
    return list(engine.run(jobs, at_once=plan.at_once, keep=False, stop=never, observer=NOBODY))


def publish(scenes: Scenes, host: Host, path: Path, day: int) -> None:
    """Register a file as it is seen over HTTP."""
    scenes.add(path, day=day)
    uri = f"{host.url}/{path.name}"
    status = stat(uri)
    scenes.datasets[-1] = replace(scenes.datasets[-1], uri=uri, etag=status.etag)
    scenes.headers[uri, ""] = Header(layout=read_layout(partial(read_range, uri), size=status.size), etag=status.etag)


def break_file(path: Path, host: Host, how: str, scenes: Scenes) -> None:
    if how == "replaced":
        with rasterio.open(path, "w", driver="GTiff", width=9, height=9, count=1, dtype="float32", crs="EPSG:32632",
                           transform=HERE) as file:  # fmt: skip
            file.write(np.ones((1, 9, 9), "float32"))
    elif how == "damaged":  # where blocks are told to lie is beyond the file's end
        uri = f"{host.url}/{path.name}"
        header = scenes.headers[uri, ""]
        assert header.layout is not None
        level = header.layout.levels[0]
        wrong = replace(header.layout, levels=(replace(level, offsets=level.offsets + np.uint64(10**9)),))
        scenes.headers[uri, ""] = replace(header, layout=wrong)
    else:
        host.faults[path.name] = how


@pytest.mark.parametrize("how", CAUSES)
def test_one_file_that_fails_costs_its_own_step(
    scenes_in: Callable[[Path], Scenes], tmp_path: Path, host: Host, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    scenes = scenes_in(tmp_path)
    if how == "damaged" and not scenes.by_layout:
        return  # GDAL has no layouts that could be wrong
    pixels = np.random.default_rng(1).integers(1, 60_000, (3, 300, 300)).astype(np.uint16)
    paths = [scenes.write(pixels[day], transform=HERE) for day in range(3)]
    for day, path in enumerate(paths):
        publish(scenes, host, path, day)
    break_file(paths[1], host, how, scenes)
    for shift in (0, 0.4):  # copied, resampled
        caplog.clear()
        grid = scenes.datasets[0].grid
        grid = replace(grid, transform=grid.transform @ Affine.translation(shift, shift))
        slices = run(scenes, grid=grid)
        assert [one.status for one in slices] == [SliceStatus.OK, SliceStatus.FAILED, SliceStatus.OK]
        assert slices[1].message == f"{paths[1].name} could not be read: {CAUSES[how][0]}"
        assert not slices[1].valid[0].any()
        assert not slices[1].data[0].any()
        [told] = {one.getMessage() for one in caplog.records if one.name.startswith("prismcube.cube")}
        assert paths[1].name in told
        assert CAUSES[how][1] in told
        if shift == 0:
            assert np.array_equal(slices[0].data[0], pixels[0])
            assert np.array_equal(slices[2].data[0], pixels[2])
    [one] = run(scenes, group="all", mosaic="median")
    assert one.status is SliceStatus.PARTIAL
    assert np.array_equal(one.data[0], np.median(pixels[[0, 2]].astype(float), axis=0))
