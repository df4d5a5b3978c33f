"""Cubes of a file of many dates behind HTTP: how often it is asked, and whose errors are whose; judged by rasterio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.cube.engine import Engine, EngineSettings
from prismcube.cube.observer import NOBODY
from prismcube.cube.plan import CubePlan
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.raster.geokeys import georeference
from prismcube.storage import buckets
from prismcube.storage.pool import Limits
from prismcube.storage.store import read_range, stat
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image
from prismcube.tiff.layout import Header
from prismcube.tiff.mucog import write_mucog
from prismcube.tiff.parse import read_layout
from tests.integration.cube.conftest import Scenes
from tests.web import Web

DATES, SIDE, BLOCK = 40, 256, 64
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
U16 = DataFormat(dtype="uint16", nodata=0)


def never() -> None:
    """A `Stop` that lets everything run to its end."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `all.tif`, a file of all dates."""
    folder: Path = tmp_path_factory.mktemp("dates")
    generator = np.random.default_rng(11)
    image = Image(
        height=SIDE, width=SIDE, format=U16, block_height=BLOCK, block_width=BLOCK,
        georeference=georeference("EPSG:32632", PLACE),
    )  # fmt: skip
    drafts = []
    for date in range(DATES):
        drafts.append(folder / f"{date}.draft")
        with writing_draft(drafts[-1], image) as draft:
            draft.write(generator.integers(0, 3000, (SIDE, SIDE), np.uint16))
    write_mucog(folder / "all.tif", drafts, sync=False)
    return folder


@pytest.fixture
def web(folder: Path) -> Iterator[Web]:
    web = Web(folder)
    yield web
    web.close()
    buckets.forget()


@pytest.fixture
def scenes(folder: Path, tmp_path: Path, web: Web) -> Scenes:
    """Each date a record, behind HTTP."""
    scenes, uri = Scenes(tmp_path), f"{web.url}/all.tif"
    status = stat(uri)
    for date in range(DATES):
        subdir = f"GTIFF_DIR:{date + 1}"
        scenes.add(folder / "all.tif", day=date)
        scenes.datasets[-1] = replace(scenes.datasets[-1], uri=uri, subdir=subdir, etag=status.etag)
        layout = read_layout(partial(read_range, uri), size=status.size, page=date + 1)
        scenes.headers[uri, subdir] = Header(layout=layout, etag=status.etag)
    web.log.clear()
    return scenes


def run(plan: CubePlan, *, limits: Limits | None = None, engine: Engine | None = None) -> tuple[list[Slice], int]:
    """The slices, by an engine that nothing has been asked of before, and the bytes that it held at most."""
    engine = engine or Engine(EngineSettings(threads=2, remote=limits or Limits()))
    held = []

    def stop() -> None:
        held.append(engine.windows._ranges.held)

    jobs = ((plan, index) for index in range(len(plan.slices)))
    made = list(engine.run(jobs, at_once=plan.at_once, keep=plan.is_small, stop=stop, observer=NOBODY))
    assert engine.windows._ranges.held == 0
    return made, max(held, default=0)


def check(folder: Path, slices: list[Slice], grid: Grid) -> None:
    row, col = round((PLACE.f - grid.transform.f) / 10), round((grid.transform.c - PLACE.c) / 10)
    window = ((row, row + grid.height), (col, col + grid.width))
    assert [one.index for one in slices] == list(range(DATES))
    for number, one in enumerate(slices, start=1):
        with rasterio.open(f"GTIFF_DIR:{number}:{folder / 'all.tif'}") as file:
            np.testing.assert_array_equal(one.data[0], file.read(1, window=window), strict=True)


@pytest.mark.parametrize(
    ("row", "col", "height", "width", "requests"),
    [
        (70, 150, 1, 1, 1),
        (70, 70, 120, 120, 2),  # nine blocks a date: three to a row of blocks lie side by side
        (0, 0, SIDE, SIDE, 2),  # of at most 4 MiB each
    ],
)
def test_a_place_of_all_dates_is_one_request(
    folder: Path, web: Web, scenes: Scenes, row: int, col: int, height: int, width: int, requests: int
) -> None:
    grid = scenes.datasets[0].grid.shifted(row, col, height=height, width=width)
    slices, _ = run(scenes.plan({"v": U16}, grid=grid))
    check(folder, slices, grid)
    assert len(web.log) == requests, web.log


