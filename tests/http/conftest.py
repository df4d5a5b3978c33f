"""A running demo: the real command on a real socket, with two workers, for the whole session."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import rasterio
import yaml
from httpx._config import DEFAULT_TIMEOUT_CONFIG

from prismcube.catalogue import Catalogue
from prismcube.model.access import Scope
from tests import commands
from tests.http.job_client import Jobs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KERNELS = Path(os.environ["NUMBA_CACHE_DIR"])  # as tests/conftest.py has said
"""All servers share what one of them has compiled; it stays for the next run."""
START_SECONDS = 600  # a bound for hanging, not a measure: shared machines are slow
for name in ("connect", "read", "write", "pool"):  # and stand still for longer than the 5 s that httpx waits
    setattr(DEFAULT_TIMEOUT_CONFIG, name, 120)


def wait_for(what: Callable[[], Any]) -> Any:
    """What it gives, once that is something."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Demo:
    """The server of `prismcube demo`."""

    url: str
    pid: int
    home: Path
    output: Path
    """What the command printed."""

    def get(self, path: str, /, **params: Any) -> httpx.Response:
        """GET with `_` in parameter names standing for `-`."""
        query = {name.replace("_", "-"): value for name, value in params.items() if value is not None}
        return httpx.get(self.url + path, params=query or None, timeout=120)  # {} would drop the path's own

    def workers(self) -> list[int]:
        """Process ids of gunicorn's workers: all children but the process that executes jobs and the demo's client."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        others = (b"--with-parent", b"server.cli.tour")
        commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        return [pid for pid, command in commands.items() if not any(other in command for other in others)]

    def ok(self, path: str, /, **params: Any) -> httpx.Response:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer

    def json(self, path: str, /, **params: Any) -> Any:
        return self.ok(path, **params).json()

    def tiff(self, path: str, /, **params: Any) -> Tiff:
        return Tiff(self.ok(path, **params).content)

    def metrics(self, start: str = "") -> dict[str, float]:
        """The numbers of `/metrics` whose names, with their labels, begin so."""
        lines = [line for line in self.ok("/metrics").text.splitlines() if not line.startswith("#")]
        pairs = (line.rpartition(" ") for line in lines if line.startswith(start))
        return {name: float(value) for name, _, value in pairs}

    def refused(self, path: str, /, status: int = 400, **params: Any) -> dict[str, Any]:
        """The problem document of a request that must be refused."""
        answer = self.get(path, **params)
        assert answer.status_code == status, (answer.status_code, answer.text[:300])
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["title"]
        return problem


class Tiff:
    """A GeoTIFF answer, read by rasterio."""

    def __init__(self, content: bytes) -> None:
        with rasterio.MemoryFile(content) as memory, memory.open() as file:
            self.data = file.read()
            self.crs = file.crs
            self.transform = file.transform
            self.nodata = file.nodata
            self.descriptions = file.descriptions
            self.tags = [file.tags(band) for band in file.indexes]

    @property
    def shape(self) -> tuple[int, int]:
        return self.data.shape[1:]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Servers of the session end with the last of these tests: idle, a run's take gigabytes, and a third of a core."""
    yield
    if nextitem is None or _is_here(nextitem):
        return
    items = item.session.items
    if not any(map(_is_here, items[items.index(nextitem) :])):
        while _alive:
            _alive[-1].stop()


def _is_here(item: pytest.Item) -> bool:
    return HERE in item.path.parents


@pytest.fixture(scope="module", autouse=True)
def certificates_are_read_once() -> Iterator[None]:
    """httpx reads all certificates anew for each request outside a client, which takes longer than our answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("home")
    with running(home, _port(), "demo") as server:
        yield server


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server of files: its address, and their folder."""
    folder = tmp_path_factory.mktemp("site")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def executing(tmp_path_factory: pytest.TempPathFactory, site: tuple[str, Path]) -> Iterator[Demo]:
    """Another one, which executes jobs too; their inputs may come from `site`."""
    home = tmp_path_factory.mktemp("executing")
    own = json.dumps([site[0].removeprefix("http://")])
    with running(home, _port(), "demo", JOBS__RUN="true", JOBS__PROCESSES="2", JOBS__CALLBACKS=own) as server:
        with closing(Jobs(server.url)) as one:  # what executes is loaded then: no test has to wait for that
            first = one.submit({"stringInput": "first"})
            one.wait(first)
            one.client.delete(f"/jobs/{first}").raise_for_status()
        yield server


