"""All published figures (expected.json of each set), over HTTP, with the fast engine and with GDAL in its place."""

import numpy as np
import pytest
import rasterio

S2, L8, NY = "/collections/s2-romania", "/collections/l8-paraguay", "/collections/l8-ny"
EOPATCH, MODIS, S2_33T = "/collections/s2-eopatch", "/collections/mod13q1", "/collections/s2-33t"
DAY = "2016-03-18"


def own_pixels(path):
    """Parameters that ask for the pixels of a file and no others."""
    with rasterio.open(path) as file:
        crs = file.crs.to_string()
        box = ",".join(map(repr, file.bounds))
        return {"bbox": box, "bbox_crs": crs, "crs": crs, "width": file.width, "height": file.height}


def mean(values):
    return float(np.mean(values, dtype=np.float64))


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize(
    ("mask", "count", "figure"), [(None, "clear", "ndvi_mean_clear"), ("none", "valid", "ndvi_mean")]
)
def test_romania_date_by_date(server, romania, mask, count, figure):
    cube = server.tiff(f"{S2}/coverage", properties="ndvi", mask=mask)
    dates = [text[:10] for text in cube.descriptions]
    assert dates == sorted(romania["dates"])
    for layer, date, tags in zip(cube.data, dates, cube.tags, strict=True):
        figures = romania["dates"][date]
        seen = np.isfinite(layer)
        assert seen.sum() == figures[count], date
        assert tags["status"] == ("ok" if figures[count] else "empty")
        if figures[count]:
            assert mean(layer[seen]) == pytest.approx(figures[figure], abs=1e-6), date
    if mask is None:
        for year, figure in romania["aggregate"]["per_year_mean"].items():
            layers = cube.data[[date.startswith(year) for date in dates]]
            assert mean(layers[np.isfinite(layers)]) == pytest.approx(figure, abs=1e-6)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("mosaic", ["median", "max"])
def test_romania_mosaics(server, romania, mosaic):
    one = server.tiff(f"{S2}/coverage", properties="ndvi", group="all", mosaic=mosaic)
    assert one.data.shape == (1, 100, 100)
    figure = romania["aggregate"][f"{mosaic}_ndvi_clear_mean"]
    assert np.nanmean(one.data, dtype=float) == pytest.approx(figure, abs=1e-6)


@pytest.mark.usefixtures("fast")
def test_romania_point_series(server, romania, romania_files):
    with rasterio.open(romania_files[0]) as file:
        x, y = file.transform @ (50.5, 50.5)
    series = server.json(f"{S2}/position", coords=f"POINT({x} {y})", crs="EPSG:3035", parameter_name="ndvi,B8")
    times = series["domain"]["axes"]["t"]["values"]
    ndvi, b8 = series["ranges"]["ndvi"]["values"], series["ranges"]["B8"]["values"]
    assert [time[:10] for time in times] == sorted(romania["dates"])
    for time, value, infrared in zip(times, ndvi, b8, strict=True):
        _, _, b4, figure, scl = romania["dates"][time[:10]]["px_r50_c50"]
        assert infrared == figure
        assert value == (pytest.approx((figure - b4) / (figure + b4), abs=1e-6) if scl in (4, 5, 6, 7) else None)
    assert 0 < ndvi.count(None) < 140


@pytest.mark.usefixtures("fast")
def test_romania_area_series(server, romania, romania_files):
    """The mean of all clear pixels, and how many there are, from an area around the image."""
    with rasterio.open(romania_files[0]) as file:
        west, south, east, north = file.bounds
    area = f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"
    series = server.json(f"{S2}/area", coords=area, crs="EPSG:3035", parameter_name="ndvi", reducer="mean,count")
    ranges = series["ranges"]
    times = series["domain"]["axes"]["t"]["values"]
    for time, found, count in zip(times, ranges["ndvi_mean"]["values"], ranges["ndvi_count"]["values"], strict=True):
        figures = romania["dates"][time[:10]]
        assert (count or 0) == figures["clear"], time
        wanted = figures["ndvi_mean_clear"]
        assert found == (None if wanted is None else pytest.approx(wanted, abs=1e-6)), time


@pytest.mark.usefixtures("fast")
def test_paraguay_file_by_file(server, paraguay_files, demo_data, expected):
    figures = expected(demo_data / "l8-paraguay-2020")
    found = {}
    for (row, band), path in paraguay_files.items():
        asked = own_pixels(path)
        one = server.tiff(f"{L8}/coverage", properties=band, group=f"LC08_L1TP_224{row}_20200518", **asked)
        values, wanted = one.data[0][one.data[0] != 0], figures[path.name]
        assert list(one.shape) == wanted["shape"]
        assert (values.size, values.min(), values.max()) == (wanted["valid"], wanted["min"], wanted["max"])
        assert mean(values) == pytest.approx(wanted["mean"], abs=1e-6)
        found[row, band] = one
    for band in ("B2", "B3", "B4"):
        north, south = _overlap(found["077", band], found["078", band])
        both = (north != 0) & (south != 0)
        wanted = figures[f"overlap_{band}"]
        assert (list(both.shape), both.sum()) == (wanted["shape"], wanted["both_valid"])
        assert mean(north[both] == south[both]) == pytest.approx(wanted["equal_share"], abs=1e-9)


