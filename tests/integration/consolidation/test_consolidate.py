"""Consolidation, as its tasks do it: what is read afterwards is what was read before."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import Point

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.entities import DatasetStatus
from prismcube.model.formats import ValueMapping
from prismcube.model.grid import Grid, transformer
from prismcube.model.layout import CustomGrid, RegularGrid, SingleCell
from prismcube.tiff.pages import open_pages

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)
"""Of the sources."""
CELL = Grid("EPSG:32633", Affine(10, 0, 499_840, 0, -10, 5_000_000), 64, 64)
"""Of the cell in the north-west; its first 16 columns lie beside the sources."""


@pytest.fixture
def four(bench, pixels):
    """Four dates of one place, with empty corners."""
    bench.variable()
    for day in range(4):
        bench.add(pixels(100, 150, seed=day, empty=[(slice(0, 40), slice(0, 70))]), day=day)
    return bench


def blocks_of(path, number):
    """The stored bytes of every block of a date."""
    with open_pages(path) as pages:
        content = path.read_bytes()
        return [
            [content[int(o) : int(o + c)] for o, c in zip(part.offsets, part.counts, strict=True)]
            for part in pages[number - 1].parts
        ]


def test_dates_of_one_place_become_files_of_many(four, same_cubes):
    before = four.cube(GRID)
    job = four.consolidate(instances=["v/i"], layout=four.layout()).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, four.cube(GRID))
    assert job.results == {
        "files": 6,
        "bytes": sum(path.stat().st_size for path in four.files()),
        "datasets": 6 * 4,
        "replaced": 4,
        "kept": 0,
        "deletion": None,
    }
    assert len(four.files()) == 6
    assert len(four.datasets(DatasetStatus.TO_DELETE)) == 4
    assert four.datasets(DatasetStatus.INACTIVE) == []
    assert four.catalogue.datasets.locks(one.id for one in four.datasets(None)) == {}


def test_files_are_what_gdal_reads(four):
    before = four.cube(CELL)
    four.consolidate(instances=["v/i"], layout=four.layout()).run()
    [one] = [d for d in four.datasets() if d.grid == CELL and d.subdir == "GTIFF_DIR:3"]
    path = four.managed / "consolidated" / "cells" / "job-1" / "v" / "i" / "781" / "0" / "0.tif"
    assert one.uri == path.as_uri()
    with rasterio.open(f"GTIFF_DIR:3:{path}") as file:
        np.testing.assert_array_equal(file.read(), before[("R2",)][0])
        assert file.overviews(1) == [2, 4]
        assert file.nodata == 0
        assert file.tags()["TIFFTAG_DOCUMENTNAME"] == "R2"
        assert file.block_shapes == [(16, 16)]
        assert file.compression.name == "zstd"
    assert four.catalogue.containers.get(one.uri).managed


def test_footprints_are_where_pixels_are_valid(four):
    """The sources begin 16 columns from the west, and have an empty corner of 40 x 70 pixels."""
    four.consolidate(instances=["v/i"], layout=four.layout()).run()
    [one] = [d for d in four.datasets() if d.grid == CELL and d.subdir == "GTIFF_DIR:1"]
    valid = four.cube(CELL)[("R0",)][1][0]
    share = one.footprint.area / _outline(CELL).area
    assert share == pytest.approx(valid.mean(), abs=0.002)  # a map of 64 blocks a side knows each pixel of this cell
    for row, col in [(32, 32), (50, 8), (50, 40)]:  # in the empty corner, beside the sources, of a pixel
        lon, lat = transformer(CELL.crs, "OGC:CRS84").transform(*(CELL.transform @ (col + 0.5, row + 0.5)))
        assert one.footprint.contains(Point(lon, lat)) == valid[row, col]
    assert valid[50, 40]


def _outline(grid):
    from prismcube.model.custom_cells import outline

    return outline(grid.bounds, grid.crs)


def test_new_dates_join_files_that_are_not_full_without_being_packed_again(four, pixels, same_cubes):
    layout = four.layout()
    four.consolidate(instances=["v/i"], layout=layout).run()
    old = {path.relative_to(four.managed / "consolidated/cells/job-1"): path for path in four.files()}
    packed = {name: [blocks_of(path, number) for number in (1, 2, 3, 4)] for name, path in old.items()}
    four.add(pixels(100, 150, seed=9), day=9)
    before = four.cube(GRID)
    job = four.consolidate(instances=["v/i"], layout=layout).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, four.cube(GRID))
    assert (job.results["files"], job.results["replaced"]) == (6, 6 * 4 + 1)
    for name, blocks in packed.items():
        path = four.managed / "consolidated/cells/job-2" / name
        assert [blocks_of(path, number) for number in (1, 2, 3, 4)] == blocks
        with open_pages(path) as pages:
            assert len(pages) == 5
    deletion = four.jobs[job.results["deletion"]].run()
    assert deletion.stage.name == "done"
    assert [path for path in old.values() if path.exists()] == []
    same_cubes(before, four.cube(GRID))


def test_full_files_are_left_alone(four, pixels, same_cubes):
    layout = four.layout(max_records=2)
    four.consolidate(instances=["v/i"], layout=layout).run()
    digests = {path: hashlib.sha256(path.read_bytes()).digest() for path in four.files()}
    four.add(pixels(100, 150, seed=9), day=9)
    before = four.cube(GRID)
    job = four.consolidate(instances=["v/i"], layout=layout).run()
    assert (job.results["files"], job.results["replaced"], job.results["kept"]) == (6, 1, 6 * 4)
    same_cubes(before, four.cube(GRID))
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in digests} == digests


def test_what_lies_there_as_wanted_is_left_alone(four):
    layout = four.layout()
    four.consolidate(instances=["v/i"], layout=layout).run()
    before = four.datasets(None)
    job = four.consolidate(instances=["v/i"], layout=layout).run()
    assert job.stage.name == "done"
    assert (job.results["files"], job.results["kept"]) == (0, 24)
    assert four.datasets(None) == before


@pytest.mark.parametrize(
    "settings",
    [
        {"compression": "none"},
        {"compression": "custom", "creation_options": {"COMPRESS": "DEFLATE", "PREDICTOR": "2", "ZLEVEL": "6"}},
        {"compression": "custom", "creation_options": {"COMPRESS": "LZW"}},
        {"format": {"dtype": "int32", "nodata": -1}},
        {"format": {"dtype": "float32", "nodata": "nan"}},
    ],
    ids=lambda one: str(next(iter(one.values()))),
)
def test_other_formats_and_compressions_are_written_anew(four, same_cubes, settings):
    before = four.cube(GRID)
    layout = four.layout()
    four.consolidate(instances=["v/i"], layout=layout).run()
    job = four.consolidate(instances=["v/i"], layout=layout, consolidation=settings).run()
    assert job.stage.name == "done", job.error
    assert (job.results["files"], job.results["replaced"], job.results["kept"]) == (6, 24, 0)
    same_cubes(before, four.cube(GRID))
    again = four.consolidate(instances=["v/i"], layout=layout, consolidation=settings).run()
    assert (again.results["files"], again.results["kept"]) == (0, 24)


def test_a_date_of_several_files_is_laid_together(bench, pixels, same_cubes):
    """Two files of a date that overlap, in the order in which readers lay them."""
    bench.variable()
    bench.add(pixels(60, 80, seed=1, empty=[(slice(0, 30), slice(40, 80))]), record="R")
    bench.add(pixels(60, 80, seed=2, empty=[(slice(10, 20), slice(0, 80))]), record="R", x=500_300, y=4_999_700)
    before = bench.cube(GRID)
    bench.consolidate(instances=["v/i"], layout=bench.layout()).run()
    same_cubes(before, bench.cube(GRID))
    assert len(bench.datasets()) == len({one.grid for one in bench.datasets()})


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "average"])
def test_sources_of_another_crs_are_warped_as_readers_see_them(bench, pixels, resampling):
    """Judged by the cube that is read before, on the cells themselves."""
    x, y = transformer("EPSG:32633", "EPSG:32634").transform(500_400, 4_999_600)
    bench.variable()
    bench.add(pixels(90, 120, seed=3), crs="EPSG:32634", x=x, y=y)
    grids = [CELL.shifted(64 * row, 64 * col, height=64, width=64) for row in range(-1, 4) for col in range(-1, 5)]
    before = {grid: bench.cube(grid, resampling=resampling) for grid in grids}
    settings = {"resampling": resampling}
    job = bench.consolidate(instances=["v/i"], layout=bench.layout(), consolidation=settings).run()
    assert job.stage.name == "done", job.error
    assert len(bench.datasets()) > 3
    for one in bench.datasets():
        [(values, valid)] = before.pop(one.grid).values()
        assert valid.any()
        with rasterio.open(one.uri) as file:
            np.testing.assert_array_equal(file.read(), values)
    assert not any(valid.any() for cube in before.values() for _, valid in cube.values())


def test_values_are_mapped_to_the_range_of_the_format(bench, pixels):
    """Reflectances of 0 to 1 as 0 to 200 counts of a byte: right to half a count."""
    bench.variable(dtype="float32", nodata=float("nan"), minimum=0, maximum=1)
    mapping = ValueMapping(imin=0, imax=250, emin=0, emax=1)
    bench.add(pixels(64, 64, seed=4, empty=[(slice(0, 9), slice(0, 9))]), mapping=mapping)
    before = bench.cube(GRID)[("R0",)]
    settings = {"format": {"dtype": "uint8", "nodata": 255, "minimum": 0, "maximum": 200}}
    job = bench.consolidate(instances=["v/i"], layout=bench.layout(), consolidation=settings).run()
    assert job.stage.name == "done", job.error
    after = bench.cube(GRID)[("R0",)]
    np.testing.assert_array_equal(after[1], before[1])
    np.testing.assert_allclose(after[0][after[1]], before[0][before[1]], atol=0.5 / 200 + 1e-6)
    with rasterio.open(bench.datasets()[0].uri) as file:
        assert (file.dtypes, file.nodata) == (("uint8",), 255)
        assert file.scales[0] == pytest.approx(1 / 200)


def test_stored_numbers_stay_when_they_mean_the_same(bench, pixels):
    """A mapping of the source that is the one to be written: no number goes through the variable's own type."""
    bench.variable(dtype="uint8", nodata=0, minimum=0, maximum=100)
    mapping = ValueMapping(imin=0, imax=1000, emin=0, emax=100)
    source = bench.add(pixels(64, 64, seed=5), mapping=mapping)
    settings = {"format": {"dtype": "uint16", "nodata": 0, "minimum": 0, "maximum": 1000}}
    bench.consolidate(instances=["v/i"], layout=bench.layout(), consolidation=settings).run()
    with rasterio.open(source) as file:
        wanted = file.read(1)
    found = np.zeros((100, 150), dtype="uint16")
    for one in bench.datasets():
        with rasterio.open(one.uri) as file:
            row, col = GRID.pixel_offset(one.grid)
            part = file.read(1)[max(-row, 0) :, max(-col, 0) :]
            row, col = max(row, 0), max(col, 0)
            height, width = min(len(part), 100 - row), min(part.shape[1], 150 - col)
            found[row : row + height, col : col + width] = part[:height, :width]
    np.testing.assert_array_equal(found[:64, :64], wanted)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_lossy_files_keep_validity_and_stay_within_their_error(bench, pixels, dtype):
    """Nodata does not survive LERC, so a band of its own tells where pixels are valid; of floats NaN does."""
    bench.variable(dtype=dtype, nodata=0, minimum=0, maximum=250)
    bench.add(pixels(100, 150, dtype=dtype, seed=6, empty=[(slice(0, 40), slice(0, 70))]), nodata=0)
    before = bench.cube(GRID)[("R0",)]
    settings = {"compression": "lossy", "max_error": 0.02}
    job = bench.consolidate(instances=["v/i"], layout=bench.layout(), consolidation=settings).run()
    assert job.stage.name == "done", job.error
    values, valid = bench.cube(GRID)[("R0",)]
    np.testing.assert_array_equal(valid, before[1])
    off = np.abs(values.astype(float) - before[0].astype(float))[valid]
    assert 0 < off.max() <= 5
    with rasterio.open(bench.datasets()[0].uri) as file:
        assert file.overviews(1) == [2, 4]
        if dtype == "float32":
            assert (file.count, np.isnan(file.nodata)) == (1, True)
        else:
            assert (file.count, file.colorinterp[-1].name) == (2, "alpha")
    again = bench.consolidate(instances=["v/i"], layout="cells", consolidation=settings).run()
    assert again.results["files"] == 0


