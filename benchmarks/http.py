"""A window over HTTP, by us and by stock pygeoapi's rasterio provider: both in the same server process."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import rasterio
import yaml

from benchmarks.timing import Contest

ROOT = Path(__file__).resolve().parent.parent
WINDOW = (-54.75, -25.30, -54.65, -25.22)
SCENE = "LC08_L1TP_224077_20200518"


@contextmanager
def contests(home: Path, data: Path) -> Iterator[list[Contest]]:
    """The contests, while their server runs."""
    scene = next((data / "l8-paraguay-2020").glob("*224077*_B4.tif"))
    config = yaml.safe_load((ROOT / "pygeoapi-config.yml").read_text())
    config["resources"] = {"stock": stock_coverage(scene)}
    path = home / "bench-config.yml"
    path.write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["serve", "--config", str(path), "--home", str(home), "--port", str(port), "--workers", "1"]
    with subprocess.Popen([sys.executable, "-m", "server.cli", *words], stdout=subprocess.DEVNULL) as server:
        try:
            yield [_window(f"http://127.0.0.1:{port}")]
        finally:
            server.terminate()


def _window(url: str) -> Contest:
    client = httpx.Client(base_url=url, timeout=60)
    for _ in range(600):
        try:
            client.get("/readyz").raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    box = ",".join(map(str, WINDOW))
    ours = {"properties": "B4", "group": SCENE, "bbox": box}
    return Contest(
        "window of 343x303 as GeoTIFF over HTTP",
        "stock pygeoapi 0.24",
        lambda: _get(client, "/collections/l8-paraguay/coverage", ours),
        lambda: _get(client, "/collections/stock/coverage", {"bbox": box, "f": "GTiff"}),
        _same_pixels,
    )


def _get(client: httpx.Client, path: str, params: dict[str, str]) -> bytes:
    return client.get(path, params=params).raise_for_status().content


def _same_pixels(ours: bytes, theirs: bytes) -> bool:
    """True when the inner parts agree; stock answers are a pixel larger or smaller at the edges."""
    with rasterio.MemoryFile(ours) as a, a.open() as one, rasterio.MemoryFile(theirs) as b, b.open() as other:
        x, y = one.xy(150, 170)
        window = one.read(1)[150:200, 170:220]
        row, col = other.index(x, y)
        return bool((window == other.read(1)[row : row + 50, col : col + 50]).all())


def stock_coverage(path: Path) -> dict[str, Any]:
    return {
        "type": "collection",
        "title": "stock",
        "description": "stock",
        "keywords": ["stock"],
        "links": [],
        "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
        "providers": [
            {
                "type": "coverage",
                "name": "rasterio",
                "data": str(path),
                "format": {"name": "GTiff", "mimetype": "application/image+tiff"},
            }
        ],
    }
