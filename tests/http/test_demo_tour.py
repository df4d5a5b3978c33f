"""What `make demo` shows by itself: a series, a job that consolidates its images, the same series."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from tests import commands

LONG = 300
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""


def test_the_demo_consolidates_as_a_job(start: Any, demo: Any, tmp_path: Path) -> None:
    with start(tmp_path / "home", "demo", JOBS__RUN="true") as server:
        deadline = time.monotonic() + LONG
        while "at a point, before:" not in (told := server.output.read_text()):
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
        assert "A job has consolidated s2-romania" in told
        assert told.count("73 clear of 140 dates, mean 0.7839") == 2
        assert "the same values" in told
        [job] = [one for one in server.json("/jobs")["jobs"] if one["processID"] == "consolidate"]
        assert job["status"] == "successful"
        assert f"{server.url}/jobs/{job['jobID']}" in told
        files = [*(server.home / "storage").rglob("*.tif")]
        assert len(files) == 2
        _check_default_grid(demo, server)
        home = server.home
    again = commands.run("demo", "--prepare-only", "--home", home)
    assert (again.returncode, "140 unchanged" in again.stdout) == (0, True), again.stdout


def _check_default_grid(before: Any, after: Any) -> None:
    """Cells are larger than the images; who asks for no place gets the images all the same."""
    collection, asked = "/collections/s2-romania", {"properties": "B4,ndvi", "datetime": "2020", "f": "geotiff"}
    told, tiffs = [], []
    for server in (before, after):
        told.append(server.json(collection)["extent"]["spatial"]["storageCrsBbox"])
        tiffs.append(server.tiff(f"{collection}/coverage", **asked))
    assert told[0] == told[1]
    assert tiffs[0].transform == tiffs[1].transform
    np.testing.assert_array_equal(tiffs[0].data, tiffs[1].data)
