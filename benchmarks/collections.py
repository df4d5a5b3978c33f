"""What 1,000 collections cost a worker: their list, the landing page, its start; beside stock pygeoapi's coverages.

CPU time of the worker process itself, as the kernel counts it, over real sockets: on a shared machine it says more than
wall time does. Both sides have one worker, and files of one image behind every collection.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.http import ROOT, stock_coverage
from benchmarks.timing import Result
from config.settings import Settings
from prismcube.catalogue import Catalogue

NUMBER = 1_000
PEER = "stock pygeoapi 0.24"
MODEL = "s2-romania"
"""The collection of the demo that all are copies of."""
ASKED = (
    ("/collections as JSON", "/collections", {"f": "json"}),
    ("/collections as HTML", "/collections", {"f": "html"}),
    ("landing page as HTML", "/", {"f": "html"}),
)


def results(settings: Settings, data: Path, *, runs: int) -> list[Result]:
    """CPU seconds of a worker for each request of `ASKED`, and for its start."""
    home = settings.home
    fill(settings)
    with _ours(home) as server:
        ours = [server.cpu_of_start, *(server.cpu(path, query, runs=runs * 4) for _, path, query in ASKED)]
    with _stock(home, next((data / "s2-romania-2015-2021").glob("*.tif"))) as server:
        theirs = [server.cpu_of_start, *(server.cpu(path, query, runs=min(runs, 3)) for _, path, query in ASKED)]
    names = ("start of a worker", *(name for name, _, _ in ASKED))
    return [
        Result(f"CPU of {name}, {NUMBER:,} collections", PEER, mine, other, runs)
        for name, mine, other in zip(names, ours, theirs, strict=True)
    ]


def fill(settings: Settings) -> None:
    """Give the demo's catalogue copies of a collection, until it has `NUMBER`."""
    catalogue = Catalogue(settings.catalogue_url)
    model = catalogue.collections.get(MODEL)
    with catalogue.transaction() as unit:
        for at in range(NUMBER - len(catalogue.collections.list(limit=NUMBER))):
            unit.collections.put(replace(model, name=f"copy-{at:04}", title=f"Copy {at}", id=None))


@dataclass(frozen=True)
class Worker:
    """A worker that answers."""

    url: str
    pid: int
    cpu_of_start: float
    """Seconds of CPU until it was ready."""

    def cpu(self, path: str, query: dict[str, str], *, runs: int) -> float:
        """Seconds of CPU for one request, the mean of some after one more."""
        with httpx.Client(base_url=self.url, timeout=120) as client:
            client.get(path, params=query).raise_for_status()
            before = _cpu(self.pid)
            for _ in range(runs):
                client.get(path, params=query).raise_for_status()
            return (_cpu(self.pid) - before) / runs


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _ours(home: Path) -> Iterator[Worker]:
    words = [sys.executable, "-m", "server.cli", "serve", "--home", str(home), "--workers", "1"]
    with _running([*words, "--port", "{port}"], ready="/readyz", environment={}) as worker:
        yield worker


@contextmanager
def _stock(home: Path, image: Path) -> Iterator[Worker]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "pygeoapi-config.yml").read_text())
    config.pop("prismcube", None)
    config["resources"] = {f"copy-{at:04}": stock_coverage(image) for at in range(NUMBER)}
    config["server"]["url"] = "http://127.0.0.1"
    (home / "stock.yml").write_text(yaml.safe_dump(config))
    (home / "stock.json").write_text("{}")  # making the document would take it half a minute more
    environment = {"PYGEOAPI_CONFIG": str(home / "stock.yml"), "PYGEOAPI_OPENAPI": str(home / "stock.json")}
    gunicorn = shutil.which("gunicorn", path=str(Path(sys.executable).parent)) or "gunicorn"
    words = [gunicorn, "--workers", "1", "--timeout", "600", "--bind", "127.0.0.1:{port}", "pygeoapi.flask_app:APP"]
    with _running(words, ready="/conformance?f=json", environment=environment) as worker:
        yield worker


@contextmanager
def _running(words: list[str], *, ready: str, environment: dict[str, str]) -> Iterator[Worker]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [word.format(port=port) for word in words]
    url = f"http://127.0.0.1:{port}"
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=ROOT, env={**os.environ, **environment}) as master:
        try:
            _wait(url + ready)
            [pid, *_] = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
            yield Worker(url, int(pid), _cpu(int(pid)))
        finally:
            master.terminate()


def _wait(url: str) -> None:
    for _ in range(3000):
        try:
            if httpx.get(url, timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(url)