def test_lossy_files_are_warped_without_what_is_not_valid(bench):
    """A bilinear kernel at the edge of what is valid takes none of the rest."""
    bench.variable(dtype="uint8", nodata=0, minimum=0, maximum=250)
    picture = np.full((100, 150), 200, dtype="uint8")
    picture[:, :75] = 0
    bench.add(picture)
    finer = Grid("EPSG:32633", Affine(7, 0, 500_300, 0, -7, 4_999_900), 90, 130)
    before = bench.cube(finer, resampling="bilinear")[("R0",)]
    settings = {"compression": "lossy", "max_error": 0.01}
    bench.consolidate(instances=["v/i"], layout=bench.layout(), consolidation=settings).run()
    values, valid = bench.cube(finer, resampling="bilinear")[("R0",)]
    assert (valid == before[1]).mean() > 0.99  # cells end at other places than the source does
    assert np.abs(values[valid].astype(int) - 200).max() <= 2


def test_jpeg_with_an_alpha(bench):
    bench.variable(dtype="uint8", nodata=0, minimum=0, maximum=255, bands=("r", "g", "b"))
    picture = np.zeros((3, 64, 64), dtype="uint8")
    picture[:, 16:, 16:] = np.linspace(20, 220, 48, dtype="uint8")
    bench.add(picture, x=499_840)
    settings = {"compression": "custom", "creation_options": {"COMPRESS": "JPEG", "JPEG_QUALITY": "95"}}
    job = bench.consolidate(instances=["v/i"], layout=bench.layout(), consolidation=settings).run()
    assert job.stage.name == "done", job.error
    values, valid = bench.cube(CELL)[("R0",)]
    assert (valid == (picture > 0)).mean() > 0.97
    assert np.abs(values.astype(int) - picture)[valid & (picture > 0)].mean() < 3