@pytest.fixture(scope="session")
def jobs(executing: Demo) -> Iterator[Jobs]:
    """A caller of `executing`."""
    with closing(Jobs(executing.url)) as one:
        yield one


def _port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class running:
    """`prismcube VERB --home HOME --port PORT` until the block ends; stopped by its pid.

    `settings` are for this server alone, as their environment variables without `PRISMCUBE_`: a variable of the
    tests' own environment would also be one of each server that another test happens to start meanwhile. Jobs are
    executed only where `JOBS__RUN="true"` is given: most tests need no further processes.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        verb: str,
        *arguments: str,
        wait: str = "/readyz",
        kernels: Path = KERNELS,
        **settings: str,
    ) -> None:
        own = {f"PRISMCUBE_{name}": value for name, value in {"JOBS__RUN": "false", **settings}.items()}
        self._environment = {**os.environ, "NUMBA_CACHE_DIR": str(kernels), **own}
        self._command = [sys.executable, "-m", "server.cli", verb, "--home", str(home), "--port", str(port), *arguments]
        self._url = f"http://127.0.0.1:{port}"
        self._wait = wait
        self._home = home
        self._output = home / "output.txt"
        if self._output.exists():  # of another server with the same home
            self._output = home / f"output-{port}.txt"

    def __enter__(self) -> Demo:
        self._file = self._output.open("w")
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=self._file, stderr=subprocess.STDOUT, env=self._environment
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"the server ended with {self.process.returncode}:\n{self._output.read_text()}")
            try:
                if httpx.get(self._url + self._wait, timeout=10).status_code == 200:
                    _alive.append(self)
                    return Demo(self._url, self.process.pid, self._home, self._output)
            except httpx.TransportError:
                time.sleep(0.1)
        self.process.kill()
        pytest.fail(f"the server did not answer:\n{self._output.read_text()}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Also when it is stopped already."""
        if self in _alive:
            _alive.remove(self)
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._file.close()


_alive: list[running] = []
"""Those that answer, and have not been stopped."""


@pytest.fixture(scope="session")
def start() -> Callable[..., running]:
    """Starts another server: `with start(home, "serve", "--workers", "2", SERVE__THREADS="1") as server`."""

    def begin(home: Path, verb: str, *arguments: str, **more: Any) -> running:
        home.mkdir(parents=True, exist_ok=True)
        return running(home, _port(), verb, *arguments, **more)

    return begin


@pytest.fixture(scope="session")
def romania(demo_data: Path) -> dict[str, Any]:
    """The published figures of the Sentinel-2 set."""
    return json.loads((demo_data / "s2-romania-2015-2021" / "expected.json").read_text())


@pytest.fixture(scope="session")
def romania_files(demo_data: Path) -> list[Path]:
    return sorted((demo_data / "s2-romania-2015-2021").glob("*.tif"))


@pytest.fixture(scope="session")
def paraguay_files(demo_data: Path) -> dict[tuple[str, str], Path]:
    """(row, band) -> file"""
    files = (demo_data / "l8-paraguay-2020").glob("*.tif")
    return {(file.name[13:16], file.stem[-2:]): file for file in files}


@pytest.fixture(scope="session")
def read_png() -> Callable[[bytes], np.ndarray]:
    """A PNG as (bands, height, width)."""

    def read(content: bytes) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.MemoryFile(content) as memory, memory.open(driver="PNG") as file:
                return file.read()

    return read


