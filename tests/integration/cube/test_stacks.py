"""Slices of few pixels that are made together: the pixels are rasterio's, errors and counts those of single slices."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.cube import stacks
from prismcube.cube.engine import Engine, EngineSettings
from prismcube.cube.plan import CubePlan
from prismcube.cube.slices import SliceWork
from prismcube.cube.stacks import Means, StackUnit, StackWork
from prismcube.cube.units import Unit
from prismcube.errors import Cancelled
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.storage.store import read_range, stat
from prismcube.tiff.layout import Header
from prismcube.tiff.parse import read_layout
from tests.integration.cube.conftest import Scenes

DATES, HEIGHT, WIDTH, BLOCK = 20, 70, 90, 32
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
U16 = DataFormat(dtype="uint16", nodata=0)


@dataclass
class Told:
    """What an engine tells of its work."""

    files: int = 0
    size: int = 0
    fallbacks: list[str] = field(default_factory=list)
    slices: list[SliceStatus] = field(default_factory=list)

    def files_read(self, count: int, size: int) -> None:
        self.files += count
        self.size += size

    def fell_back(self, reason: str) -> None:
        self.fallbacks.append(reason)

    def slice_made(self, status: SliceStatus, message: str) -> None:
        self.slices.append(status)


@dataclass
class Stacks:
    """How many slices were made in stacks."""

    slices: int = 0


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    seen = Stacks()

    def made(self: StackWork, means: Any, plan: CubePlan, indices: Any, visits: Any) -> None:
        seen.slices += len(indices)
        begin(self, means, plan, indices, visits)

    begin = StackWork.__init__
    monkeypatch.setattr(StackWork, "__init__", made)
    return seen


def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """What sort of unit each is that will be given to the pool."""
    found: list[type] = []
    run = Engine._run

    def running(self: Engine, unit: Any, *, here: bool) -> Any:
        if not here:
            found.append(type(unit))
        return run(self, unit, here=here)

    monkeypatch.setattr(Engine, "_run", running)
    return found


def write(path: Path, pixels: Any, *, nodata: float | None = 0, interleave: str = "band", **more: Any) -> None:
    """A file of many images, (dates, bands, height, width), each with directory of its own; blocks of zeros sparse."""
    options = {"driver": "GTiff", "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "crs": "EPSG:32632"}
    options |= {"transform": PLACE, "compress": "zstd", "interleave": interleave, "sparse_ok": True, **more}
    height, width = pixels.shape[2:]
    for number, one in enumerate(pixels):
        append = {} if number == 0 else {"APPEND_SUBDATASET": "YES"}
        with rasterio.open(
            path, "w", count=len(one), height=height, width=width, dtype=one.dtype, nodata=nodata, **options, **append
        ) as file:
            file.write(one)


def scenes_of(folder: Path, path: Path, dates: int, *, bands: int = 1) -> Scenes:
    """Each image a record."""
    scenes, uri = Scenes(folder), path.as_uri()
    status = stat(uri)
    for date in range(dates):
        subdir = f"GTIFF_DIR:{date + 1}"
        scenes.add(path, day=date, bands=tuple(range(1, bands + 1)))
        scenes.datasets[-1] = replace(scenes.datasets[-1], subdir=subdir)
        layout = read_layout(partial(read_range, uri), size=status.size, page=date + 1)
        scenes.headers[uri, subdir] = Header(layout=layout, etag=status.etag)
    return scenes


def run(
    plan: CubePlan, told: Told | None = None, *, kind: Literal["auto", "rasterio"] = "auto", stop: Any = lambda: None
) -> tuple[list[Slice], Engine]:
    """By an engine of its own."""
    engine = Engine(EngineSettings(threads=2, kind=kind))
    jobs = ((plan, index) for index in range(len(plan.slices)))
    made = engine.run(jobs, at_once=plan.at_once, keep=plan.is_small, stop=stop, observer=told or Told())
    return list(made), engine


def check(slices: list[Slice], path: Path, grid: Grid, format: DataFormat, *, bands: int = 1) -> None:
    row, col = round((PLACE.f - grid.transform.f) / 10), round((grid.transform.c - PLACE.c) / 10)
    window = ((row, row + grid.height), (col, col + grid.width))
    assert [one.index for one in slices] == list(range(len(slices)))
    for number, one in enumerate(slices, start=1):
        with rasterio.open(f"GTIFF_DIR:{number}:{path}") as file:
            for band in range(1, bands + 1):
                stored, mask = file.read(band, window=window), file.read_masks(band, window=window) != 0
                empty = format.nodata if format.nodata is not None else 0
                np.testing.assert_array_equal(one.valid[band - 1], mask, strict=True)
                np.testing.assert_array_equal(one.data[band - 1], np.where(mask, stored, empty).astype(stored.dtype))
        assert one.status is (SliceStatus.OK if any(valid.any() for valid in one.valid) else SliceStatus.EMPTY)
        assert one.message == ""


def numbers(seed: int, shape: tuple[int, ...], dtype: str) -> Any:
    """Any values, and a tenth of them nodata, as are whole blocks."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 127, shape).astype(dtype)
    pixels[generator.random(shape) < 0.1] = 0
    pixels[::3, :, :BLOCK, :BLOCK] = 0
    return pixels


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of one band."""
    path: Path = tmp_path_factory.mktemp("stack") / "all.tif"
    write(path, numbers(1, (DATES, 1, HEIGHT, WIDTH), "uint16"))
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(row=st.integers(0, 62), col=st.integers(0, 82), height=st.integers(1, 8), width=st.integers(1, 8))
def test_any_few_pixels_of_all_dates(
    tmp_path_factory: Any, path: Path, seen: Stacks, row: int, col: int, height: int, width: int
) -> None:
    scenes, before = scenes_of(tmp_path_factory.mktemp("s"), path, DATES), seen.slices
    grid = scenes.datasets[0].grid.shifted(row, col, height=height, width=width)
    slices, _ = run(scenes.plan({"v": U16}, grid=grid))
    check(slices, path, grid, U16)
    assert seen.slices - before == DATES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(row=st.integers(0, 30), col=st.integers(0, 40), height=st.integers(9, 40), width=st.integers(9, 50))
def test_any_larger_window_of_all_dates(
    tmp_path_factory: Any, path: Path, seen: Stacks, row: int, col: int, height: int, width: int
) -> None:
    scenes, before = scenes_of(tmp_path_factory.mktemp("s"), path, DATES), seen.slices
    grid = scenes.datasets[0].grid.shifted(row, col, height=height, width=width)
    plan = scenes.plan({"v": U16}, grid=grid)
    slices, engine = run(plan)
    check(slices, path, grid, U16)
    assert seen.slices - before == DATES
    decoded = engine.windows.tally.decoded
    jobs = ((plan, index) for index in range(DATES))
    again = list(engine.run(jobs, at_once=plan.at_once, keep=True, stop=lambda: None, observer=Told()))
    check(again, path, grid, U16)
    assert plan.is_small
    assert (engine.windows.tally.decoded, engine.windows.tally.kept) == (decoded, decoded), "blocks are kept"


def test_how_many_slices_of_larger_windows_a_stack_has(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are made at once, for threads twice; of all, so many that threads end together; in few pixels."""
    scenes = scenes_of(tmp_path, path, DATES)
    plan = scenes.plan({"v": U16}, grid=scenes.datasets[0].grid.shifted(3, 3, height=20, width=30))
    made: list[int] = []
    running: list[int] = []
    begin, start = StackWork.__init__, StackWork.start

    def told(self: StackWork, means: Any, plan: CubePlan, indices: Any, visits: Any) -> None:
        made.append(len(indices))
        begin(self, means, plan, indices, visits)

    monkeypatch.setattr(StackWork, "__init__", told)
    monkeypatch.setattr(StackWork, "start", lambda self: (running.append(self.weight), start(self))[1])
    for at_once, pixels, most in ((16, 10_000, 2), (64, 10_000, 2), (4, 10_000, 1), (64, 599, 1)):
        made.clear()
        monkeypatch.setattr(stacks, "STACK_PIXELS", pixels)
        engine = Engine(EngineSettings(threads=2))
        jobs = ((plan, index) for index in range(DATES))
        check(
            [*engine.run(jobs, at_once=at_once, keep=False, stop=lambda: None, observer=Told())], path, plan.grid, U16
        )
        assert made == ([] if most == 1 else [most] * (DATES // most))
    assert set(running) == {2}


@pytest.mark.parametrize("compress", ["none", "lzw", "deflate", "zstd"])
@pytest.mark.parametrize(
    ("dtype", "nodata", "field_nodata"),
    [
        ("uint8", 0, 0),
        ("uint8", None, None),
        ("uint8", None, 0),  # no zero may become nodata: it moves to 1
        ("uint16", 0, 7),  # what is empty is 7 then, and no 7 may be: it moves to 8
        ("int8", 0, 0),
        ("int16", 5, 5),
        ("uint32", 0, 0),
        ("int32", -3, -3),
        ("float32", math.nan, math.nan),
        ("float64", 0, math.nan),
        ("float32", None, math.nan),
    ],
)
def test_types_codecs_and_nodata(
    tmp_path: Path, seen: Stacks, compress: str, dtype: str, nodata: float | None, field_nodata: float | None
) -> None:
    pixels = numbers(2, (6, 1, HEIGHT, WIDTH), dtype)
    if dtype.startswith("float"):
        pixels[:, :, ::2, ::3] = math.nan
    path = tmp_path / "all.tif"
    write(path, pixels, nodata=nodata, compress=compress)
    scenes = scenes_of(tmp_path, path, 6)
    format = DataFormat(dtype=dtype, nodata=field_nodata)
    grid = scenes.datasets[0].grid.shifted(28, 27, height=8, width=8)  # of four blocks
    slices, _ = run(scenes.plan({"v": format}, grid=grid))
    assert seen.slices == 6
    for one, whole in zip(slices, pixels, strict=True):
        stored = whole[0, 28:36, 27:35]
        valid = ~np.isnan(stored) if dtype.startswith("float") else np.ones(stored.shape, bool)
        if nodata is not None and not math.isnan(nodata):
            valid &= stored != nodata
        np.testing.assert_array_equal(one.valid[0], valid)
        expected = stored.copy()
        if field_nodata is not None and not math.isnan(field_nodata):
            expected[valid & (stored == field_nodata)] += 1
        expected[~valid] = 0 if field_nodata is None else field_nodata
        np.testing.assert_array_equal(one.data[0], expected)


@pytest.mark.parametrize("size", [(3, 5), (33, 34)])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_fields_of_one_file(tmp_path: Path, seen: Stacks, interleave: str, size: tuple[int, int]) -> None:
    path = tmp_path / "all.tif"
    write(path, numbers(3, (16, 2, HEIGHT, WIDTH), "uint16"), interleave=interleave)
    scenes = scenes_of(tmp_path, path, 16, bands=2)
    grid = scenes.datasets[0].grid.shifted(30, 30, height=size[0], width=size[1])
    told = Told()
    slices, _ = run(scenes.plan({"a": U16, "b": U16}, grid=grid), told)
    check(slices, path, grid, U16, bands=2)
    assert seen.slices == 16
    assert told.files == 16


def test_fields_of_different_images(tmp_path: Path, seen: Stacks) -> None:
    path, pixels = tmp_path / "all.tif", numbers(4, (12, 1, HEIGHT, WIDTH), "uint16")
    write(path, pixels)
    scenes = scenes_of(tmp_path, path, 12)
    records = scenes.records[:6]
    for number, one in enumerate(scenes.datasets):  # dates one after the other, for each field
        record = records[number % 6]
        scenes.datasets[number] = replace(one, record_id=record.id or 0, time=record.time, instance_id=1 + number // 6)
    scenes.records = records
    grid = scenes.datasets[0].grid.shifted(40, 50, height=1, width=1)
    told = Told()
    slices, _ = run(scenes.plan({"a": U16, "b": U16}, grid=grid, instances={"a": 1, "b": 2}), told)
    assert [[int(data[0, 0]) for data in one.data] for one in slices] == [
        [int(pixels[date, 0, 40, 50]), int(pixels[date + 6, 0, 40, 50])] for date in range(6)
    ]
    assert (seen.slices, told.files) == (6, 12)


def test_more_dates_than_a_stack_has(tmp_path: Path, path: Path, seen: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "MOST", 7)
    scenes = scenes_of(tmp_path, path, DATES)
    grid = scenes.datasets[0].grid.shifted(33, 60, height=1, width=1)
    slices, engine = run(scenes.plan({"v": U16}, grid=grid))
    check(slices, path, grid, U16)
    assert seen.slices == DATES
    assert engine.windows.traffic.requests == 3


def test_a_stack_has_so_many_bytes_of_blocks(
    tmp_path: Path, path: Path, seen: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window at the corner of four blocks."""
    monkeypatch.setattr(stacks, "STACK_BYTES", 3 * 4 * BLOCK * BLOCK * 2)
    scenes = scenes_of(tmp_path, path, DATES)
    grid = scenes.datasets[0].grid.shifted(BLOCK - 1, BLOCK - 1, height=2, width=2)
    made: list[int] = []
    begin = StackWork.__init__

    def told(self: StackWork, means: Any, plan: CubePlan, indices: Any, visits: Any) -> None:
        made.append(len(indices))
        begin(self, means, plan, indices, visits)

    monkeypatch.setattr(StackWork, "__init__", told)
    slices, _ = run(scenes.plan({"v": U16}, grid=grid))
    check(slices, path, grid, U16)
    assert made == [3] * 6 + [2]


def test_slices_of_a_stack_that_failed_wait_together(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a host that is silent, say: one after the other, each would wait for as long as the stack did."""
    events: list[str] = []
    alone, start = Means.alone, SliceWork.start
    monkeypatch.setattr(StackUnit, "run", lambda self: setattr(self, "has_failed", True))
    monkeypatch.setattr(Means, "alone", lambda self, job: (events.append("asked"), alone(self, job))[1])
    monkeypatch.setattr(SliceWork, "start", lambda self: (events.append("begun"), start(self))[1])
    pooled = handed_over(monkeypatch)
    scenes = scenes_of(tmp_path, path, DATES)
    grid = scenes.datasets[0].grid.shifted(5, 5, height=1, width=1)
    slices, _ = run(scenes.plan({"v": U16}, grid=grid))
    check(slices, path, grid, U16)
    assert events == ["asked"] * DATES + ["begun"] * DATES
    assert pooled.count(Unit) == DATES


def test_counts_are_those_of_single_slices(
    tmp_path: Path, path: Path, seen: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = scenes_of(tmp_path, path, DATES)
    grid = scenes.datasets[0].grid.shifted(5, 5, height=2, width=2)
    plan, together, alone = scenes.plan({"v": U16}, grid=grid), Told(), Told()
    made, engine = run(plan, together)
    monkeypatch.setattr(stacks, "MOST", 1)
    single, other = run(plan, alone)
    assert seen.slices == DATES
    assert together == alone
    assert engine.windows.tally.empty == other.windows.tally.empty > 0
    assert engine.windows.tally.decoded == other.windows.tally.decoded > 0
    for one, two in zip(made, single, strict=True):
        np.testing.assert_array_equal(one.data, two.data)
        np.testing.assert_array_equal(one.valid, two.valid)
        assert (one.status, one.message) == (two.status, two.message)


@pytest.mark.parametrize("side", [1, 20])
def test_a_damaged_date_fails_alone(tmp_path: Path, path: Path, seen: Stacks, side: int) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(path.read_bytes())
    scenes = scenes_of(tmp_path, broken, DATES)
    layout = scenes.headers[broken.as_uri(), "GTIFF_DIR:5"].layout
    assert layout is not None
    with broken.open("r+b") as file:
        file.seek(int(layout.levels[0].offsets[0, 1, 1]))
        file.write(b"nonsense")
    etag = stat(broken.as_uri()).etag
    scenes.datasets = [replace(one, etag=etag) for one in scenes.datasets]
    scenes.headers = {key: replace(header, etag=etag) for key, header in scenes.headers.items()}
    grid = scenes.datasets[0].grid.shifted(40, 40, height=side, width=side)
    told = Told()
    slices, _ = run(scenes.plan({"v": U16}, grid=grid), told)
    assert [one.index for one in slices if one.status is SliceStatus.FAILED] == [4]
    assert slices[4].message == "broken.tif could not be read: it is damaged"
    assert told.slices == [one.status for one in slices]
    assert told.files == DATES - 1
    for number, one in enumerate(slices, start=1):
        if number != 5:
            with rasterio.open(f"GTIFF_DIR:{number}:{path}") as file:
                np.testing.assert_array_equal(one.data[0], file.read(1)[40 : 40 + side, 40 : 40 + side])
    assert seen.slices == DATES


@pytest.mark.parametrize("side", [3, 25])
def test_a_file_that_has_changed_is_read_by_gdal(tmp_path: Path, path: Path, seen: Stacks, side: int) -> None:
    changing = tmp_path / "changing.tif"
    changing.write_bytes(path.read_bytes())
    scenes = scenes_of(tmp_path, changing, DATES)
    changing.unlink()
    write(changing, numbers(7, (DATES, 1, HEIGHT, WIDTH), "uint16"))
    grid = scenes.datasets[0].grid.shifted(35, 42, height=side, width=side)
    told = Told()
    slices, _ = run(scenes.plan({"v": U16}, grid=grid), told)
    check(slices, changing, grid, U16)
    assert told.fallbacks == ["has changed since it was indexed"] * DATES
    assert seen.slices == DATES


@pytest.mark.parametrize("side", [1, 25])
def test_a_file_that_is_gone_fails_each_date(tmp_path: Path, path: Path, side: int) -> None:
    going = tmp_path / "going.tif"
    going.write_bytes(path.read_bytes())
    scenes = scenes_of(tmp_path, going, DATES)
    going.unlink()
    grid = scenes.datasets[0].grid.shifted(35, 42, height=side, width=side)
    told = Told()
    slices, _ = run(scenes.plan({"v": U16}, grid=grid), told)
    assert told.slices == [SliceStatus.FAILED] * DATES
    assert all(one.message.startswith("going.tif could not be read") for one in slices)
    assert told.files == 0


def test_gdal_reads_all_files_when_it_is_to(
    tmp_path: Path, path: Path, seen: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all threads, since it takes its time."""
    pooled = handed_over(monkeypatch)
    scenes = scenes_of(tmp_path, path, DATES)
    grid = scenes.datasets[0].grid.shifted(12, 70, height=2, width=2)
    told = Told()
    slices, engine = run(scenes.plan({"v": U16}, grid=grid), told, kind="rasterio")
    check(slices, path, grid, U16)
    assert told.fallbacks == ["the settings say rasterio"] * DATES
    assert engine.windows.traffic.requests == 0
    assert seen.slices == 0
    assert pooled == [Unit] * DATES


def test_nobody_waits_for_threads_that_are_busy(tmp_path: Path, path: Path, seen: Stacks) -> None:
    scenes = scenes_of(tmp_path, path, DATES)
    grid = scenes.datasets[0].grid.shifted(12, 70, height=2, width=2)
    plan = scenes.plan({"v": U16}, grid=grid)
    engine, done = Engine(EngineSettings(threads=2)), threading.Event()
    others = [engine._pool.submit(done.wait, 60) for _ in range(2)]
    try:
        jobs = ((plan, index) for index in range(DATES))
        slices = list(engine.run(jobs, at_once=plan.at_once, keep=True, stop=lambda: None, observer=Told()))
        assert not any(one.done() for one in others)
    finally:
        done.set()
    check(slices, path, grid, U16)
    assert (seen.slices, engine.busy, engine.waiting) == (DATES, 0, 0)


def test_a_stack_is_left_when_nobody_wants_it(tmp_path: Path, path: Path, seen: Stacks) -> None:
    scenes = scenes_of(tmp_path, path, DATES)
    plan = scenes.plan({"v": U16}, grid=scenes.datasets[0].grid.shifted(40, 40, height=1, width=1))

    def stop() -> None:
        raise Cancelled

    told = Told()
    with pytest.raises(Cancelled):
        run(plan, told, stop=stop)
    assert (seen.slices, told.slices, told.files) == (DATES, [], 0)


def test_a_stack_of_which_nothing_is_stored_is_left_too(tmp_path: Path) -> None:
    """Without a block there is no read before which it would be asked."""
    write(tmp_path / "all.tif", np.zeros((DATES, 1, HEIGHT, WIDTH), "uint16"))
    scenes = scenes_of(tmp_path, tmp_path / "all.tif", DATES)
    for side in (2, 30):
        plan = scenes.plan({"v": U16}, grid=scenes.datasets[0].grid.shifted(4, 4, height=side, width=side))

        def stop() -> None:
            raise Cancelled

        with pytest.raises(Cancelled):
            run(plan, stop=stop)


def test_what_is_left_half_way_ends_there(tmp_path: Path, path: Path) -> None:
    scenes, told = scenes_of(tmp_path, path, DATES), Told()
    plan = scenes.plan({"v": U16}, grid=scenes.datasets[0].grid.shifted(40, 40, height=1, width=1))
    engine = Engine(EngineSettings(threads=2))
    jobs = ((plan, index) for index in range(DATES))
    slices = engine.run(jobs, at_once=plan.at_once, keep=True, stop=lambda: None, observer=told)
    for _ in range(3):
        next(slices)
    slices.close()
    assert len(told.slices) == 3
    assert (engine.busy, engine.waiting) == (0, 0)


@pytest.mark.parametrize(
    "why", ["overlap", "many pixels", "beyond the edge", "expression", "mapped", "other window", "warped"]
)
def test_other_slices_are_made_by_themselves(tmp_path: Path, path: Path, seen: Stacks, why: str) -> None:
    scenes = scenes_of(tmp_path, path, 8)
    grid, fields = scenes.datasets[0].grid.shifted(40, 40, height=2, width=2), {"v": U16}
    if why == "overlap":  # two files of a record
        scenes.datasets = [replace(one, record_id=1 + number // 2) for number, one in enumerate(scenes.datasets)]
        scenes.records = scenes.records[:4]
    elif why == "many pixels":
        grid = scenes.datasets[0].grid
    elif why == "beyond the edge":
        grid = grid.shifted(29, 0, height=2, width=2)
    elif why == "expression":
        fields = {"v": U16, "double": "v * 2"}
    elif why == "mapped":
        fields = {"v": DataFormat(dtype="float32", nodata=math.nan)}
    elif why == "other window":  # every second file lies elsewhere
        for number in range(0, 8, 2):
            one = scenes.datasets[number]
            moved = replace(one.grid, transform=Affine.translation(0, 10 * number + 10) @ one.grid.transform)
            scenes.datasets[number] = replace(one, grid=moved)
    elif why == "warped":
        grid = replace(grid, transform=grid.transform @ Affine.translation(0.3, 0.3))
    slices, _ = run(scenes.plan(fields, grid=grid))
    assert slices
    assert SliceStatus.FAILED not in {one.status for one in slices}
    assert seen.slices == 0