def test_jpeg_of_colours(bench):
    """Three bands as luminance and chrominance, where every pixel is valid: a third of the size, and pixel by pixel."""
    bench.variable(dtype="uint8", nodata=None, bands=("r", "g", "b"))
    across = np.linspace(20, 220, 64, dtype="uint8")
    picture = np.stack([np.tile(across, (64, 1)), np.tile(across[::-1], (64, 1)), np.tile(across, (64, 1)).T])
    for day in range(2):
        bench.add(picture, x=499_840, day=day, nodata=None)
    options = {"COMPRESS": "JPEG", "JPEG_QUALITY": "90", "PHOTOMETRIC": "YCBCR"}
    settings = {"compression": "custom", "creation_options": options}
    job = bench.consolidate(instances=["v/i"], layout=bench.layout(), consolidation=settings).run()
    assert job.stage.name == "done", job.error
    for values, valid in bench.cube(CELL).values():
        assert valid.all()
        assert np.abs(values.astype(int) - picture).mean() < 4
    with rasterio.open(f"GTIFF_DIR:2:{bench.datasets()[0].uri[7:]}") as file:
        assert file.photometric.name == "ycbcr"
        assert file.overviews(1) == [2, 4]


def test_formats_without_nodata_keep_what_is_empty_apart(bench, pixels, same_cubes):
    """Cells reach beyond the images, where 0 would be a value; those within them need no band for that."""
    bench.variable(dtype="uint8", nodata=None)
    bench.add(pixels(100, 250, dtype="uint8", seed=7), nodata=None)
    around = GRID.shifted(-20, -20, height=150, width=320)
    before = bench.cube(around)
    layout = bench.layout()
    bench.consolidate(instances=["v/i"], layout=layout).run()
    same_cubes(before, bench.cube(around))
    bands = {}
    for one in bench.datasets():
        with rasterio.open(one.uri) as file:
            bands[one.grid.bounds.west, one.grid.bounds.north] = file.count
    assert bands[500_480, 5_000_000] == bands[501_120, 5_000_000] == 1
    assert sorted(bands.values()) == [1] * 3 + [2] * 7
    headers = bench.catalogue.headers.of(bench.datasets())
    assert sum(one.layout is not None for one in headers.values()) == 3  # these are read the fast way


