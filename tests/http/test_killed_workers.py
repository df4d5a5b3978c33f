"""Web workers are killed while clients submit: no job is lost, none is there twice.

make test     some jobs
make chaos    (PRISMCUBE_CHAOS=1000) so many
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

LONG = 600
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
JOBS = int(os.environ.get("PRISMCUBE_CHAOS", 0)) or 40
KILLS = max(3, JOBS // 100)
PAGE = 1000


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LONG
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_killed_web_workers_lose_and_double_no_job(
    request: pytest.FixtureRequest, database: str, tmp_path: Path, start: Any
) -> None:
    """Clients ask again with the same key when they got no answer."""
    settings = {"JOBS__RUN": "true", "JOBS__PROCESSES": "2"}
    if database == "postgresql":
        settings["CATALOGUE__URL"] = request.getfixturevalue("postgresql").empty()
    keys, chance = [f"order-{number}" for number in range(JOBS)], random.Random(1)
    with start(tmp_path / "home", "serve", "--workers", "2", **settings) as server:
        killed: list[int] = []
        done: dict[str, str] = {}
        again: list[str] = []

        def submit(key: str) -> None:
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

        with ThreadPoolExecutor(8) as pool:
            pending = [pool.submit(submit, key) for key in keys]
            while len(done) < JOBS:
                if len(done) >= JOBS * (len(killed) + 1) // (KILLS + 1) and len(killed) < KILLS:
                    time.sleep(chance.uniform(0, 0.1))
                    victim = wait_for(lambda: [pid for pid in server.workers() if pid not in killed])
                    killed.append(chance.choice(victim))
                    os.kill(killed[-1], signal.SIGKILL)
                time.sleep(0.005)
            for one in pending:
                one.result()
        assert len(set(killed)) == KILLS
        assert again, "nobody was answered by a worker that was killed"
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