def _overlap(one, other):
    """The pixels that two answers of the same lattice share."""
    col, row = (round(v) for v in ~one.transform @ (other.transform.c, other.transform.f))
    first = one.data[0][max(row, 0) :, max(col, 0) :]
    second = other.data[0][max(-row, 0) :, max(-col, 0) :]
    height, width = min(first.shape[0], second.shape[0]), min(first.shape[1], second.shape[1])
    return first[:height, :width], second[:height, :width]


@pytest.mark.usefixtures("fast")
def test_new_york_scene_by_scene(server, shared_data, expected):
    """Nineteen grids of their own."""
    folder = shared_data / "l8-ny-2018"
    scenes = expected(folder)["scenes"]
    assert len(scenes) == 19
    for scene, wanted in scenes.items():
        asked = own_pixels(folder / scene / f"{scene[:25]}_B4.TIF")
        cube = server.tiff(f"{NY}/coverage", properties="ndvi,B4", group=scene[:25], **asked)
        ndvi, red = cube.data
        seen = np.isfinite(ndvi)
        assert list(cube.shape) == wanted["shape"]
        assert seen.sum() == wanted["valid"], scene
        assert mean(ndvi[seen]) == pytest.approx(wanted["ndvi_mean"], abs=1e-6)
        assert mean(red[seen]) == pytest.approx(wanted["b4_mean"], abs=1e-6)


@pytest.mark.usefixtures("fast")
def test_slovenia_date_by_date(server, shared_data, expected):
    """Two files of 68 bands."""
    wanted = expected(shared_data / "s2-eopatch-slovenia-2015-2017")
    whole = {name: server.tiff(f"{EOPATCH}/coverage", properties=name).data for name in ("ndvi", "CLM")}
    clear = server.tiff(f"{EOPATCH}/coverage", properties="ndvi", mask="clear").data
    assert len(whole["ndvi"]) == len(wanted["dates"]) == 68
    for number, date in enumerate(wanted["dates"]):
        ndvi, cloud = whole["ndvi"][number], whole["CLM"][number]
        assert mean(ndvi) == pytest.approx(wanted["ndvi_mean"][number], abs=1e-6), date
        assert mean(cloud) == pytest.approx(wanted["cloud_fraction"][number], abs=1e-6), date
        assert ndvi[50, 50] == pytest.approx(wanted["pixel_r50_c50"][number], abs=1e-6)
        seen, free = np.isfinite(clear[number]), wanted["ndvi_mean_cloudfree"][number]
        assert seen.any() == (free is not None), date
        if free is not None:
            assert mean(clear[number][seen]) == pytest.approx(free, abs=1e-6), date
    greatest = server.tiff(f"{EOPATCH}/coverage", properties="ndvi", group="all", mosaic="max")
    assert mean(greatest.data) == pytest.approx(wanted["max_ndvi_mean"], abs=1e-6)


@pytest.mark.usefixtures("by_gdal")
def test_sinop_date_by_date(server, shared_data, expected):
    """JPEG 2000, of which the catalogue keeps no layout."""
    dates = expected(shared_data / "mod13q1-sinop")["dates"]
    cube = server.tiff(f"{MODIS}/coverage")
    assert [text[:10] for text in cube.descriptions] == [*dates]
    for layer, (date, wanted) in zip(cube.data, dates.items(), strict=True):
        counts = layer.astype(np.float64) * 10_000
        assert mean(counts) == pytest.approx(wanted["mean"], abs=1e-3), date
        assert (counts.min().round(), counts.max().round()) == (wanted["min"], wanted["max"])
        assert counts[73, 127] == pytest.approx(wanted["px_r73_c127"], abs=1e-3)


@pytest.mark.usefixtures("by_gdal")
def test_zagreb_product_by_product(server, shared_data, expected):
    """JPEG 2000 named .tif, behind a STAC catalogue."""
    folder = shared_data / "s2-l2a-33T-2023"
    products = expected(folder)["products"]
    assert len(products) == 10
    for name, wanted in products.items():
        asked = own_pixels(folder / "sentinel-2-l2a" / name / "B04.tif")
        ndvi, scl = (
            server.tiff(f"{S2_33T}/coverage", properties=one, group=name, **asked).data for one in ("ndvi", "SCL")
        )
        clear = np.isfinite(ndvi)
        assert clear.sum() == wanted["clear"], name
        assert mean(ndvi[clear]) == pytest.approx(wanted["ndvi_mean_clear"], abs=1e-6)
        values, counts = np.unique(scl, return_counts=True)
        assert dict(zip(map(str, values), counts.tolist(), strict=True)) == wanted["scl_hist"]
        whole = server.tiff(f"{S2_33T}/coverage", properties="ndvi", mask="none", group=name, **asked)
        assert np.isfinite(whole.data).sum() == wanted["valid"]