def test_dates_with_and_without_a_band_of_validity_share_a_file(bench, pixels, same_cubes):
    """The first covers its cell, the second does not: both get the band, the first is written anew for it."""
    bench.variable(dtype="uint8", nodata=None)
    bench.add(pixels(64, 64, dtype="uint8", seed=1), nodata=None, x=499_840)
    layout = bench.layout()
    bench.consolidate(instances=["v/i"], layout=layout).run()
    bench.add(pixels(64, 40, dtype="uint8", seed=2), nodata=None, x=499_840, day=1)
    before = bench.cube(CELL)
    job = bench.consolidate(instances=["v/i"], layout=layout).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, bench.cube(CELL))
    bench.add(pixels(64, 64, dtype="uint8", seed=3), nodata=None, x=499_840, day=2)
    before = bench.cube(CELL)
    job = bench.consolidate(instances=["v/i"], layout=layout).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, bench.cube(CELL))
    with rasterio.open(f"GTIFF_DIR:3:{bench.datasets()[-1].uri[7:]}") as file:
        assert file.count == 2


def test_all_records_collapse_into_a_new_one(four):
    before = four.cube(GRID, group="all")
    collapse = {"name": "mosaic", "time": "2020-01-31", "tags": {"kind": "mosaic"}}
    job = four.consolidate(instances=["v/i"], layout=four.layout(), collapse=collapse).run()
    assert job.stage.name == "done", job.error
    after = four.cube(GRID)
    np.testing.assert_array_equal(after[("mosaic",)][0], next(iter(before.values()))[0])
    np.testing.assert_array_equal(after[("mosaic",)][1], next(iter(before.values()))[1])
    assert four.datasets(DatasetStatus.TO_DELETE) == []
    assert job.results["replaced"] == 0
    assert {key for (key,) in after} == {"R0", "R1", "R2", "R3", "mosaic"}
    assert four.catalogue.datasets.locks(one.id for one in four.datasets(None)) == {}
    with pytest.raises(InvalidInput, match="name another one"):  # one would lie over the other
        four.consolidate(instances=["v/i"], layout="cells", collapse=collapse)
    with pytest.raises(InvalidInput, match=r"collapse\.time"):
        four.consolidate(instances=["v/i"], layout="cells", collapse=collapse | {"time": "bad"})


