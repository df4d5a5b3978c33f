"""A file that is replaced while an answer is made of it: whole old, or an error that names it; never some of both."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.cube.engine import execute_jobs
from prismcube.cube.observer import Nobody
from prismcube.cube.parts import parts
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.formats import DataFormat
from tests.integration.cube.conftest import Scenes

HERE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
U16 = DataFormat(dtype="uint16", nodata=0)
OLD, NEW = 7, 9
HEIGHT, WIDTH = 900, 200


def write(path: Path, value: int) -> None:
    profile = {"width": WIDTH, "height": HEIGHT, "count": 1, "dtype": "uint16", "nodata": 0, "crs": "EPSG:32632"}
    with rasterio.open(path, "w", driver="GTiff", transform=HERE, **profile) as file:
        file.write(np.full((1, HEIGHT, WIDTH), value, np.uint16))


class Replacing(Nobody):
    """Puts another file of the same shape in the place of one, once some of it has been read."""

    def __init__(self, path: Path, new: Path, *, after: int) -> None:
        self._path, self._new, self._left = path, new, after

    def files_read(self, count: int, size: int) -> None:
        self._left -= 1
        if self._left == 0:
            os.replace(self._new, self._path)


def scene(scenes: Scenes, tmp_path: Path) -> tuple[Path, Path]:
    """(the file that is indexed, the one that will take its place), on two days."""
    path, new = tmp_path / "image.tif", tmp_path / "new.tif"
    for number, (one, value) in enumerate({path: OLD, new: NEW}.items()):
        write(one, value)
        os.utime(one, (number, number))  # both may be written within a tick of the system's clock
    scenes.add(path, day=0)
    scenes.add(path, day=1)
    return path, new


def by_rows(scenes: Scenes, rows: int, observer: Any, **asked: Any) -> list[list[Slice]]:
    """The parts of each slice."""
    found: dict[int, list[Slice]] = {}
    for batch in parts(scenes.plan({"v": U16}, **asked), rows, at_once=1, observer=observer):
        for part in batch:
            found.setdefault(part.index, []).append(part)
    return list(found.values())


@pytest.mark.parametrize("shift", [0, 0.4])
def test_rows_are_of_one_file_or_missing(scenes: Scenes, tmp_path: Path, shift: float) -> None:
    """The first of three parts has been read when the file is replaced."""
    path, new = scene(scenes, tmp_path)
    grid = scenes.datasets[0].grid
    grid = type(grid)(grid.crs, grid.transform @ Affine.translation(shift, 0), HEIGHT, WIDTH)
    made = by_rows(scenes, 300, Replacing(path, new, after=1), grid=grid)
    assert [[one.status for one in some] for some in made] == [
        [SliceStatus.OK, SliceStatus.FAILED, SliceStatus.FAILED],
        [SliceStatus.FAILED] * 3,
    ]
    for some in made:
        for one in some:
            assert set(np.unique(one.data[0][one.valid[0]])) <= {OLD}
            if one.status is SliceStatus.FAILED:
                assert one.message == "image.tif could not be read: it was replaced since it was indexed"
    # The next answer is of the new file, whole, since it lies where the old one did.
    made = by_rows(scenes, 300, Nobody(), grid=grid)
    assert all(one.status is SliceStatus.OK for some in made for one in some)
    assert {value for some in made for one in some for value in np.unique(one.data[0][one.valid[0]])} == {NEW}


def test_dates_of_one_file_are_of_one_state(scenes: Scenes, tmp_path: Path) -> None:
    path, new = scene(scenes, tmp_path)
    plan = scenes.plan({"v": U16})
    jobs = [(plan, index) for index in range(2)]
    first, second = execute_jobs(jobs, at_once=1, keep=False, observer=Replacing(path, new, after=1))
    assert first.status is SliceStatus.OK
    assert set(np.unique(first.data[0])) == {OLD}
    assert second.status is SliceStatus.FAILED
    assert second.message == "image.tif could not be read: it was replaced since it was indexed"
    assert not second.valid[0].any()


def test_a_file_that_is_written_over_while_gdal_reads_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = Scenes(tmp_path, by_layout=False)
    path, new = scene(scenes, tmp_path)
    scenes.records.pop()
    scenes.datasets.pop()
    read = rasterio.DatasetReader.read

    def reading(self: Any, *args: Any, **named: Any) -> Any:
        if new.exists():
            os.replace(new, path)
        return read(self, *args, **named)

    monkeypatch.setattr(
        "prismcube.raster.opening.DatasetReader", type("Slow", (rasterio.DatasetReader,), {"read": reading})
    )
    [one] = scenes.cube({"v": U16})
    assert one.status is SliceStatus.FAILED
    assert one.message == "image.tif could not be read: it was replaced since it was indexed"
    [one] = scenes.cube({"v": U16})
    assert (one.status, set(np.unique(one.data[0]))) == (SliceStatus.OK, {NEW})
