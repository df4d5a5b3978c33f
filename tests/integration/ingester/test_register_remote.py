"""Registering from other hosts and stores, and by the command line."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from ingester.index import Outcome, Status, Summary, parse_mapping
from ingester.register import Registrar
from prismcube.catalogue import Catalogue
from prismcube.storage import buckets


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": 8, "height": 4, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    profile |= {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "nodata": 0}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.ones((1, 4, 8), dtype="uint8"))
    return path


def item(name: str = "I", **assets: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "properties": {"datetime": "2020-01-01T10:00:00Z"},
        "links": [],
        "assets": {key: {"href": one} if isinstance(one, str) else one for key, one in assets.items()},
    }


def catalog(*items: str) -> dict[str, Any]:
    links = [{"rel": "item", "href": href} for href in items]
    return {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "", "links": links}


def save(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path)


def mapping(**dataset: Any) -> Any:
    return parse_mapping(
        {
            "variables": {"v": {"bands": ["b"], "dtype": "uint8", "nodata": 0}},
            "items": [{"assets": [{"key": "red", "datasets": [{"instance": "v/i", "bands": [1]} | dataset]}]}],
            "collections": {"c": {"fields": {"b": {"instance": "v/i"}}}},
        }
    )


def run(catalogue: Catalogue, rules: Any, *sources: str) -> tuple[Summary, dict[str, Outcome]]:
    outcomes: list[Outcome] = []
    summary = Registrar(catalogue, rules).run(sources, progress=outcomes.append)
    return summary, {one.name: one for one in outcomes}


class Ranges(SimpleHTTPRequestHandler):
    """Answers ranges of bytes, as every store does and Python's server does not."""

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if found is None or not path.is_file():
            return super().do_GET()
        data = path.read_bytes()
        start = int(found[1]) if found[1] else len(data) - int(found[2])
        end = min(int(found[2]), len(data) - 1) if found[1] and found[2] else len(data) - 1
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.send_header("Content-Length", str(end - start + 1))
        self.send_header("Last-Modified", self.date_time_string(int(path.stat().st_mtime)))
        self.end_headers()
        self.wfile.write(data[start : end + 1])


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """An HTTP server of the folder `www`; its URL."""
    (tmp_path / "www").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(tmp_path / "www")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
    buckets.forget()


def test_from_another_host(catalogue: Catalogue, tmp_path: Path, host: str) -> None:
    secret = write(tmp_path / "secret.tif")
    write(tmp_path / "www" / "a" / "red.tif")
    save(tmp_path / "www" / "catalog.json", catalog("a/item.json", "a/evil.json"))
    save(tmp_path / "www" / "a" / "item.json", item(red="red.tif?sig=SECRET"))
    save(tmp_path / "www" / "a" / "evil.json", item("E", red=secret.as_uri()))
    _, outcomes = run(catalogue, mapping(), f"{host}/catalog.json")
    assert outcomes["I/red"].status is Status.CREATED, outcomes
    assert outcomes["I/red"].uri == f"{host}/a/red.tif"
    assert outcomes["E/red"].status is Status.FAILED
    assert "SECRET" not in repr(outcomes)
    _, outcomes = run(catalogue, mapping(nodata=9), f"{host}/catalog.json")
    assert "format is" in outcomes["I/red"].reason
    assert "SECRET" not in repr(outcomes)
    assert run(catalogue, mapping(), f"{host}/catalog.json")[0].unchanged == 1


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an S3 server on the loopback, to which the environment leads our stores too; a bucket `images`."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "key", "REGION": "us-east-1", "ENDPOINT_URL": url}
    for name, value in {**settings, "ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    buckets.forget()
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="images")
    yield client
    client.close()
    server.stop()
    buckets.forget()


def test_from_s3(catalogue: Catalogue, tmp_path: Path, s3: Any) -> None:
    def put(key: str, data: bytes) -> None:
        s3.put_object(Bucket="images", Key=key, Body=data)

    put("catalog.json", json.dumps(catalog("2020/item.json")).encode())
    put("2020/item.json", json.dumps(item(red="./red.tif")).encode())
    put("2020/red.tif", write(tmp_path / "red.tif").read_bytes())
    summary, outcomes = run(catalogue, mapping(), "s3://images/catalog.json")
    assert outcomes["I/red"].status is Status.CREATED, outcomes
    assert outcomes["I/red"].uri == "s3://images/2020/red.tif"
    assert summary.collections == ("c",)
    assert run(catalogue, mapping(), "s3://images/catalog.json")[0].unchanged == 1
    _, outcomes = run(catalogue, mapping(), "s3://images/gone.json")
    assert [one.status for one in outcomes.values()] == [Status.FAILED]


@pytest.fixture
def command(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line, on the test's catalogue."""
    del url
    from server.cli import typer_app

    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(typer_app, ["register", "--home", str(tmp_path / "cli"), *arguments])

    return call


def test_command(tmp_path: Path, command: Callable[..., Any]) -> None:
    write(tmp_path / "red.tif")
    red = {"href": "red.tif", "proj:shape": [5, 8], "type": "image/jp2"}
    source = save(tmp_path / "item.json", item(red=red, meta={"href": "m", "type": "text/plain"}))
    shown = command("--collection", "auto", "--show-mapping", source)
    assert shown.exit_code == 0
    (tmp_path / "auto.yml").write_text(shown.output)
    report = tmp_path / "report.ndjson"
    done = command("--mapping", str(tmp_path / "auto.yml"), "--report", str(report), source)
    assert done.exit_code == 0, done.output
    assert "auto.yml: 1 created, 1 skipped" in done.output
    assert "proj:shape is 5 x 8, the file has 4 x 8 pixels" in done.output
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(one["name"], one["status"], len(one["notes"])) for one in lines] == [
        ("I/red", "created", 2),
        ("I/meta", "skipped", 0),
    ]
    again = command("--collection", "auto", "--assets", "red, other", source)
    assert "auto: 1 unchanged" in again.output
    assert "dry run, nothing written" in command("--collection", "auto", "--dry-run", source).output
    assert command("--collection", "auto", "--mapping", "x", source).exit_code == 2
    assert command("--mapping", "x", "--show-mapping", source).exit_code == 2
    (tmp_path / "red.tif").unlink()
    failed = command("--mapping", str(tmp_path / "auto.yml"), "--brief", source)
    assert failed.exit_code == 1
    assert "not found" in failed.output
