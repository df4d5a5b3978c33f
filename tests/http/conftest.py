"""A running demo: the real command on a real socket, with two workers, for the whole session."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
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

from prismcube.catalogue import Catalogue
from prismcube.model.access import Scope
from tests import commands
from tests.http.job_client import Jobs
from tests.http.server import ALIVE, ROOT, Demo, free_port, running

HERE = Path(__file__).resolve().parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Servers of the session end with the last of these tests: idle, a run's take gigabytes, and a third of a core."""
    yield
    if nextitem is None or _is_here(nextitem) or not _in_order(item.config):
        return
    items = item.session.items
    if not any(map(_is_here, items[items.index(nextitem) :])):
        while ALIVE:
            ALIVE[-1].stop()


def _in_order(config: pytest.Config) -> bool:
    """Whether each process runs its tests in the order in which they were collected; `make test` asks for that."""
    return not hasattr(config, "workerinput") or not config.getoption("loadscopereorder", True)


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
    with running(home, free_port(), "demo") as server:
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
    with running(home, free_port(), "demo", JOBS__RUN="true", JOBS__PROCESSES="2", JOBS__CALLBACKS=own) as server:
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


@pytest.fixture(scope="session")
def start() -> Callable[..., running]:
    """Starts another server: `with start(home, "serve", "--workers", "2", SERVE__THREADS="1") as server`."""

    def begin(home: Path, verb: str, *arguments: str, **more: Any) -> running:
        home.mkdir(parents=True, exist_ok=True)
        return running(home, free_port(), verb, *arguments, **more)

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
    with running(home, free_port(), "serve", "--config", str(path), "--workers", "2", JOBS__RUN="true") as server:
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
