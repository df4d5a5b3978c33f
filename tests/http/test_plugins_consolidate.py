"""All of our processes in an unmodified pygeoapi, and a consolidation that runs there to its end.

pygeoapi escapes `<` and `>` in all JSON that it writes, as if it were a page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import rasterio

from prismcube.catalogue import Catalogue
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.model.entities import DatasetStatus
from prismcube.model.layout import Layout, grid_from_json
from prismcube.storage.uri import gdal_path
from providers.ogc.answer import Request
from providers.ogc.processes import descriptions
from server.cli.tour import LAYOUT
from server.jobs.registry import PROCESSES
from server.plugins import Place
from tests import commands
from tests.http.stock import SERVER, Stock, ended, run, started, working

DATES = ("20150801", "20150811", "20150831")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, demo_data: Path) -> Path:
    """Of a catalogue with three dates of the demo, and the layout of its tour."""
    home = tmp_path_factory.mktemp("home")
    files = [demo_data / "s2-romania-2015-2021" / f"S2_{date}.tif" for date in DATES]
    mapping = demo_data.parent / "s2-romania.yml"
    commands.run("index", "--home", home, "--mapping", mapping, *files).check_returncode()
    with_layout = Catalogue(f"sqlite:///{home}/catalogue.sqlite")
    with_layout.layouts.put(Layout(**{**LAYOUT, "grid": grid_from_json(LAYOUT["grid"])}))
    with_layout.close()
    return home


@pytest.fixture(scope="module")
def stock(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    manager = {"name": "server.plugins.JobManager", "connection": {"home": str(home)}}
    resources = {
        id: {
            "type": "process",
            "processor": {"name": "server.plugins.Processor", "process": id, "home": str(home)},
        }
        for id in PROCESSES
    }
    config = {**SERVER, "server": {**SERVER["server"], "manager": manager}, "resources": resources}
    with started(tmp_path_factory.mktemp("pygeoapi"), config, config) as url:
        yield Stock(url)


def test_every_process_is_listed_and_described(stock: Stock, home: Path) -> None:
    listed = stock.json("/processes")["processes"]
    assert sorted(one["id"] for one in listed) == sorted(PROCESSES)
    paths = stock.json("/openapi")["paths"]
    context = Place(home=str(home)).context()
    for id in PROCESSES:
        ours = descriptions.process(context, Request(), id)
        theirs = json.loads(stock.ok(f"/processes/{id}", f="json").text.replace("&lt;", "<").replace("&gt;", ">"))
        for name in ("id", "version", "title", "description", "keywords", "inputs", "outputs", "jobControlOptions"):
            assert theirs[name] == ours[name], (id, name)
        page = httpx.get(f"{stock.url}/processes/{id}", headers={"Accept": "text/html"}, timeout=60)
        assert page.status_code == 200, id
        assert f"/processes/{id}/execution" in paths


def test_a_consolidation_runs_to_its_end(stock: Stock, home: Path, demo_data: Path) -> None:
    inputs = {"collection": "s2-romania", "layout": LAYOUT["name"]}
    with working(home):
        answer = run(stock, "consolidate", inputs, prefer="respond-async")
        assert answer.status_code == 201, answer.text
        id = answer.json()["jobID"]
        document = ended(stock, id)
    assert (document["status"], document["processID"]) == ("successful", "consolidate"), document
    results = stock.json(f"/jobs/{id}/results")
    assert (results["files"], results["datasets"], results["replaced"]) == (2, 6, 6)
    assert len([*(home / "storage").rglob("*.tif")]) == 2
    catalogue = Catalogue(f"sqlite:///{home}/catalogue.sqlite")
    for one in catalogue.datasets.list(DatasetFilter(status=DatasetStatus.ACTIVE), limit=100):
        source = demo_data / "s2-romania-2015-2021" / f"S2_{one.time:%Y%m%d}.tif"
        bands = [5] if len(one.bands) == 1 else [1, 2, 3, 4]
        with rasterio.open(f"{one.subdir}:{gdal_path(one.uri)}") as written, rasterio.open(source) as read:
            window = written.window(*read.bounds).round_offsets().round_lengths()
            np.testing.assert_array_equal(written.read(window=window), read.read(bands))
    catalogue.close()
