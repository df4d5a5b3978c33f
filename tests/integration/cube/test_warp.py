"""Resampling from windows of files: judged by GDAL's warper, asked to be exact."""

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from prismcube.cube.levels import scale_of
from prismcube.cube.mesh import Meshes
from prismcube.cube.warp import resample, view_of
from prismcube.model.formats import DTYPES, DataFormat
from prismcube.model.grid import Bounds, Grid, transformer
from tests.judge import check_same, cut_by_edge, warped

LAEA = CRS.from_user_input("+proj=laea +lat_0=45 +lon_0=9 +datum=WGS84 +units=m").to_wkt()
"""A CRS that has no code."""


def image(dtype, nodata, *, shape=(300, 260), seed=1):
    """Smooth hills with some noise, holes of nodata, and single empty pixels."""
    random = np.random.default_rng(seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    hills = 60 + 25 * np.sin(rows / 9) + 25 * np.cos(cols / 7) + random.normal(0, 2, shape)
    if np.dtype(dtype).itemsize > 1:
        hills = hills * 100
    data = hills.astype(dtype)
    if nodata is not None:
        data[40:90, 50:120] = nodata
        data[random.random(shape) < 0.02] = nodata
    return data


def ours(data, source, target, resampling, nodata):
    """Values and validity of ours, from the window alone that the view asks for."""
    shrink = scale_of(source, target, source.bounds)
    view = view_of(source, target, resampling=resampling, shrink=shrink, meshes=Meshes())
    out, valid = np.zeros(target.shape, dtype=data.dtype), np.zeros(target.shape, dtype=bool)
    if view is not None:
        window = view.window
        pixels = data[window.row : window.row + window.height, window.col : window.col + window.width].copy()
        format = DataFormat(dtype=str(data.dtype), nodata=nodata)
        filled = resample(view, pixels, source, target, format=format, resampling=resampling, out=out, valid=valid)
        assert filled == np.count_nonzero(valid)
    return out, valid, shrink


def around(source, crs, *, size, pixels=(200, 210), shift=(0.0, 0.0)):
    """A grid of that pixel size whose middle is the source's, moved by a part of a pixel."""
    bounds = source.bounds
    x, y = transformer(source.crs, crs).transform((bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2)
    height, width = pixels
    corner = Affine(size, 0, x - size * (width / 2 + shift[1]), 0, -size, y + size * (height / 2 + shift[0]))
    return Grid(crs, corner, height, width)


def utm(code, *, north=5_000_000, size=20.0, shape=(300, 260)):
    return Grid(code, Affine(size, 0, 480_000, 0, -size, north), *shape)


def agree(data, source, target, resampling, nodata):
    found, valid, shrink = ours(data, source, target, resampling, nodata)
    wanted, wanted_valid = warped(data, source, target, resampling, nodata, shrink=shrink)
    check_same(found, valid, wanted, wanted_valid, source=source, target=target, resampling=resampling)
    if resampling == "average":
        check_means_at_edges(found, valid, data, nodata, source, target)


def check_means_at_edges(found, valid, data, nodata, source, target):
    """Where the file's edge cuts a pixel GDAL is no judge: the mean by area of the pixels there, by plain numpy."""
    inverse, to_source = ~source.transform, transformer(target.crs, source.crs)
    for row, col in zip(*np.nonzero(cut_by_edge(source, target) & valid), strict=True):
        corners = [target.transform @ (col + right, row + down) for right, down in ((0, 0), (1, 1))]
        (x0, y0), (x1, y1) = (inverse @ to_source.transform(*corner) for corner in corners)
        weights = np.outer(
            shares(min(y0, y1), max(y0, y1), source.height), shares(min(x0, x1), max(x0, x1), source.width)
        )
        weights[(data == nodata) | (data != data)] = 0
        if weights.sum() > 1e-3:  # a sliver may lie on either side of a pixel's edge
            mean = (weights * np.where(weights > 0, data, 0).astype(float)).sum() / weights.sum()
            assert abs(found[row, col] - mean) <= 1, (row, col, found[row, col], mean)


def shares(first, last, count):
    """Which part of each of so many pixels lies between two places."""
    starts = np.arange(count)
    return np.clip(np.minimum(last, starts + 1) - np.maximum(first, starts), 0, None)


KERNELS = ["nearest", "bilinear", "cubic", "average"]
NODATA = {"uint8": 0, "int8": -128, "uint16": 0, "int16": -9999, "uint32": 7, "int32": -1, "float32": -9999.0}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("resampling", KERNELS)
def test_every_type_in_another_zone(dtype, resampling):
    source = utm("EPSG:32632")
    target = around(source, "EPSG:32633", size=20.0, shift=(0.3, 0.6))
    nodata = NODATA.get(dtype, math.nan)
    agree(image(dtype, nodata), source, target, resampling, nodata)


@pytest.mark.parametrize("resampling", [*KERNELS, "lanczos", "mode", "max"])
@pytest.mark.parametrize("nodata", [None, 0, 65535, 5000])
def test_every_kind_of_nodata(resampling, nodata):
    source = utm("EPSG:32632")
    agree(image("uint16", nodata), source, around(source, "EPSG:3857", size=27.0), resampling, nodata)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("nodata", [0, None, math.nan])
def test_every_type_with_every_nodata(dtype, resampling, nodata):
    """None and NaN are the same for floats, and no value of integers."""
    source = utm("EPSG:32632", shape=(120, 110))
    data = image(dtype, 0 if nodata == 0 else None, shape=(120, 110))
    if data.dtype.kind == "f" and nodata != 0:
        data[30:60, 40:70] = math.nan
        nodata_of_gdal = math.nan
    else:
        nodata_of_gdal = None if nodata != 0 else 0
    target = around(source, "EPSG:3857", size=24.0, pixels=(90, 80))
    found, valid, shrink = ours(data, source, target, resampling, nodata)
    wanted, wanted_valid = warped(data, source, target, resampling, nodata_of_gdal, shrink=shrink)
    check_same(found, valid, wanted, wanted_valid, source=source, target=target, resampling=resampling)
    assert (not valid[35:45, 35:45].all()) == (data.dtype.kind == "f" or nodata == 0)


PLACES = {
    "southern UTM": (utm("EPSG:32756", north=6_200_000), "EPSG:3857", 25.0),
    "UTM over its edge": (Grid("EPSG:32631", Affine(20, 0, 820_000, 0, -20, 5_000_000), 300, 260), "EPSG:32632", 20.0),
    "degrees": (utm("EPSG:32632"), "EPSG:4326", 0.0002),
    "from degrees": (Grid("EPSG:4326", Affine(0.001, 0, 9, 0, -0.001, 46), 300, 260), "EPSG:32632", 100.0),
    "polar": (Grid("EPSG:3413", Affine(500, 0, -60_000, 0, -500, 80_000), 300, 260), "EPSG:3575", 500.0),
    "to polar": (utm("EPSG:32627", north=8_600_000), "EPSG:3413", 25.0),
    "to southern polar": (utm("EPSG:32733", north=1_500_000), "EPSG:3031", 25.0),
    "polar to degrees": (Grid("EPSG:3031", Affine(500, 0, 900_000, 0, -500, 1_080_000), 300, 260), "EPSG:4326", 0.01),
    "WKT only": (utm("EPSG:32632"), LAEA, 20.0),
    "from WKT only": (Grid(LAEA, Affine(20, 0, -2_600, 0, -20, 3_000), 300, 260), "EPSG:32632", 20.0),
    "another datum": (utm("EPSG:25832", north=5_700_000), "EPSG:31467", 20.0),
    "equal area": (Grid("EPSG:3035", Affine(100, 0, 4_300_000, 0, -100, 3_000_000), 300, 260), "EPSG:3857", 150.0),
}


@pytest.mark.parametrize("resampling", KERNELS)
@pytest.mark.parametrize("place", PLACES)
def test_every_part_of_the_globe(place, resampling):
    source, crs, size = PLACES[place]
    agree(image("int16", -1), source, around(source, crs, size=size, shift=(0.2, 0.7)), resampling, -1)


@pytest.mark.parametrize("resampling", KERNELS)
@pytest.mark.parametrize("shrink", [0.4, 0.96, 1.3, 1.9, 2.03, 3.4, 7.7, 60.0])
def test_everykernel_scale(shrink, resampling):
    source = utm("EPSG:32632", shape=(800, 700))
    target = around(source, "EPSG:3857", size=28.6 * shrink, pixels=(90, 110))
    agree(image("uint16", 0, shape=(800, 700)), source, target, resampling, 0)


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("shrink", [(1.4, 1.01), (1.04, 2.3), (1.2, 0.97), (3.1, 0.3), (0.6, 1.3)])
def test_kernels_that_are_wider_along_one_axis(shrink, resampling):
    """With pixels of the answer in the middle of the file's, and beside it."""
    source = utm("EPSG:32632")
    down, right = shrink
    for shift in (0.0, 0.003, -0.004, 0.4):
        place = Affine.translation(480_000 + 20 * (100 + shift), 5_000_000 - 20 * (75 + shift))
        target = Grid("EPSG:32632", place @ Affine.scale(20 * right, -20 * down), 40, 40)
        agree(image("uint16", 0), source, target, resampling, 0)


@pytest.mark.parametrize("resampling", KERNELS)
def test_a_file_in_a_picture_of_the_whole_world(resampling):
    """Smaller than a pixel: the kernel has ten thousand pixels a side, of which the file has few."""
    source = Grid("EPSG:3035", Affine(10, 0, 5_271_980, 0, -10, 2_533_000), 100, 100)
    data = image("uint16", 0, shape=(100, 100))
    target = Grid("EPSG:3857", Affine(156_543, 0, -20_037_508, 0, -156_543, 20_037_508), 256, 256)
    found, valid, _ = ours(data, source, target, resampling, 0)
    assert valid.sum() <= 1 or resampling == "average"
    assert not valid.any() or abs(found[valid].max() - data[data != 0].mean()) < 3000


@pytest.mark.parametrize("resampling", KERNELS)
def test_files_across_the_antimeridian(resampling):
    source = Grid("EPSG:32601", Affine(500, 0, 180_000, 0, -500, 7_000_000), 300, 260)
    target = Grid("EPSG:3832", Affine(600, 0, 3_200_000, 0, -600, 9_200_000), 220, 200)
    agree(image("uint16", 0), source, target, resampling, 0)


@pytest.mark.parametrize("resampling", KERNELS)
@pytest.mark.parametrize("turn", [0, 360], ids=["-180 to 180", "0 to 360"])
def test_degrees_across_the_antimeridian(resampling, turn):
    """A file that counts on beyond 180 degrees, in a zone that lies there."""
    source = Grid("EPSG:4326", Affine(0.01, 0, 178.6 - turn, 0, -0.01, -16), 300, 260)
    target = around(
        Grid("EPSG:32701", Affine(500, 0, 160_000, 0, -500, 8_150_000), 300, 260), "EPSG:32701", size=1000.0
    )
    data = image("uint16", 0)
    found, valid, shrink = ours(data, source, target, resampling, 0)
    as_gdal_counts = Grid("EPSG:4326", Affine(0.01, 0, 178.6, 0, -0.01, -16), 300, 260)
    wanted, wanted_valid = warped(data, as_gdal_counts, target, resampling, 0, shrink=shrink)
    check_same(found, valid, wanted, wanted_valid, source=as_gdal_counts, target=target, resampling=resampling)


@pytest.mark.parametrize("resampling", KERNELS)
@pytest.mark.parametrize("west", [0.0, -180.0])
def test_the_whole_globe_however_it_counts(west, resampling):
    source = Grid("EPSG:4326", Affine(1, 0, west, 0, -1, 90), 180, 360)
    data = image("uint16", 0, shape=(180, 360))
    target = Grid("EPSG:3832", Affine(60_000, 0, -6_000_000, 0, -60_000, 5_000_000), 160, 200)  # around 150 E
    found, valid, shrink = ours(data, source, target, resampling, 0)
    turned = Grid("EPSG:4326", Affine(1, 0, -30, 0, -1, 90), 180, 360)  # 150 E in the middle: no seam for GDAL
    wanted, wanted_valid = warped(np.roll(data, int(west) + 30, axis=1), turned, target, resampling, 0, shrink=shrink)
    x, y = np.meshgrid(target.xs(), target.ys())
    lon = transformer(target.crs, source.crs).transform(x, y)[0]
    far = np.abs((lon - west + 180) % 360 - 180) > 2  # at the file's own seam neighbours are missing
    assert np.array_equal(valid[far], wanted_valid[far])
    both = valid & wanted_valid & far
    assert np.abs(found[both].astype(float) - wanted[both]).max() <= (100 if resampling == "nearest" else 1)


def test_a_mosaic_fills_only_what_is_empty():
    source = utm("EPSG:32632")
    target = around(source, "EPSG:32633", size=20.0)
    view = view_of(source, target, resampling="bilinear", shrink=(1.0, 1.0), meshes=Meshes())
    rows, cols = (slice(view.window.row, view.window.row + view.window.height),
                  slice(view.window.col, view.window.col + view.window.width))  # fmt: skip
    out, valid = np.zeros(target.shape, "uint16"), np.zeros(target.shape, dtype=bool)
    format = DataFormat(dtype="uint16", nodata=0)
    for seed in (1, 2):
        pixels = image("uint16", 0, seed=seed)[rows, cols].copy()
        resample(view, pixels, source, target, format=format, resampling="bilinear", out=out, valid=valid)
    (first, has_first), (second, has_second) = (
        warped(image("uint16", 0, seed=seed), source, target, "bilinear", 0) for seed in (1, 2)
    )
    assert np.array_equal(valid, has_first | has_second)
    wanted = np.where(has_first, first, second)
    assert np.abs(out.astype(int) - wanted)[valid].max() <= 1


@pytest.mark.parametrize("resampling", [*KERNELS, "lanczos"])
def test_a_valid_result_never_becomes_nodata(resampling):
    source = utm("EPSG:32632")
    target = around(source, "EPSG:32633", size=20.0)
    view = view_of(source, target, resampling=resampling, shrink=(1.0, 1.0), meshes=Meshes())
    window = view.window
    pixels = np.full((window.height, window.width), 9, dtype="uint8")
    out, valid = np.zeros(target.shape, "uint8"), np.zeros(target.shape, dtype=bool)
    format = DataFormat(dtype="uint8", nodata=0)
    resample(view, pixels, source, target, format=format, resampling=resampling, out=out, valid=valid, shunned=9)
    assert set(np.unique(out[valid])) == {10}


def test_files_that_are_not_seen():
    source = utm("EPSG:32632")
    target = around(source, "EPSG:32633", size=20.0).shifted(5000, 0, height=50, width=50)
    assert view_of(source, target, resampling="bilinear", shrink=(1.0, 1.0), meshes=Meshes()) is None


def test_the_scale_is_that_of_the_middle():
    source = utm("EPSG:32632")
    assert scale_of(source, around(source, "EPSG:32632", size=60.0), source.bounds) == (3.0, 3.0)
    down, right = scale_of(source, around(source, "EPSG:3857", size=20.0), source.bounds)
    latitude = transformer("EPSG:32632", "EPSG:4326").transform(482_600, 4_997_000)[1]
    assert down == pytest.approx(math.cos(math.radians(latitude)), rel=0.01)
    assert right == pytest.approx(down, rel=0.01)
    assert scale_of(source, source, Bounds(0, 0, 0, 0)) == (1.0, 1.0)
