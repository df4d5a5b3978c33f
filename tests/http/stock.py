"""pygeoapi as it comes, with plug-ins of ours; what executes their jobs; and a client of both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

SERVER: dict[str, Any] = {
    "server": {
        "bind": {"host": "127.0.0.1", "port": 5000},
        "url": "http://127.0.0.1:5000",
        "mimetype": "application/json; charset=UTF-8",
        "encoding": "utf-8",
        "language": "en-US",
        "limits": {"default_items": 10, "max_items": 100},
        "map": {"url": "https://tile.example.org/{z}/{x}/{y}.png", "attribution": "nobody"},
    },
    "logging": {"level": "ERROR"},
    "metadata": {
        "identification": {
            "title": "Another server",
            "description": "pygeoapi as it comes",
            "keywords": ["test"],
            "keywords_type": "theme",
            "terms_of_service": "https://example.org",
            "url": "https://example.org",
        },
        "license": {"name": "none", "url": "https://example.org"},
        "provider": {"name": "nobody", "url": "https://example.org"},
        "contact": {"name": "nobody", "email": "nobody@example.org"},
    },
}


class Stock:
    """pygeoapi's own server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, /, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        query = {name.replace("_", "-"): value for name, value in params.items()}
        return httpx.get(self.url + path, params=query or None, headers=headers, timeout=120)

    def ok(self, path: str, /, **params: Any) -> httpx.Response:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer

    def json(self, path: str, /, **params: Any) -> Any:
        return self.ok(path, f="json", **params).json()

    def refused(self, path: str, status: int, /, **params: Any) -> str:
        """What the server says."""
        answer = self.get(path, f="json", **params)
        assert answer.status_code == status, (answer.status_code, answer.text[:300])
        return answer.json()["description"]


@contextmanager
def started(folder: Path, described: Mapping[str, Any], served: Mapping[str, Any]) -> Iterator[str]:
    """The address of a pygeoapi with a configuration, whose OpenAPI document is made of another one."""
    config, document = folder / "config.yml", folder / "openapi.yml"
    write = partial(yaml.safe_dump, sort_keys=False)
    config.write_text(write(dict(described)), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYGEOAPI_CONFIG": str(config)}
    environment["PYGEOAPI_OPENAPI"] = str(document)
    tools = Path(sys.executable).parent
    made = [tools / "pygeoapi", "openapi", "generate", config, "--output-file", document]
    generated = subprocess.run(
        made, env=environment, cwd=folder, timeout=300, capture_output=True, text=True, check=False
    )
    assert generated.returncode == 0, generated.stderr
    config.write_text(write(dict(served)), encoding="utf-8")
    output = folder / "output.txt"
    serve = [tools / "gunicorn", "--bind=127.0.0.1:0", "--workers=1", "--threads=4", "pygeoapi.flask_app:APP"]
    with output.open("w") as told:
        process = subprocess.Popen(serve, env=environment, cwd=folder, stdout=told, stderr=subprocess.STDOUT)
    try:
        yield _address(output, process)
    finally:
        process.terminate()
        process.wait(30)


def _address(output: Path, process: subprocess.Popen[bytes]) -> str:
    """Where gunicorn says that it listens, once it answers."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Listening at: (\S+)", output.read_text())
        try:
            if found and httpx.get(f"{found[1]}/conformance", timeout=60).status_code == 200:
                return found[1]
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"pygeoapi did not start:\n{output.read_text()}")


@contextmanager
def working(home: Path) -> Iterator[None]:
    """`prismcube worker` for a home."""
    command = [sys.executable, "-m", "server.cli", "worker", "--home", str(home)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PRISMCUBE_JOBS__PROCESSES": "1"}
    with (home / "worker.txt").open("w") as told:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=told, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def run(stock: Stock, process: str, inputs: dict[str, Any], *, prefer: str = "", **body: Any) -> httpx.Response:
    headers = {"Prefer": prefer} if prefer else {}
    content = {"inputs": inputs, **body}
    return httpx.post(f"{stock.url}/processes/{process}/execution", json=content, headers=headers, timeout=120)


def ended(stock: Stock, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        document = stock.json(f"/jobs/{job}")
        if document["status"] not in ("accepted", "running"):
            return document
        time.sleep(0.1)
    pytest.fail(f"job {job} did not end: {document}")