def test_files_lie_apart_from_results_of_jobs(four):
    """Which go with their jobs."""
    with pytest.raises(InvalidInput, match="results"):
        four.consolidate(
            instances=["v/i"],
            layout=four.layout("results"),
            uri="{layout}/{job}/{variable}/{instance}/{cell}/{number}.tif",
        )


def test_cells_of_two_crs(bench, pixels):
    """A grid of two cells, each in its own zone; a source on either side of 18 degrees east."""
    from prismcube.catalogue.grids import StoredGrid
    from prismcube.model.custom_cells import CustomCell, outline
    from prismcube.model.grid import Bounds

    west, east = Bounds(731_000, 4_990_000, 737_000, 5_000_000), Bounds(263_000, 4_990_000, 269_000, 5_000_000)
    cells = [
        CustomCell(id=name, crs=crs, footprint=outline(bounds, crs), bounds=bounds)
        for name, crs, bounds in (("west", "EPSG:32633", west), ("east", "EPSG:32634", east))
    ]
    bench.catalogue.grids.create(StoredGrid(name="two"), cells)
    bench.variable()
    bench.add(pixels(60, 60, seed=1), x=734_000, y=4_997_000)
    bench.add(pixels(60, 60, seed=2), crs="EPSG:32634", x=265_000, y=4_997_000, day=1)
    layout = bench.layout(grid=CustomGrid("two", 10), block_width=256, block_height=256)
    grids = [Grid("EPSG:32633", Affine(10, 0, 731_000, 0, -10, 5_000_000), 1000, 600)]
    grids.append(Grid("EPSG:32634", Affine(10, 0, 263_000, 0, -10, 5_000_000), 1000, 600))
    before = [bench.cube(grid) for grid in grids]
    job = bench.consolidate(instances=["v/i"], layout=layout).run()
    assert job.stage.name == "done", job.error
    assert {one.grid for one in bench.datasets()} <= set(grids)
    assert {one.grid.crs for one in bench.datasets()} == {"EPSG:32633", "EPSG:32634"}
    for grid, cube in zip(grids, before, strict=True):
        for one in bench.datasets():
            if one.grid == grid:
                record = bench.catalogue.records.get_by_id(one.record_id).name
                with rasterio.open(f"{one.subdir}:{one.uri[7:]}" if one.subdir else one.uri) as file:
                    np.testing.assert_array_equal(file.read(), cube[(record,)][0])


def test_a_single_cell_is_written_in_strips(bench, pixels, same_cubes):
    """Memory for some rows only: the same file as with memory for all."""
    from dataclasses import replace

    bench.variable()
    for day in range(2):
        bench.add(pixels(1000, 700, seed=day, empty=[(slice(300, 700), slice(0, 600))]), day=day)
    grid = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 1000, 700)
    before = bench.cube(grid)
    layout = bench.layout(grid=SingleCell("EPSG:32633", 10), block_width=64, block_height=64)
    plenty = bench.consolidate(instances=["v/i"], layout=layout).run(until="swap")
    [first] = bench.files()
    content = first.read_bytes()
    plenty.cancel()
    bench.tools = replace(bench.tools, memory=800_000)
    job = bench.consolidate(instances=["v/i"], layout=layout).run()
    assert job.stage.name == "done", job.error
    same_cubes(before, bench.cube(grid))
    [second] = bench.files()
    assert second.read_bytes() == content
    tiny = bench.layout("tiny", grid=SingleCell("EPSG:32633", 10), block_width=64, block_height=64)
    bench.tools = replace(bench.tools, memory=50_000)
    job = bench.consolidate(instances=["v/i"], layout=tiny).run()
    assert job.stage.name == "consolidate-failed"
    assert "take a layout of smaller cells" in job.error


