"""What the demo shows by itself once it serves: a series, the job that consolidates its images, the series again.

A client as any other, over HTTP, in a process of its own: python -m server.cli.tour http://127.0.0.1:5000
"""

from __future__ import annotations

import math
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console

COLLECTION = "s2-romania"
POINT = {"coords": "POINT(22.1522 45.2048)", "parameter-name": "ndvi", "f": "csv"}
LAYOUT = {
    "name": "demo-series",
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
    "block_width": 64,
    "block_height": 64,
}
"""On the pixels of the images, so that every value stays what it is; blocks as small as these images ask for."""

KEY = "demo-series"
"""Of the job: a second start of the demo finds that of the first."""

TIMES = 5
"""A series is asked for so often; the quickest answer counts."""

LOOK_SECONDS = 0.2
TIMEOUT = 120


@dataclass(frozen=True)
class Series:
    """What came of asking for the series."""

    values: tuple[str, ...]
    """As they were written, a date each; empty where a cloud was."""
    milliseconds: float

    def __str__(self) -> str:
        seen = [float(value) for value in self.values if value]
        mean = math.fsum(seen) / len(seen) if seen else math.nan
        return f"{len(seen)} clear of {len(self.values)} dates, mean {mean:.4f}, {self.milliseconds:.0f} ms"


def show(url: str, console: Console) -> None:
    """Ask, consolidate, ask again, and tell. Raises httpx.HTTPError."""
    # A connection each, tried again: a worker that is replaced takes kept ones with it.
    transport = httpx.HTTPTransport(retries=3, limits=httpx.Limits(max_keepalive_connections=0))
    with httpx.Client(base_url=url, timeout=TIMEOUT, transport=transport) as client:
        while client.get("/readyz").status_code != httpx.codes.OK:  # until then GDAL reads, and times would tell of it
            time.sleep(LOOK_SECONDS)
        stored = client.get(f"/catalogue/layouts?name={LAYOUT['name']}").raise_for_status().json()
        if not stored["entities"]:
            client.post("/catalogue/layouts", json=LAYOUT).raise_for_status()
        before = series(client)
        job = submitted(client)
        begun = time.monotonic()
        while job["status"] in ("accepted", "running"):
            time.sleep(LOOK_SECONDS)
            job = client.get(f"/jobs/{job['jobID']}").raise_for_status().json()
        place = f"{url}/jobs/{job['jobID']}"
        if job["status"] != "successful":
            console.print(
                f"\nThe job that consolidates {COLLECTION} is {job['status']}: {job.get('message')} ({place})"
            )
            return
        after = series(client)
        same = "the same values" if before.values == after.values else "OTHER VALUES"
        console.print(f"\nA job has consolidated {COLLECTION} in {time.monotonic() - begun:.0f} s: {place}")
        console.print(f"  NDVI at a point, before: {before}\n                   after:  {after}, {same}")


def series(client: httpx.Client) -> Series:
    """The NDVI of a point of the collection."""
    best = math.inf
    for _ in range(TIMES):
        begun = time.perf_counter()
        answer = client.get(f"/collections/{COLLECTION}/position", params=POINT).raise_for_status()
        best = min(best, time.perf_counter() - begun)
    _, *lines = answer.text.splitlines()
    return Series(tuple(line.rpartition(",")[2] for line in lines), 1000 * best)


def submitted(client: httpx.Client) -> dict[str, Any]:
    """The job, new or of an earlier start."""
    inputs = {"collection": COLLECTION, "layout": LAYOUT["name"]}
    headers = {"Prefer": "respond-async", "Idempotency-Key": KEY}
    answer = client.post("/processes/consolidate/execution", json={"inputs": inputs}, headers=headers)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def main() -> None:
    """Show it; a demo that is stopped meanwhile is no error."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a terminal sends it to all of its processes
    console = Console(highlight=False, soft_wrap=True)
    try:
        show(sys.argv[1], console)
    except httpx.HTTPError as error:
        console.print(f"\nThe demo could not show a job: {error}")


if __name__ == "__main__":
    main()