def test_a_place_that_is_asked_for_again_is_kept(folder: Path, web: Web, scenes: Scenes) -> None:
    """However small its blocks are: decoding them again is quick, asking for them is not."""
    grid = scenes.datasets[0].grid.shifted(70, 150, height=1, width=1)
    engine, plan = Engine(EngineSettings(threads=2)), scenes.plan({"v": U16}, grid=grid)
    for _ in range(2):
        slices, _ = run(plan, engine=engine)
        check(folder, slices, grid)
    assert len(web.log) == 1


def test_dates_of_one_step_are_asked_for_together(folder: Path, web: Web, scenes: Scenes) -> None:
    grid = scenes.datasets[0].grid.shifted(70, 150, height=1, width=1)
    (one,), _ = run(scenes.plan({"v": U16}, grid=grid, group="all", mosaic="mean"))
    values = []
    for number in range(1, DATES + 1):
        with rasterio.open(f"GTIFF_DIR:{number}:{folder / 'all.tif'}") as file:
            values.append(int(file.read(1, window=((70, 71), (150, 151)))[0, 0]))
    assert abs(int(one.data[0][0, 0]) - np.mean([value for value in values if value])) <= 0.5
    assert len(web.log) == 1 + (DATES - 8) // 4


def test_more_than_may_be_held_is_asked_for_bit_by_bit(folder: Path, web: Web, scenes: Scenes) -> None:
    grid = scenes.datasets[0].grid
    plan = scenes.plan({"v": U16}, grid=grid)
    limits = Limits(size=2**21)
    slices, held = run(plan, limits=limits)
    check(folder, slices, grid)
    assert held <= 1.5 * limits.size
    # A block of two or more dates is asked for at once: five have more than a quarter of what may be held.
    assert len(web.log) < DATES / 2 * 16


def test_dates_that_are_cut_off_fail_alone(
    folder: Path, web: Web, scenes: Scenes, caplog: pytest.LogCaptureFixture
) -> None:
    grid = scenes.datasets[0].grid.shifted(0, 0, height=1, width=1)
    layout = scenes.headers[scenes.datasets[30].uri, "GTIFF_DIR:31"].layout
    assert layout is not None
    end = int(layout.levels[0].offsets[0, 0, 0])
    whole = (folder / "all.tif").read_bytes()
    short = folder / "short.tif"
    short.write_bytes(whole[:end])
    uri = f"{web.url}/short.tif"
    etag = stat(uri).etag
    scenes.datasets = [replace(one, uri=uri, etag=etag) for one in scenes.datasets]
    scenes.headers = {(uri, subdir): replace(header, etag=etag) for (_, subdir), header in scenes.headers.items()}
    slices, _ = run(scenes.plan({"v": U16}, grid=grid))
    assert [one.status for one in slices[30:]] == [SliceStatus.FAILED] * 10
    assert {one.message for one in slices[30:]} == {"short.tif could not be read: it is truncated"}
    assert sum("short.tif: is truncated" in one.getMessage() for one in caplog.records) == 10
    assert SliceStatus.FAILED not in {one.status for one in slices[:30]}
    for number, one in enumerate(slices[:30], start=1):
        with rasterio.open(f"GTIFF_DIR:{number}:{folder / 'all.tif'}") as file:
            assert one.data[0][0, 0] == file.read(1, window=((0, 1), (0, 1)))[0, 0]


def test_a_file_that_has_changed_is_read_anew_date_by_date(folder: Path, web: Web, scenes: Scenes) -> None:
    grid = scenes.datasets[0].grid.shifted(0, 0, height=1, width=1)
    scenes.datasets = [replace(one, etag="another") for one in scenes.datasets]
    scenes.headers = {key: replace(header, etag="another") for key, header in scenes.headers.items()}
    slices, _ = run(scenes.plan({"v": U16}, grid=grid))
    check(folder, slices, grid)