def test_real_images_are_the_same_afterwards(bench, demo_data, same_cubes):
    """130 dates of four bands and classes, from the demo."""
    bench.index(demo_data.parent / "s2-romania.yml", demo_data / "s2-romania-2015-2021")
    names = {"s2-reflectance": "l2a", "s2-scl": "l2a"}
    of = [bench.catalogue.variables.get(name) for name in names]
    ids = [bench.catalogue.instances.get(one.id, "l2a").id for one in of]
    grid = bench.datasets()[0].grid
    before = [bench.cube_of(id, one, grid) for id, one in zip(ids, of, strict=True)]
    layout = bench.layout(
        "romania",
        grid=RegularGrid(
            crs=grid.crs,
            resolution=grid.resolution[0],
            cell_width=128,
            cell_height=128,
            origin_x=grid.bounds.west,
            origin_y=grid.bounds.north,
        ),
        max_records=50,
    )
    job = bench.consolidate(collection="s2-romania", layout=layout).run()
    assert job.stage.name == "done", job.error
    for id, one, cube in zip(ids, of, before, strict=True):
        same_cubes(cube, bench.cube_of(id, one, grid))


def test_what_can_not_be_asked_is_refused_and_named(four):
    layout = four.layout()
    for inputs, parameter in [
        ({"instances": ["v/i"], "layout": "none"}, "layout"),
        ({"instances": ["i"], "layout": layout}, "instances"),
        ({"layout": layout}, "instances"),
        ({"instances": ["v/i"], "layout": layout, "filter": {"datetime": "2030"}}, "records"),
        ({"instances": ["v/i"], "layout": layout, "filter": {"datetime": "soon"}}, "filter.datetime"),
        ({"instances": ["v/i"], "layout": layout, "uri": "{cell}.tif"}, "uri"),
        ({"instances": ["v/i"], "layout": layout, "uri": "file:///etc/{job}.tif"}, "uri"),
        ({"instances": ["v/i"], "layout": layout, "consolidation": {"compression": "lossy"}}, "consolidation.format"),
        (
            {"instances": ["v/i"], "layout": layout, "consolidation": {"overview_resampling": "max"}},
            "consolidation.overview_resampling",
        ),
    ]:
        with pytest.raises(InvalidInput) as raised:
            four.consolidate(**inputs)
        assert raised.value.parameter == parameter
    for inputs in ({"instances": ["w/i"]}, {"instances": ["v/j"]}, {"collection": "c"}):
        with pytest.raises(NotFound):
            four.consolidate(layout=layout, **inputs)
    with pytest.raises(NotFound):
        four.consolidate(layout=layout, instances=["v/i"], records=[99])
    far = four.layout("arctic", grid=SingleCell("EPSG:3031", 1e-6))
    with pytest.raises(InvalidInput) as raised:
        four.consolidate(layout=far, instances=["v/i"])
    assert raised.value.parameter == "layout"


def test_sources_beyond_the_grid_are_refused(four):
    grid = RegularGrid(
        crs="EPSG:32633",
        resolution=10,
        cell_width=64,
        cell_height=64,
        origin_x=500_000,
        origin_y=5_000_000,
        columns=1,
        rows=2,
    )
    with pytest.raises(InvalidInput, match="beyond its cells"):
        four.consolidate(layout=four.layout("short", grid=grid), instances=["v/i"])


def test_an_estimate_writes_nothing(four):
    from processes.consolidate import estimate

    told = estimate(four.tools, {"instances": ["v/i"], "layout": four.layout()}).to_json()
    assert told == {
        "tasks": 6,
        "files": 6,
        "readBytes": 6 * 4 * 100 * 150 * 2,
        "writtenBytes": 6 * 4 * 64 * 64 * 2,
        "dates": 24,
        "copiedDates": 0,
        "kept": 0,
    }
    assert four.files() == []
    assert four.catalogue.datasets.locks(one.id for one in four.datasets(None)) == {}
