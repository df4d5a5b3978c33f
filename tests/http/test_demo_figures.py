"""The demo's published figures, over HTTP from the running command."""

import shlex
from pathlib import Path

import httpx
import numpy as np
import pytest
import rasterio

S2 = "/collections/s2-romania"
L8 = "/collections/l8-paraguay"


def test_the_masked_ndvi_cube_reproduces_the_published_figures(demo, romania):
    cube = demo.tiff(f"{S2}/coverage", properties="ndvi", f="image/tiff")
    assert cube.data.dtype == np.float32
    assert len(cube.data) == 140
    dates = [text[:10] for text in cube.descriptions]
    assert dates == sorted(romania["dates"])
    for layer, date, tags in zip(cube.data, dates, cube.tags, strict=True):
        expected = romania["dates"][date]
        clear = np.isfinite(layer)
        assert clear.sum() == expected["clear"], date
        assert tags["status"] == ("ok" if expected["clear"] else "empty")
        if expected["clear"]:
            assert layer[clear].mean(dtype=float) == pytest.approx(expected["ndvi_mean_clear"], abs=1e-6), date
    with np.errstate(all="ignore"):
        assert np.nanmean(np.nanmedian(cube.data, axis=0), dtype=float) == pytest.approx(0.795306, abs=1e-6)
        assert np.nanmean(np.nanmax(cube.data, axis=0), dtype=float) == pytest.approx(0.926992, abs=1e-6)


@pytest.mark.parametrize(("mosaic", "mean"), [("median", "median_ndvi_clear_mean"), ("max", "max_ndvi_clear_mean")])
def test_the_server_makes_the_temporal_mosaic_itself(demo, romania, mosaic, mean):
    one = demo.tiff(f"{S2}/coverage", properties="ndvi", group="all", mosaic=mosaic)
    assert one.data.shape == (1, 100, 100)
    assert np.nanmean(one.data, dtype=float) == pytest.approx(romania["aggregate"][mean], abs=1e-6)


def test_without_the_mask_clouds_count_too(demo, romania):
    cube = demo.tiff(f"{S2}/coverage", properties="ndvi", mask="none")
    for layer, text in zip(cube.data, cube.descriptions, strict=True):
        expected = romania["dates"][text[:10]]
        assert np.isfinite(layer).sum() == expected["valid"]
        assert np.nanmean(layer, dtype=float) == pytest.approx(expected["ndvi_mean"], abs=1e-6)


def test_a_coverage_on_the_native_grid_equals_the_stored_pixels(demo, romania_files):
    cube = demo.tiff(f"{S2}/coverage")
    assert cube.data.dtype == np.uint16
    assert cube.nodata == 0
    for at, path in enumerate(romania_files):
        with rasterio.open(path) as file:
            assert np.array_equal(cube.data[at * 5 : at * 5 + 5], file.read())
            assert cube.transform.almost_equals(file.transform, 1e-9)
            assert cube.crs == file.crs


def test_the_landsat_mosaic_honours_the_order_asked(demo, paraguay_files):
    first, second = "LC08_L1TP_224077_20200518", "LC08_L1TP_224078_20200518"
    below = demo.tiff(f"{L8}/coverage", properties="B4", group=f"{first},{second}")
    above = demo.tiff(f"{L8}/coverage", properties="B4", group=f"{second},{first}")
    north, north_place = _read(paraguay_files["077", "B4"], below)
    south, south_place = _read(paraguay_files["078", "B4"], below)
    for answer, top, top_place, under, under_place in (
        (below, south, south_place, north, north_place),
        (above, north, north_place, south, south_place),
    ):
        expected = np.zeros(answer.shape, np.uint16)
        expected[under_place] = under
        expected[top_place] = np.where(top != 0, top, expected[top_place])
        assert np.array_equal(answer.data[0], expected)
    assert (below.data != above.data).any(), "the two rows differ in their overlap, so the order must be seen"


def test_the_default_step_of_landsat_is_the_day(demo):
    assert demo.tiff(f"{L8}/coverage").data.shape[0] == 3


def _read(path: Path, answer):
    with rasterio.open(path) as file:
        col, row = (round(v) for v in ~answer.transform @ (file.transform.c, file.transform.f))
        return file.read(1), (slice(row, row + file.height), slice(col, col + file.width))


def test_the_position_series_has_every_date_and_null_where_masked(demo, romania, romania_files):
    with rasterio.open(romania_files[0]) as file:
        x, y = file.transform @ (50.5, 50.5)
    series = demo.json(f"{S2}/position", coords=f"POINT({x} {y})", crs="EPSG:3035", parameter_name="ndvi,B8")
    assert series["domain"]["domainType"] == "PointSeries"
    times = series["domain"]["axes"]["t"]["values"]
    ndvi, b8 = series["ranges"]["ndvi"], series["ranges"]["B8"]
    assert len(times) == len(ndvi["values"]) == 140
    assert ndvi["shape"] == [140]
    masked = 0
    for time, value, infrared in zip(times, ndvi["values"], b8["values"], strict=True):
        _, _, b4, expected_b8, scl = romania["dates"][time[:10]]["px_r50_c50"]
        assert infrared == expected_b8
        if scl in (4, 5, 6, 7):
            assert value == pytest.approx((expected_b8 - b4) / (expected_b8 + b4), abs=1e-6)
        else:
            assert value is None
            masked += 1
    assert 0 < masked < 140


def test_two_workers_answer(demo):
    assert len(demo.workers()) >= 2


def test_the_five_commands_it_prints_work(demo):
    lines = [line for line in demo.output.read_text().splitlines() if "/viewer" in line or "curl" in line]
    urls = [word for line in lines for word in shlex.split(line) if "://" in word]
    assert len(urls) == 5
    for url in urls:
        answer = httpx.get(url, timeout=60)
        assert answer.status_code == 200, url
        assert len(answer.content) > 200


def test_a_second_start_reuses_the_home(demo, start):
    with start(demo.home, "demo") as second:
        printed = second.output.read_text()
        assert "140 unchanged" in printed
        assert "created" not in printed
        assert [one["id"] for one in second.json("/collections")["collections"]] == ["l8-paraguay", "s2-romania"]
