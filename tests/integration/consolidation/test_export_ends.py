"""How exports end of which there is little or nothing, and where what they leave lies."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray

from prismcube.errors import OutsideExtent
from prismcube.model.collection import Collection, StoredField
from prismcube.model.formats import DataFormat
from processes import export_cube


@pytest.fixture
def bench(sqlite_bench):
    """What becomes of an export has nothing to do with the database."""
    return sqlite_bench


@pytest.mark.parametrize(
    ("inputs", "parameter"),
    [
        ({"bbox": [0, 0, 1, 1]}, "bbox"),
        ({"bbox": [502_000, 4_999_500, 502_900, 4_999_900], "bboxCrs": "EPSG:32633"}, "bbox"),  # between two files
        ({"datetime": "2030"}, "datetime"),
        ({"collection": "nothing"}, "collection"),
    ],
)
def test_where_nothing_lies_nothing_is_exported(five, pixels, inputs, parameter):
    five.add(pixels(100, 150), x=503_000, day=0)
    field = StoredField(name="b", instance_id=five.variable("w"), band=0, format=DataFormat(dtype="uint16", nodata=0))
    five.catalogue.collections.put(Collection(name="nothing", fields=(field,)))
    for ask in (export_cube.check, export_cube.estimate):
        with pytest.raises(OutsideExtent) as refused:
            ask(five.tools, {"collection": "c", **inputs})
        assert refused.value.parameter == parameter
        assert "there is nothing to export" in refused.value.reason


def test_an_empty_cube_says_so(five):
    """Of where all files have no data."""
    bbox = [500_000, 4_999_700, 500_500, 5_000_000]
    job = five.job(export_cube.PROCESS, collection="c", bbox=bbox, bboxCrs="EPSG:32633").run()
    assert job.stage.name == "done", job.error
    assert job.results["ends"] == {"empty": 5}
    assert job.messages == ["the cube is empty: not one of its pixels is valid"]
    assert job.results["message"] == f"The file is in the storage; {job.messages[0]}"
    for asked in ({"bbox": [*bbox[:2], 501_500, 5_000_000], "bboxCrs": "EPSG:32633"}, {}):
        job = five.job(export_cube.PROCESS, collection="c", **asked).run()
        assert (job.messages, "message" in job.results) == ([], False)


def test_a_cube_of_which_nothing_can_be_read_is_none_until_files_are_back(five):
    away = [path.rename(five.folder / path.name) for path in sorted(five.sources.iterdir())]
    job = five.job(export_cube.PROCESS, collection="c", incomplete=True).run()
    for _ in range(2):
        assert job.stage.name == "write-failed"
        assert "000.tif could not be read" in job.error
        assert "retry when the files are back" in job.error
        assert not [path for path in five.files() if path.name.strip(".").startswith("cube.nc")]
        job.retry()
    for path in away[1:]:
        path.rename(five.sources / path.name)
    job.retry()
    assert job.stage.name == "done", job.error
    assert job.results["ends"] == {"failed": 1, "ok": 4}
    assert (job.messages[0] in job.results["message"], "read_bytes" in job.results) == (True, False)
    [written] = [task.result for task in job.tasks["write"]]
    assert written["read_bytes"] == 4 * 100 * 150 * 2
    with rasterio.open(five.sources / "001.tif") as file:
        picture = file.read(1)
    with xarray.open_dataset(five.files()[0], engine="h5netcdf", mask_and_scale=False) as cube:
        np.testing.assert_array_equal(cube["b"].values[1], picture)
        assert not cube["b"].values[0].any()


def test_a_file_of_which_something_was_read_is_written_again_as_it_was(five):
    """By a retry after another failure."""
    away = (five.sources / "000.tif").rename(five.folder / "000.tif")
    job = five.job(export_cube.PROCESS, collection="c", incomplete=True).run(until="write")
    [task] = job.open_tasks()
    task.attempts = 1
    away.rename(five.sources / "000.tif")
    job.run()
    assert job.results["ends"] == {"failed": 1, "ok": 4}


@pytest.mark.parametrize("stage", ["compute", "write", "clean"])
def test_a_job_goes_on_where_it_has_begun_when_our_folder_is_another_one(five, tmp_path, stage):
    job = five.job(export_cube.PROCESS, collection="c").run(until=stage)
    five.catalogue.managed = (tmp_path / "elsewhere").as_uri()
    job.run()
    assert job.stage.name == "done", job.error
    [path] = five.files()
    assert job.results["cube"]["href"] == path.as_uri()
    assert not (tmp_path / "elsewhere").exists()


def test_cancel_leaves_nothing_where_our_folder_was(five, tmp_path):
    job = five.job(export_cube.PROCESS, collection="c").run(until="write")
    five.catalogue.managed = (tmp_path / "elsewhere").as_uri()
    job.cancel()
    assert (job.stage.name, five.files()) == ("cancelled", [])
