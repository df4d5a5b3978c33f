"""Consolidation of what lies across 180 degrees: every place in one cell, nothing to do the second time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import Resampling, reproject

from prismcube.errors import InvalidInput
from prismcube.model.cells import web_mercator_grid
from prismcube.model.grid import Grid
from prismcube.model.layout import RegularGrid, SingleCell
from prismcube.model.seam import map_ends

SOURCES = {
    "EPSG:32760": {"x": 816_000, "y": 8_118_000, "pixel": 100},
    "EPSG:32701": {"x": 178_000, "y": 8_118_000, "pixel": 100},
    "EPSG:4326": {"x": 179.97, "y": -17.0, "pixel": 0.001},
    "-180": {"crs": "EPSG:4326", "x": -180.03, "y": -17.0, "pixel": 0.001},
}
"""Places of pictures of 48 x 64 pixels that lie across 180 degrees."""

SHARE = 0.001
"""Of pixels that may be another one than GDAL's: those on an edge between two."""


def regular(crs, resolution, **more):
    return RegularGrid(crs=crs, resolution=resolution, cell_width=32, cell_height=32, **more)


LAYOUTS = {
    "4326": regular("EPSG:4326", 0.001),
    "4326 from the edge": regular("EPSG:4326", 0.001, origin_x=-180, origin_y=90),
    "4326 in no pixels": regular("EPSG:4326", 0.00137),
    "3832": regular("EPSG:3832", 100),
    "3857": regular("EPSG:3857", 100),
    "3857 of the web": web_mercator_grid(10, size=128),
    "60S": regular("EPSG:32760", 100),
    "1S": regular("EPSG:32701", 100),
}


@pytest.fixture
def archive(sqlite_bench, pixels):
    """Makes one picture at a place, and tells where it lies."""

    def make(source):
        sqlite_bench.variable()
        place = {"crs": source, **SOURCES[source]}
        return sqlite_bench, sqlite_bench.add(pixels(48, 64, seed=1), **place)

    return make


def consolidate(bench, **inputs):
    job = bench.consolidate(instances=["v/i"], layout="cells", **inputs).run()
    assert job.stage.name == "done", job.error
    return job.results


def by_gdal(path, grid):
    """What GDAL makes of a picture on a grid; 0 where it has nothing."""
    found = np.zeros(grid.shape, np.uint16)
    with rasterio.open(path) as file:
        for turn in (0, 360, -360) if file.crs.is_geographic else (0,):  # GDAL itself warps to one side only
            part = np.zeros_like(found)
            reproject(
                file.read(1),
                part,
                src_transform=Affine.translation(turn, 0) @ file.transform,
                src_crs=file.crs,
                src_nodata=0,
                dst_transform=grid.transform,
                dst_crs=grid.crs,
                dst_nodata=0,
                resampling=Resampling.nearest,
                tolerance=0,
            )
            found = np.where(found, found, part)
    return found


def off(one, other):
    """Share of the pixels that differ."""
    return (one != other).mean()


CASES = [
    ("EPSG:32760", "4326"),
    ("EPSG:32701", "4326 from the edge"),
    ("EPSG:32760", "4326 in no pixels"),
    ("EPSG:4326", "4326"),
    ("EPSG:32701", "3857"),
    ("EPSG:4326", "3857 of the web"),
    ("EPSG:32760", "3832"),
    ("-180", "3832"),
    ("EPSG:32701", "60S"),
    ("EPSG:4326", "1S"),
]


@pytest.mark.parametrize(("source", "layout"), CASES)
def test_what_is_read_is_what_was_there_and_a_second_time_nothing_is_done(archive, same_cubes, source, layout):
    bench, path = archive(source)
    bench.layout(grid=LAYOUTS[layout])
    before = list(bench.catalogue.grids.tiles(LAYOUTS[layout], bench.datasets()[0].footprint, limit=100))
    cubes = {cell.grid: bench.cube(cell.grid) for cell in before}
    assert consolidate(bench)["replaced"] == 1
    written = bench.datasets()
    assert {one.grid for one in written} <= cubes.keys()
    assert all(bench.cube(one.grid)[("R0",)][1].any() for one in written)
    for grid, cube in cubes.items():
        same_cubes(cube, bench.cube(grid))
    for one in written:
        values, valid = bench.cube(one.grid)[("R0",)]
        assert off(np.where(valid, values, 0)[0], by_gdal(path, one.grid)) <= SHARE
    again = consolidate(bench)
    assert (again["files"], again["replaced"], again["kept"]) == (0, 0, len(written))
    assert bench.datasets() == written


