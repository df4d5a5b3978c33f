"""Consolidation, as its tasks do it: what is read afterwards is what was read before."""

from __future__ import annotations

from affine import Affine

from prismcube.model.entities import DatasetStatus
from prismcube.model.grid import Grid

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)


def test_dates_of_one_place_become_files_of_many(bench, pixels, same_cubes):
    bench.variable()
    for day in range(4):
        bench.add(pixels(100, 150, seed=day, empty=[(slice(0, 40), slice(0, 70))]), day=day)
    before = bench.cube(GRID)
    job = bench.consolidate(instances=["v/i"], layout=bench.layout()).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, bench.cube(GRID))
    assert job.results == {
        "files": 6,
        "bytes": sum(path.stat().st_size for path in bench.files()),
        "datasets": 6 * 4,
        "replaced": 4,
        "kept": 0,
        "deletion": None,
    }
    assert len(bench.files()) == 6
    assert len(bench.datasets(DatasetStatus.TO_DELETE)) == 4
