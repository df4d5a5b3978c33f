"""COGs as they are written, judged by GDAL and rio-cogeo."""

import os
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rio_cogeo.cogeo import cog_validate

from prismcube.model.formats import DTYPES, DataFormat
from prismcube.model.layout import InterlacingPattern
from prismcube.raster.geokeys import georeference
from prismcube.tiff.cog import writing_cog
from prismcube.tiff.image import Image
from prismcube.tiff.pages import open_pages
from prismcube.tiff.reduce import reduce_into

PLACE = georeference("EPSG:3857", rasterio.Affine(10, 0, 0, 0, -10, 0))


def write(path, image, pixels, *, rows=None, **more):
    with writing_cog(path, image, **more) as draft:
        for band, one in enumerate(pixels, start=1):
            for first in range(0, image.height, rows or image.height):
                draft.write(one[first : first + (rows or image.height)], band=band)


def pyramid(pixels, image):
    """The overviews of a band, by the rule that tests/unit/tiff/test_reduce.py judges."""
    while True:
        out = np.empty([-(-side // 2) for side in pixels.shape], dtype=pixels.dtype)
        reduce_into(out, pixels, format=image.format, reduction=image.reduction)
        yield out
        pixels = out


def check(path, image, pixels):
    """The file holds exactly these pixels, and overviews of them; it is a COG without a fault or warning."""
    sides = image.levels[-1]
    narrow = min(sides.height, sides.width) <= 2  # whose factors GDAL tells by the wrong side
    if not narrow:
        assert cog_validate(str(path), strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        assert file.block_shapes == [(image.block_height, image.block_width)] * image.bands
        np.testing.assert_array_equal(file.read(), pixels)
        assert len(file.overviews(1)) == len(image.levels) - 1
    for level in range(1, len(image.levels)):
        with rasterio.open(path, overview_level=level - 1) as file:
            for band, one in enumerate(pixels, start=1):
                overviews = pyramid(one, image)
                expected = [next(overviews) for _ in range(level)][-1]
                np.testing.assert_array_equal(file.read(band), expected)


@pytest.mark.parametrize("codec", ["none", "deflate", "zstd"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("predict", [False, True])
def test_every_type_and_codec(tmp_path, picture, image_of, dtype, codec, predict):
    pixels = picture((2, 200, 150), dtype, empty=[(0, 0, 70, 130)])
    image = image_of(pixels, codec=codec, predictor=None if predict else 1)
    path = tmp_path / "cog.tif"
    write(path, image, pixels)
    check(path, image, pixels)
    with rasterio.open(path) as file:
        structure = file.tags(ns="IMAGE_STRUCTURE")
        assert (file.dtypes, file.nodata) == ((dtype, dtype), 0)
        assert structure.get("COMPRESSION", "none").lower() == codec
        floating = np.dtype(dtype).kind == "f"
        predictor = ("3" if floating else "2") if predict and codec != "none" else None
        assert structure.get("PREDICTOR") == predictor


@pytest.mark.parametrize("codec", ["deflate", "zstd"])
def test_effort_of_the_codec(tmp_path, picture, image_of, codec):
    pixels = picture((1, 128, 128), "uint16") % 50
    sizes = []
    for level in (1, 12):
        write(tmp_path / "cog.tif", image_of(pixels, codec=codec, level=level), pixels)
        sizes.append((tmp_path / "cog.tif").stat().st_size)
    assert sizes[1] < sizes[0]


@settings(max_examples=40)
@given(st.data())
def test_any_shape_blocks_and_rows(data):
    height, width = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    bands = data.draw(st.integers(1, 3))
    blocks = {name: 16 * data.draw(st.integers(1, 6)) for name in ("block_height", "block_width")}
    rows, threads = data.draw(st.integers(1, height)), data.draw(st.booleans())
    nodata = data.draw(st.sampled_from([None, 0.0, 3.0]))
    pixels = np.random.default_rng(height * width).integers(0, 5, (bands, height, width), dtype=np.uint8)
    if data.draw(st.booleans()):
        pixels[:, : height // 2] = 3
    format = DataFormat(dtype="uint8", nodata=nodata)
    image = Image(height=height, width=width, bands=bands, format=format, georeference=PLACE, **blocks)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        path = Path(folder) / "cog.tif"
        write(path, image, pixels, rows=rows, pool=pool if threads else None, sync=False)
        check(path, image, pixels)
        assert os.listdir(folder) == ["cog.tif"]


def test_overviews_are_those_of_gdal(tmp_path, picture, image_of):
    """Exactly, of unsigned numbers of 8 and 16 bits. The sides are even at every level."""
    for dtype in ("uint8", "uint16"):
        pixels = picture((1, 256, 512), dtype, empty=[(10, 20, 77, 99)])
        write(tmp_path / "ours.tif", image_of(pixels), pixels)
        place = {"crs": "EPSG:3857", "transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}
        about = {"driver": "GTiff", "width": 512, "height": 256, "count": 1, "dtype": dtype, "nodata": 0} | place
        with rasterio.open(tmp_path / "theirs.tif", "w", **about) as file:
            file.write(pixels)
        with rasterio.open(tmp_path / "theirs.tif", "r+") as file:
            file.build_overviews([2, 4, 8], Resampling.average)
        for level in range(3):
            with (
                rasterio.open(tmp_path / "ours.tif", overview_level=level) as ours,
                rasterio.open(tmp_path / "theirs.tif", overview_level=level) as theirs,
            ):
                np.testing.assert_array_equal(ours.read(), theirs.read())


def test_classes_keep_their_values(tmp_path, picture, image_of):
    pixels = picture((1, 256, 256), "uint8") % 3 * 100
    image = image_of(pixels, reduction="nearest")
    write(tmp_path / "cog.tif", image, pixels)
    check(tmp_path / "cog.tif", image, pixels)
    with rasterio.open(tmp_path / "cog.tif", overview_level=1) as file:
        np.testing.assert_array_equal(file.read(), pixels[:, ::4, ::4])


def test_number_of_overviews(tmp_path, picture, image_of):
    pixels = picture((1, 256, 256))
    for overviews, factors in [(0, []), (1, [2]), (4, [2, 4, 8, 16]), (None, [2, 4])]:
        write(tmp_path / "cog.tif", image_of(pixels, overviews=overviews), pixels)
        with rasterio.open(tmp_path / "cog.tif") as file:
            assert file.overviews(1) == factors


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", 0), ("int16", -9999), ("float32", float("nan")), ("uint8", None)]
)
def test_blocks_of_nothing_are_not_stored(tmp_path, picture, image_of, dtype, nodata):
    pixels = picture((1, 256, 256), dtype)
    pixels[:, 64:128, :200] = 0 if nodata is None else nodata
    image = image_of(pixels, nodata=nodata)
    write(tmp_path / "cog.tif", image, pixels)
    check(tmp_path / "cog.tif", image, pixels)
    with open_pages(tmp_path / "cog.tif") as (page,):
        stored = page.parts[0].counts.reshape(4, 4) > 0
        assert stored.tolist() == [[True] * 4, [False] * 3 + [True], [True] * 4, [True] * 4]
        assert (page.parts[0].offsets[~stored.reshape(-1)] == 0).all()


def test_a_picture_of_nothing(tmp_path, image_of):
    pixels = np.zeros((2, 600, 600), dtype=np.uint16)
    image = image_of(pixels)
    write(tmp_path / "cog.tif", image, pixels)
    check(tmp_path / "cog.tif", image, pixels)
    assert (tmp_path / "cog.tif").stat().st_size < 15_000


def test_minus_nothing_is_lossless(tmp_path, image_of):
    """NaN other than nodata, infinities and the least numbers come back bit by bit."""
    pixels = np.zeros((1, 64, 64), dtype=np.float32)
    pixels[0, 0, :6] = [np.nan, np.inf, -np.inf, 1e-45, np.finfo(np.float32).max, -0.0]
    write(tmp_path / "cog.tif", image_of(pixels, nodata=-1), pixels)
    with rasterio.open(tmp_path / "cog.tif") as file:
        assert file.read().tobytes() == pixels.tobytes()


@pytest.mark.parametrize("rows", [1, 64, 200])
def test_bands_in_turns_and_in_parallel(tmp_path, picture, image_of, rows):
    pixels = picture((3, 200, 150))
    image = image_of(pixels)
    with ThreadPoolExecutor(3) as pool, writing_cog(tmp_path / "cog.tif", image, pool=pool) as draft:
        given = np.empty((rows, 150), dtype=np.uint16)  # one buffer for all: its rows are free after each call
        for first in range(0, 200, rows):
            for band in (3, 1, 2):
                piece = pixels[band - 1, first : first + rows]
                given[: len(piece)] = piece
                draft.write(given[: len(piece)], band=band)
        given[:] = 0
    check(tmp_path / "cog.tif", image, pixels)


def test_bands_side_by_side(tmp_path, picture, image_of):
    pixels = picture((2, 256, 256))
    image = image_of(pixels)
    for pattern, together in [("R>Z>B>T", [0, 1, 2]), ("R>Z>T>B", [0, 16, 1, 17])]:
        write(tmp_path / "cog.tif", image, pixels, pattern=InterlacingPattern.parse(pattern))
        check(tmp_path / "cog.tif", image, pixels)
        with open_pages(tmp_path / "cog.tif") as (page,):
            assert np.argsort(page.parts[0].offsets)[: len(together)].tolist() == together


def test_big_when_asked(tmp_path, picture, image_of):
    pixels = picture((1, 200, 150))
    image = image_of(pixels)
    write(tmp_path / "cog.tif", image, pixels, big=True)
    assert (tmp_path / "cog.tif").read_bytes()[:4] == b"II\x2b\0"
    check(tmp_path / "cog.tif", image, pixels)


def test_other_bytes_and_views(tmp_path, picture, image_of):
    """Big-endian, turned and read-only arrays are pixels too."""
    pixels = picture((1, 100, 100))
    for same in (pixels.astype(">u2"), np.asfortranarray(pixels[0])[None], pixels[:, ::-1][:, ::-1]):
        same.flags.writeable = False
        write(tmp_path / "cog.tif", image_of(pixels), same)
        check(tmp_path / "cog.tif", image_of(pixels), pixels)


def test_what_it_says_of_itself(tmp_path, picture, image_of):
    pixels = picture((2, 64, 64))
    about = {
        "name": "S2A é",
        "time": datetime.fromisoformat("2020-03-01T01:02:03+02:00"),
        "metadata": {"instance": "a<b"},
        "descriptions": ("red", "nir & more"),
        "scale": 0.0001,
        "offset": -0.1,
    }
    write(tmp_path / "cog.tif", image_of(pixels, **about), pixels)
    with rasterio.open(tmp_path / "cog.tif") as file:
        tags = file.tags()
        assert tags["TIFFTAG_DOCUMENTNAME"] == "S2A é"
        assert tags["TIFFTAG_DATETIME"] == "2020:02:29 23:02:03"
        assert tags["instance"] == "a<b"
        assert file.descriptions == ("red", "nir & more")
        assert (file.scales, file.offsets) == ((0.0001, 0.0001), (-0.1, -0.1))
        assert file.crs.to_epsg() == 32632
        assert file.transform[:6] == (10, 0, 500_000, 0, -10, 5_000_000)


def test_a_turned_picture(tmp_path, picture, image_of):
    pixels = picture((1, 64, 64))
    turned = rasterio.Affine(6, 8, 500_000, 8, -6, 5_000_000)
    write(tmp_path / "cog.tif", image_of(pixels, georeference=georeference("EPSG:3035", turned)), pixels)
    with rasterio.open(tmp_path / "cog.tif") as file:
        assert file.transform == turned
        assert file.crs.to_epsg() == 3035


@pytest.mark.parametrize(
    ("rows", "band", "fault"),
    [
        (np.zeros((10, 63), np.uint16), 1, "rows of 64 uint16"),
        (np.zeros((10, 64), np.int16), 1, "rows of 64 uint16"),
        (np.zeros((65, 64), np.uint16), 1, "has 64 rows, 65 were given"),
        (np.zeros((10, 64), np.uint16), 2, "band 2 of 1"),
        (np.zeros((10, 64), np.uint16), 1, "has 64 rows, 10 were given"),
    ],
)
def test_rows_that_do_not_fit(tmp_path, picture, image_of, rows, band, fault):
    with (
        pytest.raises(ValueError, match=fault),
        writing_cog(tmp_path / "a.tif", image_of(picture((1, 64, 64)))) as draft,
    ):
        draft.write(rows, band=band)
    assert os.listdir(tmp_path) == []


def test_time_is_utc():
    image = Image(height=1, width=1, format=DataFormat(dtype="uint8"), time=datetime(2020, 1, 1, tzinfo=UTC))
    assert any(one.values == b"2020:01:01 00:00:00\0" for one in image.tags(0))


@pytest.mark.parametrize("threads", [0, 2])
def test_memory_is_some_rows_of_blocks(tmp_path, image_of, threads):
    """Of an image of 64 MB, with all its overviews, less than 16 MB are ever held."""
    rows = np.random.default_rng(0).integers(0, 60_000, (256, 1024), dtype=np.uint16)
    image = image_of(np.empty((1, 32_768, 1024), dtype=np.uint16), block_height=256, block_width=256)
    with ThreadPoolExecutor(2) as pool:
        tracemalloc.start()
        with writing_cog(tmp_path / "cog.tif", image, pool=pool if threads else None, sync=False) as draft:
            for _ in range(128):
                draft.write(rows)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (tmp_path / "cog.tif").stat().st_size > 64e6
    assert peak < 16e6