@pytest.mark.parametrize("layout", ["4326", "4326 in no pixels", "3857"])
def test_cells_end_where_the_map_does(archive, layout):
    """To a pixel; so each place is in one file."""
    bench, _ = archive("EPSG:32701")
    spec = LAYOUTS[layout]
    bench.layout(grid=spec)
    consolidate(bench)
    begin, end = map_ends(spec.crs)
    for one in bench.datasets():
        assert begin - spec.resolution < one.grid.bounds.west
        assert one.grid.bounds.east < end + spec.resolution
    footprints = [one.footprint for one in bench.datasets()]
    assert len(footprints) >= 4
    pixel = (spec.resolution if layout != "3857" else 0.0009) ** 2
    assert all(a.intersection(b).area <= 2 * 32 * pixel for a, b in combinations(footprints, 2))


def test_a_single_cell_of_longitudes_is_as_wide_as_its_data(archive, same_cubes):
    bench, _ = archive("EPSG:32760")
    bench.layout(grid=SingleCell("EPSG:4326", 0.001))
    grid = Grid("EPSG:4326", Affine(0.001, 0, 179.96, 0, -0.001, -17), 60, 80)
    before = bench.cube(grid)
    consolidate(bench)
    [one] = bench.datasets()
    assert one.grid.width < 100
    assert one.grid.bounds.west < 180 < one.grid.bounds.east
    same_cubes(before, bench.cube(grid))


def test_new_dates_join_the_cells_on_both_sides(archive, pixels):
    bench, _ = archive("EPSG:32760")
    bench.layout(grid=LAYOUTS["4326 from the edge"])
    consolidate(bench)
    cells = {one.grid for one in bench.datasets()}
    bench.add(pixels(48, 64, seed=2), day=1, crs="EPSG:32760", **SOURCES["EPSG:32760"])
    results = consolidate(bench)
    assert (results["datasets"], results["replaced"]) == (2 * len(cells), len(cells) + 1)
    assert {one.grid for one in bench.datasets()} == cells
    assert consolidate(bench)["files"] == 0


def test_cells_of_one_layout_are_sources_of_another(archive):
    """Read across 180 degrees from files on both sides of it."""
    bench, path = archive("EPSG:32760")
    bench.layout(grid=LAYOUTS["4326"])
    consolidate(bench)
    grid = Grid("EPSG:3832", Affine(100, 0, 3_335_000, 0, -100, -1_908_000), 64, 96)
    degrees = bench.cube(grid)[("R0",)]
    assert off(degrees[1][0], by_gdal(path, grid) > 0) < 0.05  # they end a pixel earlier or later
    bench.layout("pacific", grid=LAYOUTS["3832"])
    job = bench.consolidate(instances=["v/i"], layout="pacific").run()
    assert job.stage.name == "done", job.error
    after = bench.cube(grid)[("R0",)]
    np.testing.assert_array_equal(after[1], degrees[1])


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:3832"])
def test_a_pole_has_no_place_on_maps_of_mercator(sqlite_bench, pixels, crs):
    sqlite_bench.variable()
    sqlite_bench.add(pixels(10, 10), crs="EPSG:3031", x=-5_000, y=5_000, pixel=1_000)
    sqlite_bench.layout(grid=regular(crs, 1_000))
    with pytest.raises(InvalidInput, match=rf"^layout: .* reaches a pole, which {crs} does not show; .*EPSG:3031"):
        sqlite_bench.consolidate(instances=["v/i"], layout="cells")
