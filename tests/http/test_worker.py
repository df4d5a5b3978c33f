"""The process that executes jobs: started, watched over and stopped with the server, or alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import commands
from tests.http.server import wait_for

ROOT = Path(__file__).resolve().parents[2]
LONG = 180
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
LAYOUT = {
    "name": "series",
    "grid": {
        "kind": "regular",
        "crs": "EPSG:3035",
        "resolution": 10,
        "origin_x": 5271982.576551932,
        "origin_y": 2533004.2149151857,
        "cell_width": 256,
        "cell_height": 256,
    },
    "max_records": 200,
}
"""On the pixels of the demo's images."""


@pytest.fixture
def home(tmp_path: Path, demo: Any) -> Path:
    """The demo's catalogue, of which images are read where they are, and a layout."""
    folder = tmp_path / "home"
    folder.mkdir()
    with closing(sqlite3.connect(demo.home / "catalogue.sqlite")) as source:
        source.execute(f"VACUUM INTO '{folder}/catalogue.sqlite'")
    with closing(sqlite3.connect(folder / "catalogue.sqlite")) as copied, copied:
        copied.execute("PRAGMA foreign_keys = ON")
        copied.execute("DELETE FROM job")  # of other tests
    run(folder, "catalogue", "create", "layouts", "-", given=json.dumps(LAYOUT))
    return folder


def run(home: Path, *arguments: str, status: int = 0, **more: Any) -> str:
    ended = commands.run(*arguments, "--home", home, **more)
    assert ended.returncode == status, ended.stderr
    return ended.stdout


def job_process(pid: int) -> int | None:
    """The child of a server that executes jobs."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"--with-parent" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


CONSOLIDATE = ("job", "submit", "consolidate", '{"collection": "s2-romania", "layout": "series"}')
POINT = {"coords": "POINT(22.1522 45.2048)", "parameter_name": "ndvi", "f": "csv"}


def test_served_jobs_survive_the_process_that_executes_them(home: Path, start: Any) -> None:
    with start(home, "serve", "--workers", "1", JOBS__RUN="true", JOBS__PROCESSES="2") as server:
        before = server.ok("/collections/s2-romania/position", **POINT).text
        leader = wait_for(lambda: job_process(server.pid))
        id = run(home, *CONSOLIDATE).strip()
        os.kill(leader, signal.SIGKILL)
        results = json.loads(run(home, "job", "wait", id))
        assert results["datasets"] == results["replaced"] == 280
        assert job_process(server.pid) not in (None, leader)
        assert server.ok("/collections/s2-romania/position", **POINT).text == before
        last = job_process(server.pid)
    with pytest.raises(ProcessLookupError):
        os.kill(last or 0, 0)
    shown = json.loads(run(home, "job", "show", id))
    assert (shown["status"], shown["stage"]) == ("successful", "done")
    assert "submitted" in run(home, "job", "log", id)


@pytest.fixture
def worker(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PRISMCUBE_JOBS__PROCESSES": "1"}
    command = [sys.executable, "-m", "server.cli", "worker", "--home", str(home)]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        yield process
        process.terminate()
        assert process.wait(LONG) == 0


def test_worker_alone_and_the_commands(home: Path, worker: Any) -> None:
    estimate = json.loads(run(home, *CONSOLIDATE, "--estimate"))
    assert estimate["files"] == 2
    id = run(home, *CONSOLIDATE, "--level", "critical", "--key", "once").strip()
    assert run(home, *CONSOLIDATE, "--level", "critical", "--key", "once").strip() == f"{id} (submitted before)"
    wait_for(lambda: json.loads(run(home, "job", "show", id))["paused"])
    assert "paused" in run(home, "job", "list", env={**os.environ, "COLUMNS": "300"})
    assert "swap" in run(home, "job", "continue", id)
    assert json.loads(run(home, "job", "wait", id))["files"] == 2
    listed = json.loads(run(home, "job", "list", "--output", "json", "--status", "successful"))
    assert [one["id"] for one in listed] == [id]
    run(home, "job", "cancel", id, status=1)
    run(home, "job", "retry", id, status=1)
    run(home, "job", "submit", "consolidate", '{"layout": 5}', status=1)
    run(home, "job", "submit", "consolidate", "{", status=1)
    run(home, "job", "submit", "nothing", status=1)


def test_jobs_end_with_their_server(home: Path, start: Any) -> None:
    with start(home, "serve", "--workers", "1", JOBS__RUN="true") as server:
        leader = wait_for(lambda: job_process(server.pid))
        workers = server.workers()
        os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{leader}").exists())
        for pid in workers:  # gunicorn's own end when they find out
            wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists())
    shutil.rmtree(home)


def test_readers_never_notice(home: Path, start: Any) -> None:
    """Cubes in a loop while files are swapped, old ones deleted, and datasets deleted: no error, no mixture."""
    asked = {"f": "csv", "coords": POINT["coords"], "parameter_name": "ndvi"}
    area = "POLYGON((22.150 45.203,22.155 45.203,22.155 45.206,22.150 45.206,22.150 45.203))"
    cube = {"coords": area, "parameter_name": "B4,ndvi", "datetime": "2015/2016", "f": "covjson"}
    with start(
        home, "serve", "--workers", "2", JOBS__RUN="true", JOBS__PROCESSES="1", JOBS__GRACE_SECONDS="3"
    ) as server:
        series, cubes = "/collections/s2-romania/position", "/collections/s2-romania/area"
        whole = server.ok(series, **asked).text, server.ok(cubes, **cube).text
        stop, problems = threading.Event(), []
        seen: list[list[str]] = [[], []]

        def read(number: int, path: str, parameters: dict[str, str]) -> None:
            while not stop.is_set():
                answer = server.get(path, **parameters)
                if answer.status_code != 200:
                    problems.append((answer.status_code, answer.text[:300]))
                elif not seen[number] or seen[number][-1] != answer.text:
                    seen[number].append(answer.text)
                time.sleep(0.1)  # the cores are for the jobs, too

        readers = [
            threading.Thread(target=read, args=one) for one in ((0, series, asked), (1, cubes, cube), (1, cubes, cube))
        ]
        for reader in readers:
            reader.start()
        try:
            for compression in ("none", "lossless"):
                inputs = {**json.loads(CONSOLIDATE[3]), "consolidation": {"compression": compression}}
                id = run(home, "job", "submit", "consolidate", json.dumps(inputs)).strip()
                results = json.loads(run(home, "job", "wait", id))
                if results["deletion"]:
                    run(home, "job", "wait", results["deletion"])
            assert len(list((home / "storage").rglob("*.tif"))) == results["files"]
            gone = {"collection": "s2-romania", "filter": {"datetime": "2016-01-01/2016-12-31"}}
            run(home, "job", "wait", run(home, "job", "submit", "delete-datasets", json.dumps(gone)).strip())
            rest = server.ok(series, **asked).text, server.ok(cubes, **cube).text
        finally:
            stop.set()
            for reader in readers:
                reader.join()
    assert not problems
    assert rest[0] != whole[0]
    assert rest[1] != whole[1]
    assert set(seen[0]) <= {whole[0], rest[0]}
    assert set(seen[1]) <= {whole[1], rest[1]}
