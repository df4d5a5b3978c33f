"""A process that answers requests is killed, of a server that has one: until a job can be seen, and one be submitted.

Jobs go on meanwhile: they are executed elsewhere.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil

from server import kernels
from server.bench.figures import Figure
from server.bench.jobs.killing import MOST_SECONDS
from server.bench.waiting import NotMeasured, wait_until

OTHERS = ("--with-parent", "server.cli.tour")
"""Words of the commands of a server's other children: the process that executes jobs."""

SECONDS = 30.0
"""For an answer."""


def figures(
    database: str, *, kills: int, folder: Path, compiled: Path, tick: Callable[[int], None]
) -> tuple[list[Figure], list[int]]:
    """So many kills, one after the other, and the processes that were killed.

    `folder` becomes the server's home; its kernels are those in `compiled`, which are compiled now if need be.
    """
    kernels.use(compiled)
    kernels.complete(compiled, threading.Event())
    killed, sees, takes = [], [], []
    with _serving(folder) as (url, server):
        _wait_for_job(url)
        for _ in range(kills):
            job = _submit(url, pause=2.0)
            victim = _worker(server)
            victim.kill()
            begun = time.monotonic()
            wait_until(partial(_answers, f"{url}/jobs/{job}"), "a job could not be seen again")
            sees.append(time.monotonic() - begun)
            _wait_for_job(url)
            takes.append(time.monotonic() - begun)
            wait_until(partial(_is_done, url, job), "the job did not end", every=0.05)
            killed.append(victim.pid)
            tick(1)
    return [
        Figure(name=name, database=database, unit="s", value=max(of), repeats=kills, bar=MOST_SECONDS)
        for name, of in [
            ("web process killed: jobs are seen again after", sees),
            ("a new job is submitted and done after", takes),
        ]
    ], killed


@contextmanager
def _serving(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "server.cli", "serve", "--home", str(home), "--port", str(port), "--workers", "1"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRISMCUBE_")}
    with (home / "output").open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=environment)  # noqa: S603  our own program
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url) or server.poll() is not None, "the server did not answer", every=0.05)
        if server.poll() is not None:
            raise NotMeasured(f"the server ended: {(home / 'output').read_text()[-300:]}")
        yield url, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def _worker(server: psutil.Process) -> psutil.Process:
    """The process that answers requests."""
    found = [one for one in server.children() if not any(word in OTHERS for word in one.cmdline())]
    if len(found) != 1:
        raise NotMeasured(f"{len(found)} processes answer requests, not one")
    return found[0]


def _submit(url: str, **inputs: object) -> str:
    answer = httpx.post(
        f"{url}/processes/echo/execution", json={"inputs": inputs}, headers={"Prefer": "respond-async"}, timeout=SECONDS
    )
    if answer.status_code != httpx.codes.CREATED:
        raise NotMeasured(f"a job was refused: {answer.text[:300]}")
    return str(answer.json()["jobID"])


def _wait_for_job(url: str) -> None:
    """A new one, from its submission to its end."""
    job = _submit(url)
    wait_until(partial(_is_done, url, job), "a new job did not end", every=0.01)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=SECONDS).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _is_done(url: str, job: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/jobs/{job}", timeout=SECONDS).json()["status"] == "successful")
    except httpx.TransportError:
        return False
