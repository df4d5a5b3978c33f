"""`prismcube bench cube`: its pixels are right and everything in it runs. Nothing here looks at a time."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from server.bench.cube import archive, cases, cell, consolidating, judge, measure, scenes
from server.bench.cube.blocks import blocks_of, first_pixels
from server.bench.cube.engines import ENGINES, Setup, ours
from server.bench.cube.placing import placed
from server.bench.cube.report import CaseResult, Measured
from server.bench.cube.slow_server import Counts, slow_server
from server.cli.benching import DATA
from tests import commands

ROOT = Path(__file__).resolve().parents[3]
TINY = scenes.Size(
    name="tiny", pixels=549, block=64, dates=4, colour_dates=2, window=51, large=205, large_dates=2, runs=1
)  # fmt: skip


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="session")
def start():
    return measure.forks()


@pytest.fixture(scope="session")
def images(data, start):
    told = []
    folder = scenes.make(data, TINY, start, progress=lambda *one: told.append(one))
    assert sum(done for _, _, done in told) == len(scenes.scene_files(TINY))
    return folder


def test_images_are_cogs_and_alike_where_they_overlap(images):
    files = scenes.scene_files(TINY)
    assert {one.name for one in files} == {path.name for path in images.glob("*.tif")}
    assert [one.part for one in files if one.date == 3] == ["a", "b"]
    valid, errors, _ = cog_validate(images / files[0].name, quiet=True)
    assert valid, errors
    with rasterio.open(images / files[0].name) as one:
        assert (one.dtypes, one.nodata, one.compression.name) == (("uint16",), 0, "deflate")
        assert one.block_shapes == [(64, 64)]
        assert one.overviews(1) == [2, 4, 8, 16]
        assert one.transform == scenes.scene_grid(TINY, files[0].crs).transform
    a, b = (rasterio.open(images / one.name).read(1) for one in files if one.date == 3)
    both = (a != 0) & (b != 0)
    assert both.mean() > 0.04
    assert (a[both] == b[both]).all()


def test_images_are_made_once_and_again_after_another_recipe(images, data, start):
    times = {path: path.stat().st_mtime_ns for path in images.glob("*.tif")}
    assert scenes.make(data, TINY, start, progress=lambda *_: pytest.fail("nothing to make")) == images
    assert {path: path.stat().st_mtime_ns for path in images.glob("*.tif")} == times
    path = images / scenes.scene_files(TINY)[0].name
    before = path.read_bytes()
    path.unlink()
    scenes.make(data, TINY, start, progress=lambda *_: None)
    assert path.read_bytes() == before


def test_the_consolidated_file_is_read_to_the_last_count(images, data, monkeypatch):
    def make(*names):
        wanted = measure.Wanted(size=TINY, data=data, engines=["Prismcube"], only=names)
        return measure.measure(wanted, progress=lambda *_: None), (images / cell.NAME).stat().st_mtime_ns

    report, made = make("mucog-cube", "http-mucog-point")
    assert [(one.ours.difference.largest <= 1, one.ours.difference.masks) for one in report.results] == 2 * [(True, 0)]
    counts = report.results[1].ours.counts
    assert (counts.data, counts.header, counts.other) == (1, 0, 0)
    home = images / cell.FOLDER / "home"
    archive.catalogue(home, TINY, str(images), consolidated=True)
    for result in report.results:
        [part] = result.case.parts
        engine = ours.make(Setup(size=TINY, case=result.case, base=str(images), home=home))
        found = engine.cube(part, engine.run(part))
        row, col = cell.cell_grid(TINY).pixel_offset(part.grid)
        window = ((row, row + part.grid.height), (col, col + part.grid.width))
        assert found.shape == (TINY.dates, 1, *part.grid.shape)
        dates = {one.date: one for one in scenes.scene_files(TINY)}
        for date in range(TINY.dates):
            with rasterio.open(f"GTIFF_DIR:{date + 1}:{images / cell.NAME}") as file:
                assert (file.read(1, window=window) == found[date, 0]).all()
                assert file.tags()["TIFFTAG_DOCUMENTNAME"] == dates[date].item.removesuffix(dates[date].part)
                assert (file.compression.name, file.block_shapes) == ("zstd", [(32, 32)])
    assert make("mucog-point")[1] == made
    (images / cell.NAME).with_suffix(".json").write_text("of other images")

    def made_anew(*_):
        raise InterruptedError

    monkeypatch.setattr(consolidating, "_made", made_anew)
    with pytest.raises(InterruptedError):
        make("mucog-point")


@pytest.mark.parametrize("case", ["same-grid", "overview", "http-point", "http-point-overlap"])
def test_every_engine_makes_the_same_cube(images, data, case):
    report = measure.measure(measure.Wanted(size=TINY, data=data, only=[case]), progress=lambda *_: None)
    for result in report.results:
        assert [one.engine for one in result.engines] == list(ENGINES)
        for one in result.engines:
            assert not one.failed, f"{one.engine} in {result.case.name}: {one.failed}"
            # Each takes overviews by a rule of its own; two by the judge's.
            if result.case.name != "overview" or one.engine in ("reproject", "async-geotiff"):
                most = 1 if result.case.name == "overview" else 0  # GDAL's tolerance
                assert (one.difference.largest <= most, one.difference.masks) == (True, 0), one.engine
        if case.startswith("http-point"):
            assert all(one.counts.data >= TINY.dates for one in result.engines)


def test_the_slow_server_tells_pixels_from_headers(images, start):
    import httpx

    path = images / scenes.scene_files(TINY)[0].name
    begin = first_pixels(path)
    assert path.read_bytes()[:2] == b"II"
    with slow_server(images, start) as server, httpx.Client(base_url=server.url) as client:
        answer = client.get(path.name, headers={"Range": f"bytes={begin}-{begin + 9}"})
        assert (answer.status_code, answer.content) == (206, path.read_bytes()[begin : begin + 10])
        assert client.get(path.name, headers={"Range": "bytes=0-99"}).headers["content-range"].startswith("bytes 0-99/")
        assert client.get(path.name, headers={"Range": "bytes=-4"}).content == path.read_bytes()[-4:]
        assert client.head(path.name).headers["content-length"] == str(path.stat().st_size)
        assert client.get("none.tif").status_code == 404
        counts = server.counts()
        assert (counts.data, counts.header, counts.other, counts.bytes) == (2, 1, 2, 114)
        assert server.counts().requests == 0


def test_one_file_a_date_is_asked_for_once(images):
    one, overlap = (
        next(case for case in cases.cases(TINY) if case.name == name) for name in ("http-point", "http-point-overlap")
    )
    assert (one.one_request_a_date, one.dates, len(one.parts[0].files)) == (True, TINY.dates, TINY.dates)
    assert (overlap.requests_bar, len(overlap.parts[0].files)) == (TINY.dates + 1, TINY.dates + 1)

    def bars(data, header):
        counts = Counts(data=data, header=header)
        ours = Measured(engine=cases.OURS, seconds=(0.05,), counts=counts)
        result = CaseResult(case=one, engines=(ours,), judged=True, limit=None)
        return {(bar.what, bar.sign, bar.wanted): bar.passes for bar in result.bars()}

    requests, others = ("requests for pixels", "=", TINY.dates), ("other requests", "=", 0)
    assert bars(TINY.dates, 0) == {("seconds", "≤", 0.1): True, requests: True, others: True}
    assert [bars(TINY.dates + more, 0)[requests] for more in (-1, 1)] == [False, False]
    assert bars(TINY.dates, 1)[others] is False


def test_blocks_are_those_that_a_window_needs(images):
    path = images / scenes.scene_files(TINY)[0].name
    assert len(list(blocks_of(path, level=0, rows=slice(60, 70), cols=slice(0, 64)))) == 2
    assert len(list(blocks_of(path, level=0, rows=slice(0, 549), cols=slice(0, 549)))) == 81
    [one] = blocks_of(path, level=4, rows=slice(0, 34), cols=slice(0, 34))
    assert one.start == first_pixels(path)
    stored = path.read_bytes()[one.start : one.start + one.length]
    with rasterio.open(path, OVERVIEW_LEVEL=3) as source:
        steps = np.frombuffer(zlib.decompress(stored), "<u2").reshape(64, 64)  # predictor 2: each from the one before
        assert (np.cumsum(steps, axis=1, dtype=np.uint16)[:34, :34] == source.read(1)).all()


@pytest.mark.parametrize(("name", "level", "scale"), [("mixed", 0, 1.0), ("mercator", 0, 0.95), ("overview", 3, 1.35)])
def test_windows_hold_all_that_is_asked_for(name, level, scale):
    [part] = next(one.parts for one in cases.cases(TINY) if one.name == name)
    for one in part.files:
        found = placed(scenes.scene_grid(TINY, one.crs), part.grid)
        assert found.level == level
        assert found.scale == pytest.approx((scale, scale), abs=0.02)
        assert found.share == 1 or (0.5 < found.share < 1 and one.date % 2)  # zones lie 5 km apart
        assert 0 <= found.rows.start < found.rows.stop <= 549
        assert not found.is_empty


def test_differences_count_values_and_masks():
    truth = np.array([[[[5, 5, 0, 9]]]], np.uint16)
    found = judge.difference(np.array([[[[6, 8, 1, 0]]]], np.uint16), truth)
    assert found == judge.Difference(pixels=4, largest=3, more_than_one=1, masks=2)
    with pytest.raises(ValueError, match="wanted"):
        judge.difference(truth[0:0], truth)


def prismcube(*words):
    """(exit code, everything it printed)"""
    ended = commands.run("bench", "cube", *words)
    return ended.returncode, ended.stdout + ended.stderr


def test_every_case_is_right(images, data):
    """At most a count from the judge, and empty in the same places."""
    report = measure.measure(measure.Wanted(size=TINY, data=data, engines=["Prismcube"]), progress=lambda *_: None)
    told = report.to_json()["cases"]
    wanted = cases.cases(TINY)
    assert [one["case"]["name"] for one in told] == [one.name for one in wanted]
    for one, case in zip(told, wanted, strict=True):
        [ours] = one["engines"]
        assert ours["engine"] == "Prismcube"
        assert ours["median"] > 0
        found = ours["difference"]
        assert found["pixels"] == sum(np.prod(shape) for shape in one["case"]["shapes"])
        assert (found["largest"] <= 1, found["more_than_one"], found["masks"]) == (True, 0, 0), case.name
        assert (ours["counts"] is None) == (case.source == "disk")
        if (most := case.requests_bar) is not None:
            assert (0 < ours["counts"]["data"] <= most, ours["counts"]["header"], ours["counts"]["other"]) == (
                True,
                0,
                0,
            )
        if case.one_request_a_date:
            counts = ours["counts"]
            assert (counts["data"], counts["header"], counts["other"]) == (case.dates, 0, 0)


def test_the_command_prints_a_table_and_writes_json(data, tmp_path):
    words = ("--case", "point", "--engine", "reproject", "--runs", 2, "--data", data, "--json", tmp_path / "f.json")
    code, text = prismcube("--size", "small", *words)
    assert code == 0, text
    told = json.loads((tmp_path / "f.json").read_text())
    assert {"machine", "versions", "size", "engines", "cases"} <= told.keys()
    [case] = told["cases"]
    assert case["case"]["name"] == "point"
    assert [one["engine"] for one in case["engines"]] == ["Prismcube", "reproject"]
    assert all(len(one["seconds"]) == 2 and one["difference"]["masks"] == 0 for one in case["engines"])
    assert case["engines"][0]["ratio"] == 1
    assert "Prismcube" in text
    assert "reproject" in text
    assert "≥" not in text, "bars hold at the full size only"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--case", "huge"), "--case"),
        (("--engine", "gdal"), "--engine"),
        (("--json", "/no/such/folder/figures.json"), "--json"),
    ],
)
def test_mistakes_are_told(words, told):
    code, text = prismcube(*words)
    assert code == 2
    assert told in text
    assert "Traceback" not in text


def test_images_are_kept_below_the_home():
    assert DATA.expanduser().is_relative_to(Path.home())
