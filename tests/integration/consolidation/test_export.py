"""Large cubes in parts: the same pixels that one answer would have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import xarray
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import ZipStore

from prismcube.consolidation import export, export_parts
from prismcube.cube.plan import CubePlan, SlicePlan
from prismcube.errors import BudgetExceeded, Cancelled, InvalidInput, NotFound, SourceError
from prismcube.model.cube import OutputField, Step
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.storage.uri import gdal_path
from processes import export_cube

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)
FORMAT = DataFormat(dtype="uint16", nodata=0)
ORDER = export.ExportOrder.from_inputs({"collection": "c"})
T0 = datetime(2020, 1, 1, tzinfo=UTC)


def opened(path, format):
    if format == "netcdf":
        return xarray.open_dataset(path, engine="h5netcdf", mask_and_scale=False)
    return xarray.open_zarr(ZipStore(path, mode="r"), mask_and_scale=False)


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_a_cube_in_parts_is_the_cube(five, format):
    before = five.cube(GRID)
    job = five.job(export_cube.PROCESS, collection="c", format=format).run()
    assert job.stage.name == "done", job.error
    assert len(job.tasks["compute"]) == 3
    read = sum(task.result["read_bytes"] for task in job.tasks["compute"])
    assert read == export_cube.PROCESS.estimate(five.tools, job.inputs).read_bytes
    assert read == 5 * 100 * 150 * before[("R0",)][0].itemsize  # all pixels of all dates, once
    assert job.results["ends"] == {"ok": 5}
    [path] = five.files()
    assert job.results["cube"]["href"] == path.as_uri()
    assert job.results["cube"]["bytes"] == path.stat().st_size
    with opened(path, format) as cube:
        assert cube["b"].shape == (5, 100, 150)
        for step, (values, _) in enumerate(before.values()):
            np.testing.assert_array_equal(cube["b"].values[step], values[0])


@pytest.mark.parametrize("format", ["netcdf", "zarr", "cog"])
def test_steps_larger_than_memory_come_in_rows(five, monkeypatch, format):
    """Of whole blocks of the file, here of 16 rows."""
    before = five.cube(GRID)
    monkeypatch.setattr(export.Format, "block_rows", 16)
    if format != "cog":  # whose blocks are 160 pixels a side here; it takes any rows
        monkeypatch.setattr(f"prismcube.encode.{format}.CHUNK", 16)
    whole = export.plan_export(five.catalogue, ORDER, memory=2**30).plan
    five.tools = replace(five.tools, memory=whole.slice_bytes)  # and no room for the file
    job = five.job(export_cube.PROCESS, collection="c", format=format)
    told = export_cube.estimate(five.tools, job.inputs).to_json()
    job.run()
    assert job.stage.name == "done", job.error
    parts = [task.payload["part"] for task in job.tasks["compute"]]
    assert len(parts) == told["tasks"] > 5
    names = [task.name for task in job.tasks["compute"]]
    assert names[:2] == ["time step 1", f"time step 1, from row {1 + told['rows']}"]
    assert told["rows"] % 16 == 0
    assert job.results["ends"] == {"ok": 5}
    assert job.results["steps"] == 5
    [path] = five.files()
    expected = [values[0] for values, _ in before.values()]
    if format == "cog":
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(), expected)
            assert [file.tags(band)["status"] for band in file.indexes] == ["ok"] * 5
        return
    with opened(path, format) as cube:
        np.testing.assert_array_equal(cube["b"].values, expected)
        assert cube["status"].values.tolist() == [0] * 5


@pytest.mark.parametrize("format", ["netcdf", "cog"])
def test_how_a_step_in_rows_has_ended_is_told_once(five, monkeypatch, format):
    """Without one of its five files."""
    monkeypatch.setattr(export.Format, "block_rows", 16)
    order = replace(ORDER, group="all", mosaic="max", format=format)
    whole = export.plan_export(five.catalogue, order, memory=2**30).plan
    five.tools = replace(five.tools, memory=whole.slice_bytes)
    (five.sources / "001.tif").unlink()
    inputs = {"group": "all", "mosaic": "max", "format": format, "incomplete": True}
    job = five.job(export_cube.PROCESS, collection="c", **inputs).run()
    assert len(job.tasks["compute"]) > 1
    assert (job.results["ends"], job.results["steps"]) == ({"partial": 1}, 1)
    if format == "cog":
        with rasterio.open(five.files()[0]) as file:
            assert file.tags(1)["status"] == "partial"
            assert file.tags(1)["message"].count("001.tif") == 1
        return
    with opened(five.files()[0], format) as cube:
        assert cube["status"].values.tolist() == [cube["status"].attrs["flag_meanings"].split().index("partial")]


def test_memory_too_small_for_a_row_of_blocks_is_refused_and_told(five, monkeypatch):
    monkeypatch.setattr(export.Format, "block_rows", 16)
    plan = export.plan_export(five.catalogue, ORDER, memory=2**30).plan
    least = (plan.slice_bytes + 2 * 3 * plan.grid.pixels) * 16 // plan.grid.height
    found = export.plan_export(five.catalogue, ORDER, memory=least + 1)
    assert {part.height for part in found.parts} == {16, 100 % 16}
    with pytest.raises(BudgetExceeded, match="narrower") as refused:
        export.plan_export(five.catalogue, ORDER, memory=least // 2)
    assert refused.value.asked == least


@given(
    st.integers(1, 9), st.integers(1, 5_000), st.integers(1, 2_000), st.sampled_from([512, 1024]), st.integers(1, 2**30)
)
def test_parts_are_all_of_the_cube_once_and_fit(steps, height, width, block, memory):
    one = SlicePlan(Step(T0, T0, ("r",)), ())
    field = OutputField("v", FORMAT)
    grid = Grid(GRID.crs, GRID.transform, height, width)
    plan = CubePlan(grid=grid, fields=(field,), computed=(), masks={}, mosaic="last", slices=(one,) * steps)
    try:
        rows = export._rows(plan, block, memory)
    except BudgetExceeded as error:
        assert error.asked > memory
        return
    parts = list(export._parts(plan, rows))
    covered = np.zeros((steps, height), int)
    for part in parts:
        covered[part.first : part.after, part.row : part.row + part.height] += 1
        assert part.row % min(block, height) == 0
        piece = part.of(plan)
        assert piece.grid.height == part.height
        assert len(piece.slices) == part.after - part.first
        assert piece.slice_bytes + 2 * 3 * piece.grid.pixels <= memory
    assert (covered == 1).all()
    assert [(part.first, part.row) for part in parts] == sorted((part.first, part.row) for part in parts)


def test_a_cog_of_computed_fields(five):
    before = five.cube(GRID)
    job = five.job(
        export_cube.PROCESS, collection="c", format="cog", properties=["twice"], datetime="2020-01-02/2020-01-03"
    ).run()
    assert job.stage.name == "done", job.error
    with rasterio.open(five.files()[0]) as file:
        assert file.count == 2
        for band, day in ((1, "R1"), (2, "R2")):
            values, valid = (one[0] for one in before[(day,)])
            np.testing.assert_array_equal(file.read(band, masked=True).filled(0), np.where(valid, 2.0 * values, 0))


def test_place_size_groups_and_rules_are_those_of_the_order(five):
    inputs = {
        "bbox": [500_100, 4_999_200, 501_000, 4_999_900],
        "bboxCrs": "EPSG:32633",
        "resolution": 30,
        "group": "all",
        "mosaic": "max",
        "resampling": "nearest",
    }
    grid = Grid("EPSG:32633", Affine(30, 0, 500_100, 0, -30, 4_999_900), 24, 30)
    parts = five.cube(grid)
    expected = np.max([np.where(valid, values, 0) for values, valid in parts.values()], axis=0)
    job = five.job(export_cube.PROCESS, collection="c", **inputs).run()
    with opened(five.files()[0], "netcdf") as cube:
        np.testing.assert_array_equal(cube["b"].values, expected)
    assert job.results["steps"] == 1


def test_data_that_come_later_are_in_no_part(five, pixels):
    job = five.job(export_cube.PROCESS, collection="c").run(until="compute")
    five.add(pixels(100, 150, seed=9), day=2, record="late")
    job.run()
    assert job.results["steps"] == 5


def test_every_task_may_run_twice(five):
    from prismcube.model.machine import Event

    before = five.cube(GRID)
    job = five.job(export_cube.PROCESS, collection="c")
    for name in ("prepare", "compute", "write", "clean"):
        assert job.stage.name == name
        for _ in range(2):
            for task in list(job.tasks[name]):
                job.attempt(task)
                assert task.error is None
        job.move(Event.DONE)
    [path] = five.files()
    with opened(path, "netcdf") as cube:
        np.testing.assert_array_equal(cube["b"].values, [values[0] for values, _ in before.values()])


def test_a_time_step_can_be_given_up(five, monkeypatch):
    """Before each of its files, not only after it."""
    job = five.job(export_cube.PROCESS, collection="c", group="all", mosaic="median").run(until="compute")
    [task] = job.open_tasks()
    asked = []

    def progress(self, share, message=""):
        asked.append(share)
        if len(asked) == 3:
            raise Cancelled("task 2 is no longer wanted")

    monkeypatch.setattr(f"{type(job).__module__}.FakeWork.progress", progress)
    job.attempt(task)
    assert isinstance(task.error, Cancelled)
    assert set(asked) == {0.0}


@pytest.mark.parametrize("format", ["netcdf", "zarr"])  # which grow under that name
def test_a_file_that_is_broken_off_leaves_nothing(five, monkeypatch, format):
    job = five.job(export_cube.PROCESS, collection="c", format=format).run(until="write")
    parts = five.files()
    [task] = job.open_tasks()

    def progress(self, share, message=""):
        assert five.files() != parts  # there is something of it
        raise Cancelled("nobody wants it any more")

    monkeypatch.setattr(f"{type(job).__module__}.FakeWork.progress", progress)
    job.attempt(task)
    assert isinstance(task.error, Cancelled)
    assert five.files() == parts


def test_messages_tell_no_secret(five, monkeypatch):
    """A source is named by its URI, which may be signed."""
    job = five.job(export_cube.PROCESS, collection="c").run(until="compute")
    for path in five.sources.iterdir():
        path.unlink()
    part = export_parts.read_part

    def signed(folder, number):
        cut, plan = part(folder, number)
        [first, *others] = plan.slices
        layer = first.layers[0]
        step = replace(layer.steps[0], uri="https://127.0.0.1:9/a.tif?X-Amz-Signature=SECRET")
        first = replace(first, layers=(replace(layer, steps=(step,)),))
        return cut, replace(plan, slices=(first, *others))

    monkeypatch.setattr(export_parts, "read_part", signed)
    job.run()
    assert job.stage.name == "compute-failed"
    assert "127.0.0.1:9/a.tif" in job.error
    assert "SECRET" not in job.error


@pytest.mark.parametrize("stage", ["prepare", "compute", "write", "clean"])
def test_cancel_leaves_nothing(five, stage):
    job = five.job(export_cube.PROCESS, collection="c").run(until=stage)
    job.cancel()
    assert job.stage.name == "cancelled"
    assert five.files() == []
    assert not (five.managed / "results" / job.id).exists()


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no TIFF at all")])
@pytest.mark.parametrize("group", ["record", "all"])
def test_a_file_that_can_not_be_read_fails_its_part_until_it_is_back(five, harm, group):
    """Be it all of its time step, or one of five."""
    inputs = {"group": group, "mosaic": "max"}
    whole = five.job(export_cube.PROCESS, collection="c", **inputs).run().results
    path = five.sources / "003.tif"
    data = path.read_bytes()
    harm(path)
    job = five.job(export_cube.PROCESS, collection="c", **inputs).run()
    [broken] = [task for task in job.tasks["compute"] if task.error]
    assert job.stage.name == "compute-failed"
    assert type(broken.error) is SourceError  # which is not tried again by itself
    assert job.error.startswith(f"{path.as_uri()}: could not be exported: 003.tif could not be read")
    assert "of this part" not in job.error
    assert not [path for path in five.files() if job.id in str(path) and path.name == "cube.nc"]
    path.write_bytes(data)
    job.retry()
    assert job.stage.name == "done", job.error
    assert [task.attempts for task in job.tasks["compute"]] == [1 + (task is broken) for task in job.tasks["compute"]]
    assert job.results["ends"] == whole["ends"]
    with (
        xarray.open_dataset(gdal_path(job.results["cube"]["href"]), engine="h5netcdf") as cube,
        xarray.open_dataset(gdal_path(whole["cube"]["href"]), engine="h5netcdf") as expected,
    ):
        xarray.testing.assert_identical(cube, expected)


def test_a_part_tells_how_many_of_its_steps_can_not_be_read(five):
    away = [path.rename(five.folder / path.name) for path in sorted(five.sources.iterdir())[:2]]
    job = five.job(export_cube.PROCESS, collection="c").run()
    assert job.stage.name == "compute-failed"
    assert "000.tif could not be read" in job.error
    assert job.error.endswith("(2 time steps of this part can't be read, or not wholly)")
    for path in away:
        path.rename(five.sources / path.name)
    job.retry()
    assert job.results["ends"] == {"ok": 5}


def test_an_incomplete_cube_lacks_steps_that_can_not_be_read_and_tells_them(five):
    """Also those of a whole part."""
    for name in ("000.tif", "001.tif", "003.tif"):
        (five.sources / name).unlink()
    job = five.job(export_cube.PROCESS, collection="c", incomplete=True).run()
    assert job.stage.name == "done", job.error
    assert (job.results["ends"], job.results["steps"]) == ({"ok": 2, "failed": 3}, 5)
    [line] = job.messages
    assert line.startswith("3 of 5 time steps could not be read, or not wholly: 000.tif could not be read")
    assert "003.tif" in line
    with xarray.open_dataset(five.files()[0], engine="h5netcdf") as cube:
        meanings = cube["status"].attrs["flag_meanings"].split()
        ends = [meanings[one] for one in cube["status"].values]
        assert ends == ["failed", "failed", "ok", "failed", "ok"]
        assert np.isnan(cube["b"].values[0]).all()


def test_an_incomplete_cube_of_all_files_has_nothing_to_tell(five):
    job = five.job(export_cube.PROCESS, collection="c", incomplete=True).run()
    assert (job.results["ends"], job.messages) == ({"ok": 5}, [])


def test_what_can_not_be_exported_is_refused(five):
    with pytest.raises(NotFound):
        five.job(export_cube.PROCESS, collection="none")
    for inputs, parameter in [
        ({"properties": ["z"]}, "properties"),
        ({"bboxCrs": "EPSG:99999"}, "bboxCrs"),
        ({"bboxCrs": "EPSG:32633"}, "bboxCrs"),
        ({"bbox": [0, 0, 1, 1]}, "bbox"),
        ({"datetime": "2030"}, "datetime"),
        ({"width": 10, "resolution": 3}, "size"),
    ]:
        with pytest.raises(InvalidInput) as raised:
            five.job(export_cube.PROCESS, collection="c", **inputs)
        assert raised.value.parameter == parameter
    five.tools = replace(five.tools, memory=100_000)
    with pytest.raises(BudgetExceeded):
        five.job(export_cube.PROCESS, collection="c")


def test_an_estimate_computes_nothing(five):
    told = export_cube.estimate(five.tools, {"collection": "c"}).to_json()
    assert (told["tasks"], told["files"], told["steps"]) == (3, 1, 5)
    assert told["writtenBytes"] == 5 * 100 * 150 * 2
    assert five.files() == []


def test_reading_what_is_gone_makes_no_folder(five, tmp_path):
    five.catalogue.managed = (tmp_path / "ours").as_uri()
    folder = export_parts.Folder.of(five.catalogue, "gone")
    with pytest.raises(SourceError, match="can't be read"):
        export_parts.compute_part(folder, 0, incomplete=True, progress=lambda *_: None)
    assert not (tmp_path / "ours").exists()
