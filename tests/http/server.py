"""A server of the tests: the real command on a real socket, and what it answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import rasterio
from httpx._config import DEFAULT_TIMEOUT_CONFIG

ROOT = Path(__file__).resolve().parents[2]
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


def free_port() -> int:
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
                    ALIVE.append(self)
                    return Demo(self._url, self.process.pid, self._home, self._output)
            except httpx.TransportError:
                time.sleep(0.1)
        self.process.kill()
        pytest.fail(f"the server did not answer:\n{self._output.read_text()}")

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Also when it is stopped already."""
        if self in ALIVE:
            ALIVE.remove(self)
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._file.close()


ALIVE: list[running] = []
"""Those that answer, and have not been stopped."""
