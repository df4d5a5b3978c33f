"""Plans of one server, executed by others that have no catalogue: the command line, and a downloader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import httpx
import numpy as np
import pytest
import rasterio
import xarray
import yaml
import zarr
from rio_cogeo import cog_validate

from prismcube.cube.plan_document import parse_plan
from prismcube.cube.vetting import vetted
from tests import commands
from tests.http.server import ROOT, Demo, Tiff, running
from tests.web import Web

NDVI = "properties=ndvi&datetime=2020-06/2020-07&bbox=22.13,45.19,22.16,45.21"
MEDIAN = "properties=B4,B8&datetime=2020&group=all&mosaic=median&mask=none&width=90&height=60"
SCENES = "width=300&group=all"
ASKED = [("s2-romania", NDVI), ("s2-romania", MEDIAN), ("l8-paraguay", SCENES)]


@pytest.fixture(scope="module")
def downloader(tmp_path_factory: pytest.TempPathFactory, start: Callable[..., running]) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("downloader")
    with start(home, "serve", "--role", "downloader", "--config", str(configured(home)), "--workers", "1") as server:
        yield server


def configured(home: Path, **more: Any) -> Path:
    config = yaml.safe_load((ROOT / "pygeoapi-config.yml").read_text())
    config["prismcube"] |= {"downloader": {"roots": [str(ROOT / "examples" / "data")]}, **more}
    path = home / "config.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def plan_of(demo: Demo, collection: str, query: str) -> dict[str, Any]:
    return demo.json(f"/collections/{collection}/coverage?{query}&f=plan")


def posted(server: Demo, plan: Any, **headers: str) -> httpx.Response:
    body = plan if isinstance(plan, bytes) else json.dumps(plan).encode()
    headers = {"content-type": "application/json", **headers}
    return httpx.post(f"{server.url}/plans", content=body, headers=headers, timeout=120)


def refusal(server: Demo, plan: Any, status: int, **headers: str) -> str:
    answer = posted(server, plan, **headers)
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def run_plan(*arguments: str, status: int = 0, given: bytes = b"", **environment: str) -> str:
    """What `prismcube run-plan` tells."""
    ended = commands.run("run-plan", *arguments, given=given, env={**os.environ, "COLUMNS": "400", **environment})
    assert ended.returncode == status, ended.stderr
    return ended.stdout + ended.stderr


def same(one: Tiff, other: Tiff) -> bool:
    assert one.data.any()
    for name in ("crs", "transform", "descriptions"):
        assert getattr(one, name) == getattr(other, name)
    assert str(one.nodata) == str(other.nodata)  # NaN differs from itself
    return bool(np.array_equal(one.data, other.data, equal_nan=one.data.dtype.kind == "f"))


@pytest.mark.parametrize(("collection", "query"), ASKED)
def test_plans_make_the_pixels_of_the_coverage(
    demo: Demo, downloader: Demo, tmp_path: Path, collection: str, query: str
) -> None:
    wanted = demo.tiff(f"/collections/{collection}/coverage?{query}")
    plan = plan_of(demo, collection, query)
    answer = posted(downloader, plan)
    assert answer.status_code == 200, answer.text[:300]
    assert answer.headers["content-type"] == "image/tiff; application=geotiff"
    assert answer.headers["cache-control"] == "no-store"
    assert same(Tiff(answer.content), wanted)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    run_plan(str(tmp_path / "plan.json"), "-o", str(tmp_path / "cube.tif"))
    assert same(Tiff((tmp_path / "cube.tif").read_bytes()), wanted)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cube.tif", "plan.json"]


@pytest.mark.parametrize(("collection", "query"), ASKED)
def test_costs_worked_out_anew_are_those_of_the_catalogue(demo: Demo, collection: str, query: str) -> None:
    plan = plan_of(demo, collection, query)
    own = vetted(parse_plan(plan))
    assert own.cost() == plan["cost"]
    assert [one.read_bytes for one in own.steps] == [one.read_bytes for one in parse_plan(plan).steps]
    assert [one.scale for one in own.steps] == [one.scale for one in parse_plan(plan).steps]


def test_run_plan_asks_servers_and_standard_input(demo: Demo, tmp_path: Path) -> None:
    collection, query = ASKED[0]
    wanted = demo.tiff(f"/collections/{collection}/coverage?{query}")
    told = run_plan(f"{demo.url}/collections/{collection}/coverage?{query}&f=plan", "-o", str(tmp_path / "a.tif"))
    assert f"a.tif: {len(wanted.data)} slices" in told
    assert same(Tiff((tmp_path / "a.tif").read_bytes()), wanted)
    given = json.dumps(plan_of(demo, collection, query)).encode()
    run_plan("-", "-o", str(tmp_path / "b.nc"), given=given)
    run_plan("-", "-o", str(tmp_path / "b.zarr.zip"), given=given)
    run_plan("-", "-o", str(tmp_path / "b.tif"), "--format", "cog", given=given)
    with xarray.open_dataset(tmp_path / "b.nc", engine="h5netcdf", mask_and_scale=False) as cube:
        assert np.array_equal(cube.ndvi.values, wanted.data, equal_nan=True)
    with zarr.storage.ZipStore(tmp_path / "b.zarr.zip") as store, xarray.open_zarr(store, mask_and_scale=False) as cube:
        assert np.array_equal(cube.ndvi.values, wanted.data, equal_nan=True)
    with rasterio.open(tmp_path / "b.tif") as cube:
        assert np.array_equal(cube.read(), wanted.data, equal_nan=True)
    assert cog_validate(tmp_path / "b.tif", strict=True) == (True, [], [])


def test_downloads_in_formats(demo: Demo, downloader: Demo, tmp_path: Path) -> None:
    collection, query = ASKED[0]
    wanted, plan = demo.tiff(f"/collections/{collection}/coverage?{query}"), plan_of(demo, collection, query)
    netcdf = posted(downloader, plan, accept="application/netcdf")
    assert netcdf.headers["content-type"] == "application/netcdf"
    assert netcdf.headers["content-disposition"] == 'inline; filename="cube.nc"'
    (tmp_path / "cube.nc").write_bytes(netcdf.content)
    with xarray.open_dataset(tmp_path / "cube.nc", engine="h5netcdf", mask_and_scale=False) as cube:
        assert np.array_equal(cube.ndvi.values, wanted.data, equal_nan=True)
    cog = httpx.post(f"{downloader.url}/plans?f=cog", json=plan, timeout=120)
    assert "profile=cloud-optimized" in cog.headers["content-type"]
    assert np.array_equal(Tiff(cog.content).data, wanted.data, equal_nan=True)
    text = httpx.post(f"{downloader.url}/plans?f=covjson", json=plan, timeout=120).json()
    (values,) = text["ranges"].values()
    found = np.array(values["values"], dtype=float).reshape(wanted.data.shape)
    assert np.array_equal(np.isnan(found), ~np.isfinite(wanted.data) | (wanted.data == wanted.nodata))
    for bad in ("f=png", "f=plan", "g=1"):
        assert httpx.post(f"{downloader.url}/plans?{bad}", json=plan, timeout=60).status_code == 400


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        ("/etc/passwd", "file:///etc/passwd: files of this machine are read below prismcube.downloader.roots only"),
        ("file:///etc/passwd", "file:///etc/passwd: files of this machine"),
        ("file:///proc/self/environ", "files of this machine"),
        (f"file://{ROOT}/examples/data/../../pygeoapi-config.yml", "files of this machine"),
        (f"file://{ROOT}/examples/data%2f..%2f../pygeoapi-config.yml", "files of this machine"),
        ("http://169.254.169.254/latest/meta-data", "hosts without a public address are asked below prismcube.d"),
        ("http://[::ffff:169.254.169.254]/a.tif", "hosts without a public address"),
        ("http://localhost:5000/a.tif", "hosts without a public address"),
        ("http://2130706433/a.tif", "hosts without a public address"),
        ("http://0x7f.1/a.tif", "hosts without a public address"),
        ("http://10.1.2.3/a.tif?sig=hush", "hosts without a public address"),
        ("https://no-such-host.invalid/a.tif", "hosts without a public address"),
        ("s3://somebody/a.tif", "s3://somebody/a.tif: buckets are read below prismcube.downloader.roots only"),
    ],
)
def test_refuses_what_is_not_below_the_roots(demo: Demo, downloader: Demo, uri: str, rule: str) -> None:
    plan = plan_of(demo, *ASKED[0])
    plan["slices"][-1]["layers"][-1]["steps"][-1]["uri"] = uri
    told = refusal(downloader, plan, 403)
    assert rule in told
    assert "hush" not in told


def test_refuses_links_out_of_the_roots(
    demo: Demo, tmp_path: Path, start: Callable[..., running], romania_files: list[Path]
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.tif").symlink_to(romania_files[0])
    (inside / "folder").symlink_to(romania_files[0].parent)
    config = configured(tmp_path, downloader={"roots": [str(inside)]})
    plan = plan_of(demo, *ASKED[0])
    with start(tmp_path / "home", "serve", "--role", "downloader", "--config", str(config), "--workers", "1") as server:
        for name in ("link.tif", f"folder/{romania_files[0].name}"):
            plan["slices"][0]["layers"][0]["steps"][0]["uri"] = f"file://{inside}/{name}"
            assert f"inside/{name}: files of this machine" in refusal(server, plan, 403)


def test_costs_are_not_believed(demo: Demo, tmp_path: Path, start: Callable[..., running]) -> None:
    home = tmp_path / "home"
    plan = plan_of(demo, *ASKED[1])
    for one in plan["slices"]:
        for step in (step for layer in one["layers"] for step in layer["steps"]):
            step["readBytes"] = 0
    plan["cost"] = dict.fromkeys(plan["cost"], 0)
    limits = {
        "read_bytes": 100_000,
        "answer_bytes": 2_000_000,
        "slices": 3,
        "pixels": 10_000_000,
        "body_bytes": 5_000_000,
    }
    config = configured(tmp_path, limits=limits)
    with start(home, "serve", "--role", "downloader", "--config", str(config), "--workers", "1") as server:
        assert "bytes to read" in refusal(server, plan, 413)
        assert "bytes of answer" in refusal(server, plan | {"grid": plan["grid"] | {"width": 2**20}}, 413)
        many = plan | {"slices": plan["slices"] * 4, "grid": plan["grid"] | {"width": 1, "height": 1}}
        assert "time steps" in refusal(server, many, 413)
        assert "at most 5,000,000 bytes" in refusal(server, b" " * 5_000_001, 413)


def test_refuses_what_is_no_plan(demo: Demo, downloader: Demo) -> None:
    plan = plan_of(demo, *ASKED[0])
    step = plan["slices"][0]["layers"][0]["steps"][0]

    def changed(**members: Any) -> Any:
        copy = json.loads(json.dumps(plan))
        copy["slices"][0]["layers"][0]["steps"][0] |= members
        return copy

    assert "is no JSON" in refusal(downloader, b"{", 400)
    assert "is no object" in refusal(downloader, [], 400)
    assert "slices" in refusal(downloader, plan | {"slices": []}, 400)
    assert "which is no field" in refusal(downloader, changed(bands=[{**step["bands"][0], "target": "other"}]), 400)
    assert "turn" in refusal(downloader, changed(turn=17), 400)
    assert "subdir" in refusal(downloader, changed(subdir="/vsicurl/x"), 400)
    assert "uri" in refusal(downloader, changed(uri="/vsicurl/http://169.254.169.254/"), 400)
    assert "uri" in refusal(downloader, changed(uri="ftp://host/a.tif"), 400)
    crs = "+proj=longlat +nadgrids=/etc/passwd +type=crs"
    assert "names a file" in refusal(downloader, plan | {"grid": plan["grid"] | {"crs": crs}}, 400)
    assert "not as 'text/plain'" in refusal(downloader, plan, 415, **{"content-type": "text/plain"})


def test_pages_of_other_sites_send_no_plans(demo: Demo, downloader: Demo) -> None:
    plan = plan_of(demo, *ASKED[0])
    assert "https://evil.example" in refusal(downloader, plan, 403, origin="https://evil.example")
    assert "access-control-allow-origin" not in posted(downloader, plan, origin="https://evil.example").headers


def test_downloader_has_health_and_figures_and_nothing_else(downloader: Demo) -> None:
    assert downloader.ok("/healthz").text == "ok\n"
    assert downloader.ok("/readyz").text == "ready\n"
    assert "prismcube_requests_total" in downloader.ok("/metrics").text
    downloader.refused("/plans", 405)
    downloader.refused("/collections", 404)
    downloader.refused("/catalogue/records", 404)
    assert not list(downloader.home.glob("*.sqlite*"))


def test_slices_that_miss_files_are_told(demo: Demo, tmp_path: Path) -> None:
    plan = plan_of(demo, *ASKED[0])
    steps = [step for one in plan["slices"] for layer in one["layers"] for step in layer["steps"]]
    first = plan["slices"][0]
    for step in (step for layer in first["layers"] for step in layer["steps"]):
        step["uri"] = "file:///nowhere/missing.tif"
    given, output = json.dumps(plan).encode(), tmp_path / "cube.tif"
    told = run_plan("-", "-o", str(output), given=given)
    assert f"1 of {len(plan['slices'])} slices miss files:" in told
    assert f"{first['start']} failed: missing.tif could not be read: it is not there" in told
    assert output.exists()
    output.write_bytes(b"before")
    assert "was not written" in run_plan("-", "-o", str(output), "--strict", given=given, status=1)
    assert output.read_bytes() == b"before"
    for step in steps:
        step["uri"] = "file:///nowhere/missing.tif"
    for format in ("geotiff", "netcdf"):
        told = run_plan("-", "-o", str(output), "--format", format, given=json.dumps(plan).encode(), status=1)
        assert "every time step" in told
    assert [one.name for one in tmp_path.iterdir()] == ["cube.tif"]
    assert output.read_bytes() == b"before"


@pytest.mark.parametrize("format", ["geotiff", "cog", "netcdf", "zarr"])
def test_a_full_disk_is_told_with_the_file(demo: Demo, tmp_path: Path, format: str) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(plan_of(demo, *ASKED[1])))
    output = tmp_path / "cubes" / "cube.tif"
    output.parent.mkdir()
    output.write_bytes(b"before")
    # Files of this process may have 8 kB: it is told as a full disk is.
    limited = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", sys.executable, "-m", "server.cli"]
    command = [*limited, "run-plan", str(tmp_path / "plan.json"), "-o", str(output), "--format", format]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert f"error: {output} could not be written: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [one.name for one in output.parent.iterdir()] == ["cube.tif"]
    assert output.read_bytes() == b"before"


class Signed(BaseHTTPRequestHandler):
    """Serves the demo's images to who has the signature."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.asked.append((self.command, query))
        if query != f"expires=1&sig={SIGNATURE}" or self.command != "GET":
            self._answer(403, b"", {})
            return
        data = (DATA / Path(path).name).read_bytes()
        start, end = (int(one) for one in self.headers["range"].removeprefix("bytes=").split("-"))
        part = data[start : end + 1]
        self._answer(206, part, {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"})

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "ETag": '"one"', "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


SIGNATURE = "hush%2Fhush%3D"
DATA = ROOT / "examples" / "data" / "s2-romania-2015-2021"


@pytest.fixture(scope="module")
def signed() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Signed) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def signed_plan(plan: dict[str, Any], address: str, *, etag: str | None, signature: str = SIGNATURE) -> dict[str, Any]:
    """The plan, its files behind signed URLs; with `etag`, as the catalogue knows such files."""
    for step in (step for one in plan["slices"] for layer in one["layers"] for step in layer["steps"]):
        name = step["uri"].rpartition("/")[2]
        step["uri"] = f"{address}/{name}?expires=1&sig={signature}"
        step["etag"] = etag or step["etag"]
    return plan


@pytest.mark.parametrize("etag", ["one", None])
def test_signed_urls(demo: Demo, tmp_path: Path, start: Callable[..., running], signed: str, etag: str | None) -> None:
    """By the layouts of the plan, and by GDAL where these are of another state."""
    collection, query = ASKED[0]
    wanted = demo.tiff(f"/collections/{collection}/coverage?{query}")
    plan = signed_plan(plan_of(demo, collection, query), signed, etag=etag)
    Signed.asked.clear()
    told = run_plan("-", "-o", str(tmp_path / "cube.tif"), given=json.dumps(plan).encode())
    assert same(Tiff((tmp_path / "cube.tif").read_bytes()), wanted)
    assert {method for method, _ in Signed.asked} == {"GET"}
    assert "hush" not in told
    config = configured(tmp_path, downloader={"roots": [signed]})
    with start(tmp_path / "home", "serve", "--role", "downloader", "--config", str(config), "--workers", "1") as server:
        answer = posted(server, plan)
        assert answer.status_code == 200, answer.text[:300]
        assert same(Tiff(answer.content), wanted)
        refused = signed_plan(plan_of(demo, collection, query), signed, etag=etag, signature="hushed")
        assert "hush" not in refusal(server, refused, 502)
        figures = server.ok("/metrics").text
        assert ("prismcube_fallbacks_total{" in figures) == (etag is None)
    text = server.output.read_text()
    assert "access is refused" in text
    assert "hush" not in text


def test_a_host_that_drips_is_given_up(demo: Demo, tmp_path: Path, start: Callable[..., running]) -> None:
    """After the seconds of the setting; the answer names the first file and what is wrong with it."""
    web = Web(DATA)
    plan = plan_of(demo, *ASKED[0])
    steps = [step for one in plan["slices"] for layer in one["layers"] for step in layer["steps"]]
    for step in steps:
        name = step["uri"].rpartition("/")[2]
        step["uri"] = f"{web.url}/{name}"
        web.faults[name] = "drip"
    first = steps[0]["uri"].rpartition("/")[2]
    config = configured(tmp_path, downloader={"roots": [web.url]}, engine={"request_seconds": 1})
    try:
        with start(
            tmp_path / "home", "serve", "--role", "downloader", "--config", str(config), "--workers", "1"
        ) as one:
            told = refusal(one, plan, 502)
    finally:
        web.close()
    assert told.startswith(f"not one of {len(plan['slices'])} time steps could be read; of the first: ")
    assert told.endswith(f"{first} could not be read: its host is too slow")


def test_run_plan_says_what_is_wrong(demo: Demo, tmp_path: Path) -> None:
    output = str(tmp_path / "cube.tif")
    address = f"{demo.url}/collections/s2-romania/coverage?token=hush"
    told = run_plan(address, "-o", output, status=1)
    assert "answers with status 400: token: unknown parameter" in told
    assert "hush" not in told
    told = run_plan(f"{demo.url}/collections/s2-romania/coverage?{NDVI}", "-o", output, status=1)
    assert "add f=plan" in told
    assert "is no JSON" in run_plan("-", "-o", output, given=b"?", status=1)
    assert "No such file" in run_plan(str(tmp_path / "none.json"), "-o", output, status=1)
    assert "is not a folder" in run_plan("-", "-o", str(tmp_path / "none" / "cube.tif"), status=2)
    assert not list(tmp_path.iterdir())
