"""What a cube takes of memory, whatever its number of dates: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from prismcube.cube.plan_document import plan_document
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from tests.integration.cube.conftest import Scenes

MIB = 2**20
SIDE = 1024
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
U16 = DataFormat(dtype="uint16", nodata=0)

TAKE = """
import json, re, sys
from pathlib import Path
from prismcube.cube.engine import EngineSettings, configure, execute
from prismcube.cube.plan_document import parse_plan

configure(EngineSettings(threads=2, cache_bytes=2**20))
for name in sys.argv[1:]:
    made = sum(1 for one in execute(parse_plan(json.loads(Path(name).read_text()))) if one.data[0].any())
    print(made, re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize("by_layout", [True, False], ids=["layouts", "gdal"])
@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:32633"], ids=["copied", "warped"])
def test_memory_of_a_stream_is_that_of_some_slices_however_many_there_are(tmp_path: Path, crs: str, by_layout: bool):
    (tmp_path / "files").mkdir()
    scenes = Scenes(tmp_path / "files", by_layout=by_layout)
    noise = np.random.default_rng(3)
    files = [
        scenes.write(noise.integers(1, 9000, (SIDE, SIDE), np.uint16), transform=PLACE, crs="EPSG:32632")
        for _ in range(4)
    ]
    grid = Grid("EPSG:32632", PLACE, SIDE, SIDE)
    if crs != grid.crs:
        grid = Grid.from_bounds(crs, grid.bounds.to_crs(grid.crs, crs), width=SIDE, height=SIDE)
    plans = {}
    for dates in (6, 36):
        while len(scenes.records) < dates:
            scenes.add(files[len(scenes.records) % 4], day=len(scenes.records))
        plans[dates] = tmp_path / f"{dates}.json"
        plans[dates].write_text(json.dumps(plan_document(scenes.plan({"v": U16}, grid=grid, resampling="bilinear"))))
    command = [sys.executable, "-c", TAKE, *map(str, plans.values())]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    (few, before), (many, after) = (map(int, line.split()) for line in told.splitlines())
    assert (few, many) == (6, 36)
    one_slice = SIDE * SIDE * 2
    assert (after - before) * 1024 < 8 * one_slice, "30 more slices were taken, one by one"