@dataclass(frozen=True)
class Guarded(Demo):
    """A server with the demo's data that asks for keys: l8-paraguay is open to all, s2-romania to a group."""

    keys: dict[str, str]
    """Their texts by name."""

    def run(self, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """A command on the same catalogue."""
        environment = {**os.environ, "PRISMCUBE_CONFIG": str(self.home / "config.yml")}
        ended = commands.run(*arguments, "--home", self.home, env=environment)
        assert ended.returncode == status, ended.stderr
        return ended


GUARDED_RULES = [
    {"collections": "l8-*", "read": ["everyone"], "write": ["group:editors"]},
    {"collections": "s2-*", "read": ["group:foresters"]},
    {"collections": "lakes-open", "read": ["everyone"]},
    {"collections": "lakes*", "read": ["group:foresters"]},
]
GUARDED_KEYS = {
    "reader": ("read", ()),
    "forester": ("read", ("foresters", "hikers")),
    "writer": ("write", ()),
    "keeper": ("write", ("foresters",)),
    "editor": ("write", ("foresters", "editors")),
    "admin": ("admin", ()),
}
"""Scope and groups by name."""


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded")
    config = yaml.safe_load((ROOT / "pygeoapi-config.yml").read_text())
    config["prismcube"]["access"] = {"keys": True, "rules": GUARDED_RULES}
    lake = {"type": "Feature", "id": 1, "properties": {}, "geometry": {"type": "Point", "coordinates": [11, 48]}}
    (home / "lakes.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [lake]}))
    provider = {"type": "feature", "name": "GeoJSON", "data": str(home / "lakes.geojson"), "id_field": "id"}
    texts = {"type": "collection", "title": "Lakes", "description": "Lakes", "keywords": ["lakes"], "links": []}
    extents = {"spatial": {"bbox": [-180, -90, 180, 90]}}
    config["resources"] = {
        name: {**texts, "extents": extents, "providers": [provider]} for name in ("lakes-open", "lakes-hidden")
    }
    path = home / "config.yml"
    path.write_text(yaml.safe_dump(config))
    commands.run("demo", "--prepare-only", "--home", home).check_returncode()
    catalogue = Catalogue(f"sqlite:///{home}/catalogue.sqlite")
    keys = {
        name: catalogue.keys.create(name, scopes=[Scope(scope)], groups=groups)[1]
        for name, (scope, groups) in GUARDED_KEYS.items()
    }
    catalogue.close()
    with running(home, _port(), "serve", "--config", str(path), "--workers", "2", JOBS__RUN="true") as server:
        yield Guarded(server.url, server.pid, home, server.output, keys)


@pytest.fixture(scope="session")
def gdal(missing: Callable[[str], None]) -> Callable[..., str | None]:
    """Runs a program of gdal-bin, with settings of GDAL in its environment: its output, or None when it failed."""

    def run(program: str, *arguments: object, **settings: str) -> str | None:
        if shutil.which(program) is None:
            missing(f"no {program}: install gdal-bin")
        command = [program, *map(str, arguments)]
        known = {**os.environ, **settings}
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=known, check=False)
        if ended.returncode != 0:
            print(ended.stderr)
        return ended.stdout if ended.returncode == 0 else None

    return run


@pytest.fixture(scope="module")
def browser(missing: Callable[[str], None]) -> Iterator[Any]:
    # One a module and not a session: while Playwright runs, no other test of this process can run an event loop.
    from tests.http import chromium  # brings Playwright, which few modules need

    with chromium.started(missing) as browser:
        yield browser


MADE = {
    "palettes": {"name": "one", "points": [{"value": v, "r": 9 * v, "g": 0, "b": 0} for v in (0, 1)]},
    "styles": {"name": "one", "kind": "palette", "palette": "one", "channels": [{"field": "f", "low": 0, "high": 1}]},
    "layouts": {
        "name": "one",
        "grid": {"kind": "regular", "crs": "EPSG:32632", "resolution": 10, "cell_width": 256, "cell_height": 256},
        "max_records": 10,
    },
    "grids": {
        "name": "one",
        "cells": {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"id": "a", "crs": "EPSG:32632"},
                    "geometry": {"type": "Polygon", "coordinates": [[[10, 50], [11, 50], [11, 51], [10, 50]]]},
                }
            ],
        },
    },
}
"""What the demo's catalogue lacks, by kind."""


@pytest.fixture(scope="session")
def lacking() -> dict[str, dict[str, Any]]:
    return MADE


@pytest.fixture(scope="session")
def furnish() -> Callable[[str], list[str]]:
    """Gives a demo one entity of each kind that it lacks: their addresses, to be removed in this order."""

    def post(url: str) -> list[str]:
        made = []
        for kind, document in MADE.items():
            answer = httpx.post(f"{url}/catalogue/{kind}", json=document, timeout=60)
            assert answer.status_code == 201, answer.text
            made.append(answer.headers["location"])
        settings = {"format": {"dtype": "uint8", "minimum": 0, "maximum": 255}}
        assert httpx.put(f"{url}/catalogue/consolidation-params/1", json=settings, timeout=60).status_code == 201
        return [f"{url}/catalogue/consolidation-params/1", *reversed(made)]

    return post
