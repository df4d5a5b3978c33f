"""Web workers are killed while clients submit: no job is lost, none is there twice.

make test     some jobs
make chaos    (PRISMCUBE_CHAOS=1000) so many
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.server import wait_for

JOBS = int(os.environ.get("PRISMCUBE_CHAOS", 0)) or 40
KILLS = max(3, JOBS // 100)
PAGE = 1000


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_web_workers_lose_and_double_no_job(
    request: pytest.FixtureRequest, database: str, tmp_path: Path, start: Any
) -> None:
    """Clients ask again with the same key when they got no answer."""
    settings = {"JOBS__RUN": "true", "JOBS__PROCESSES": "2"}
    if database == "postgresql":
        settings["CATALOGUE__URL"] = request.getfixturevalue("postgresql").empty()
    numbers, chance, stop = itertools.count(), random.Random(1), threading.Event()
    with start(tmp_path / "home", "serve", "--workers", "2", **settings) as server:
        killed: list[int] = []
        done: dict[str, str] = {}
        again: list[str] = []

        def submit() -> None:
            while not stop.is_set():
                key = f"order-{next(numbers)}"
                headers = {"Prefer": "respond-async", "Idempotency-Key": key}
                body = {"inputs": {"stringInput": key}}
                while key not in done:
                    try:
                        answer = httpx.post(
                            f"{server.url}/processes/echo/execution", json=body, headers=headers, timeout=60
                        )
                    except httpx.TransportError:  # the worker was killed, or none listens yet
                        again.append(key)
                        time.sleep(0.05)
                        continue
                    assert answer.status_code == 201, answer.text
                    done[key] = answer.json()["jobID"]
                    time.sleep(0.1)  # a worker takes seconds to come back: so many jobs need not be done meanwhile

        def kill() -> bool:
            """When so many more are done; true when there were enough, and one of them left somebody without answer."""
            if len(done) >= JOBS * (len(killed) + 1) // (KILLS + 1):
                time.sleep(chance.uniform(0, 0.1))
                killed.append(chance.choice(wait_for(lambda: [pid for pid in server.workers() if pid not in killed])))
                os.kill(killed[-1], signal.SIGKILL)
            return len(done) >= JOBS and len(killed) >= KILLS and bool(again)

        with ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(submit) for _ in range(8)]
            try:
                wait_for(kill)
            finally:
                stop.set()
            for one in clients:
                one.result()
        assert len(set(killed)) == len(killed) >= KILLS
        assert not set(killed) & set(server.workers())

        def found() -> list[dict[str, Any]]:
            page = server.json("/jobs", processID="echo", limit=PAGE)
            jobs: list[dict[str, Any]] = page["jobs"]
            while following := [link["href"] for link in page["links"] if link["rel"] == "next"]:
                page = httpx.get(following[0], timeout=60).json()
                jobs += page["jobs"]
            return jobs

        assert sorted(job["jobID"] for job in found()) == sorted(done.values())
        wait_for(lambda: all(job["status"] == "successful" for job in found()))
        for key, id in done.items():
            assert server.json(f"/jobs/{id}/results", f="json")["stringOutput"] == key
