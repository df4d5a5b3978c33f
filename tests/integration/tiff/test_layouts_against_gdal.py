"""Layouts say of every file what GDAL says: GDAL's GTiff driver tells the place of each block of each overview."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.shutil import copy

from prismcube.model.formats import DTYPES
from prismcube.tiff.layout import CODECS, Layout, Level, NotUnderstood
from prismcube.tiff.packed import pack, unpack
from prismcube.tiff.parse import read_layout

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
NEVER_FAST = {"geocube-tutorial-32UNG-2019/server-expected/image_warp6.tif": "JPEG compression"}


def layout_of(path: Path, page: int | None = None) -> Layout:
    with path.open("rb") as file:
        return read_layout(
            lambda start, length: os.pread(file.fileno(), length, start), size=path.stat().st_size, page=page
        )


def check_against_gdal(path: Path, page: int | None = None) -> Layout:
    """The layout of a file; fails when GDAL knows it otherwise."""
    layout = layout_of(path, page)
    name = f"GTIFF_DIR:{page}:{path}" if page else str(path)
    with rasterio.open(name, driver="GTiff") as dataset:
        assert len(layout.levels) == 1 + len(dataset.overviews(1)), path
        first = layout.levels[0]
        assert {first.dtype} == {*dataset.dtypes}, path
        assert (layout.nodata is None) == (dataset.nodata is None), path
        assert layout.nodata is None or repr(float(layout.nodata)) == repr(float(dataset.nodata)), path
        assert (layout.scale, layout.offset) == (dataset.scales[0], dataset.offsets[0]), path
        assert first.bands == dataset.count, path
        assert first.planar == (dataset.count > 1 and dataset.interleaving.value == "BAND"), path
        check_level(first, dataset, None)
    for number, level in enumerate(layout.levels[1:]):
        with rasterio.open(name, driver="GTiff", overview_level=number) as overview:
            check_level(level, overview, None)
        with rasterio.open(name, driver="GTiff") as dataset:
            check_places(level, dataset, number)
    again = unpack(pack(layout))
    assert repr((again.nodata, again.scale, again.offset)) == repr((layout.nodata, layout.scale, layout.offset))
    for one, other in zip(layout.levels, again.levels, strict=True):
        assert one.describes_like(other)
        np.testing.assert_array_equal(one.offsets, other.offsets)
        np.testing.assert_array_equal(one.counts, other.counts)
    return layout


def check_level(level: Level, dataset: Any, number: int | None) -> None:
    assert level.shape == dataset.shape
    is_split = level.strips and level.codec == "none" and level.blocks[0] > 1 and dataset.block_shapes[0][0] == 1
    if not is_split:  # GDAL takes large strips apart too, into single rows
        assert (level.block_height, level.block_width) == dataset.block_shapes[0]
    if level.codec != "none" and number is None:
        assert dataset.compression.value == {"lzw": "LZW", "deflate": "DEFLATE", "zstd": "ZSTD"}[level.codec]
    if number is None:
        check_places(level, dataset, None)


def check_places(level: Level, dataset: Any, number: int | None) -> None:
    for (plane, row, col), offset in np.ndenumerate(level.offsets):
        place, size = (
            dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=plane + 1, ovr=number)
            for what in ("OFFSET", "SIZE")
        )
        assert (int(place or 0), int(size or 0)) == (int(offset), int(level.counts[plane, row, col]))


def test_all_real_files(shared_data: Path) -> None:
    """Each is laid out as GDAL says, or no TIFF to GDAL either, or on the list above."""
    fast = 0
    for path in sorted(shared_data.rglob("*")):
        if path.suffix.lower() not in (".tif", ".tiff"):
            continue
        name = path.relative_to(shared_data).as_posix()
        try:
            check_against_gdal(path)
            fast += 1
        except NotUnderstood as error:
            if name in NEVER_FAST:
                assert str(error) == NEVER_FAST[name]
                continue
            with pytest.raises(RasterioError):
                rasterio.open(path, driver="GTiff")
    assert fast == 423


KINDS: dict[str, dict[str, Any]] = {
    "strips": {},
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 32},
    "big": {"tiled": True, "blockxsize": 64, "blockysize": 64, "BIGTIFF": "YES"},
    "big-endian": {"ENDIANNESS": "BIG", "blockysize": 7},
    "big-big-endian": {"tiled": True, "blockxsize": 32, "blockysize": 32, "BIGTIFF": "YES", "ENDIANNESS": "BIG"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(
    ("dtype", "bands", "predictor", "nodata"),
    [
        ("uint8", 1, 2, None),
        ("int8", 2, 1, -128),
        ("uint16", 4, 2, 0),
        ("int16", 3, 2, -1),
        ("uint32", 2, 2, 4294967295),
        ("int32", 1, 2, -2147483648),
        ("float32", 3, 3, float("nan")),
        ("float32", 1, 2, -3.4028234663852886e38),
        ("float64", 2, 3, -1.5e300),
    ],
)
def test_files_of_every_kind(
    tmp_path: Path, kind: str, interleave: str, dtype: str, bands: int, predictor: int, nodata: Any
) -> None:
    path = tmp_path / "a.tif"
    compress = CODECS[([*KINDS].index(kind) + DTYPES.index(dtype)) % len(CODECS)]  # each with every kind
    profile = {"driver": "GTiff", "width": 150, "height": 110, "count": bands, "dtype": dtype, "nodata": nodata}
    options = {"interleave": interleave, "compress": compress, **KINDS[kind]}
    if compress != "none":
        options["predictor"] = predictor
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(np.arange(bands * 150 * 110).reshape(bands, 110, 150).astype(dtype))
        file.scales, file.offsets = [0.5] * bands, [-3.25] * bands
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.average)
    layout = check_against_gdal(path)
    assert len(layout.levels) == 3
    assert (layout.scale, layout.offset) == (0.5, -3.25)
    level = layout.levels[0]
    assert level.codec == compress
    assert level.predictor == (predictor if compress != "none" else 1)
    assert level.big_endian == ("ENDIANNESS" in options)
    assert level.strips == ("tiled" not in options)


@pytest.mark.parametrize("nodata", [None, 7, 0])
def test_blocks_that_are_not_stored(tmp_path: Path, nodata: Any) -> None:
    path = tmp_path / "sparse.tif"
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 2, "dtype": "uint16", "nodata": nodata}
    options = {"tiled": True, "blockxsize": 64, "blockysize": 64, "SPARSE_OK": True, "compress": "deflate"}
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(np.full((2, 64, 64), 9, "uint16"), window=((64, 128), (128, 192)))
    level = check_against_gdal(path).levels[0]
    assert (
        [*zip(*np.nonzero(level.counts), strict=True)] == [*zip(*np.nonzero(level.offsets), strict=True)] == [(0, 1, 2)]
    )
    with rasterio.open(path) as file:
        assert file.read(1)[0, 0] == layout_of(path).fill()


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", "300"),
        ("uint8", "-9999"),
        ("uint8", "nan"),
        ("uint8", "1.5"),
        ("int16", "1e9"),
        ("int8", "-1.7"),
        ("int32", "inf"),
        ("float32", "1e39"),
        ("float32", "3.40282347e+38"),
        ("float32", "-inf"),
    ],
)
def test_fill_of_odd_nodata(tmp_path: Path, dtype: str, nodata: str) -> None:
    """Blocks that are not stored are what GDAL makes of them."""
    path = tmp_path / "sparse.tif"
    with rasterio.open(path, "w", driver="GTiff", width=64, height=64, count=1, dtype=dtype, SPARSE_OK=True, nodata=77):
        pass
    data = bytearray(path.read_bytes())
    place = data.index(b"77\0")
    assert place
    path.write_bytes(with_tag_42113(bytes(data), nodata.encode() + b"\0"))
    with rasterio.open(path) as file:
        expected = file.read(1)[0, 0]
    np.testing.assert_array_equal(layout_of(path).fill(), expected)


def with_tag_42113(data: bytes, text: bytes) -> bytes:
    """A little-endian TIFF with another GDAL_NODATA, written behind its end."""
    changed = bytearray(data + text.ljust(16, b"\0"))
    first = int.from_bytes(data[4:8], "little")
    for number in range(int.from_bytes(data[first : first + 2], "little")):
        at = first + 2 + 12 * number
        if int.from_bytes(data[at : at + 2], "little") == 42113:
            changed[at + 4 : at + 8] = len(text).to_bytes(4, "little")
            inline = len(text) <= 4
            changed[at + 8 : at + 12] = text.ljust(4, b"\0") if inline else len(data).to_bytes(4, "little")
            return bytes(changed)
    raise AssertionError("no GDAL_NODATA")


def test_cogs_and_masks(tmp_path: Path) -> None:
    """Overviews that follow the image, with masks among them, which are passed by."""
    source, path = tmp_path / "a.tif", tmp_path / "cog.tif"
    profile = {"driver": "GTiff", "width": 1500, "height": 1200, "count": 3, "dtype": "uint16"}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(source, "w", **profile) as file:
        file.write(np.random.default_rng(1).integers(0, 1000, (3, 1200, 1500)).astype("uint16"))
        file.write_mask(np.arange(1500)[None, :] + np.zeros((1200, 1), int) > 700)
    copy(source, path, driver="COG", blocksize=128, compress="zstd", overviews="AUTO", predictor="2")
    layout = check_against_gdal(path)
    assert [level.shape for level in layout.levels] == [(1200, 1500), (600, 750), (300, 375), (150, 187), (75, 93)]
    assert {level.codec for level in layout.levels} == {"zstd"}


def test_pages(tmp_path: Path) -> None:
    """Each page is an image; the file itself is its first one."""
    path = tmp_path / "pages.tif"
    for number, size in enumerate((100, 120, 90)):
        options = {"APPEND_SUBDATASET": True} if number else {}
        with rasterio.open(
            path, "w", driver="GTiff", width=size, height=50, count=1, dtype="int16", compress="lzw", **options
        ) as file:
            file.write(np.full((1, 50, size), number, "int16"))
    assert check_against_gdal(path).levels[0].width == 100
    for page, width in ((1, 100), (2, 120), (3, 90)):
        assert check_against_gdal(path, page).levels[0].width == width
    with pytest.raises(NotUnderstood, match="no page 4"):
        layout_of(path, 4)


@pytest.mark.parametrize("planar", [False, True])
def test_a_large_strip_is_taken_apart(tmp_path: Path, planar: bool) -> None:
    path = tmp_path / "strip.tif"
    values = np.random.default_rng(2).integers(0, 60000, (3, 1000, 1100)).astype("uint16")
    with rasterio.open(
        path, "w", driver="GTiff", width=1100, height=1000, count=3, dtype="uint16", blockysize=1000,
        interleave="band" if planar else "pixel",
    ) as file:  # fmt: skip
        file.write(values)
    level = layout_of(path).levels[0]
    assert level.blocks[0] > 1
    data = path.read_bytes()
    for block in range(level.blocks[0]):
        rows = level.rows_of(block)
        top = block * level.block_height
        for plane in range(3 if planar else 1):
            start, count = int(level.offsets[plane, block, 0]), int(level.counts[plane, block, 0])
            found = np.frombuffer(data[start : start + count], "<u2").reshape(rows, 1100, -1)
            expected = values[[plane] if planar else [0, 1, 2], top : top + rows]
            np.testing.assert_array_equal(found, np.moveaxis(expected, 0, -1))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"compress": "jpeg", "dtype": "uint8"}, "JPEG compression"),
        ({"compress": "webp", "dtype": "uint8", "count": 3}, "WebP compression"),
        ({"compress": "lerc", "dtype": "float32"}, "LERC compression"),
        ({"compress": "lzma", "dtype": "uint8"}, "LZMA compression"),
        ({"compress": "packbits", "dtype": "uint8"}, "PackBits compression"),
        ({"compress": "ccittfax4", "dtype": "uint8", "nbits": 1}, "numbers of 1 bits"),
        ({"nbits": 12, "dtype": "uint16"}, "numbers of 12 bits"),
        ({"nbits": 16, "dtype": "float32"}, "floating numbers of 16 bits"),
        ({"dtype": "complex64"}, "complex numbers"),
        ({"dtype": "int64"}, "signed numbers of 64 bits"),
        ({"compress": "jpeg", "dtype": "uint8", "count": 3, "photometric": "ycbcr"}, "JPEG compression"),
        ({"photometric": "cielab", "dtype": "uint8", "count": 3}, "colours of kind 8"),
        (
            {"compress": "deflate", "dtype": "float64", "blockysize": 3000, "width": 3000, "height": 3000},
            "blocks of 72 MB",
        ),
    ],
)
def test_what_is_left_to_gdal(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, **options}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.zeros((file.count, file.height, file.width), profile["dtype"]))
    with pytest.raises(NotUnderstood, match=reason):
        layout_of(path)


def test_a_truncated_file_is_left_to_gdal(tmp_path: Path, demo_data: Path) -> None:
    source = next(demo_data.rglob("*.tif"))
    data = source.read_bytes()
    path = tmp_path / "short.tif"
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(NotUnderstood, match="beyond its end"):
        layout_of(path)


def test_colour_tables_and_minimum_is_white(tmp_path: Path) -> None:
    """Values are what is stored, whatever colours they stand for."""
    for photometric in ("palette", "miniswhite"):
        path = tmp_path / f"{photometric}.tif"
        options = {"photometric": photometric} if photometric != "palette" else {}
        with rasterio.open(path, "w", driver="GTiff", width=20, height=9, count=1, dtype="uint8", **options) as file:
            file.write(np.arange(180, dtype="uint8").reshape(1, 9, 20))
            if photometric == "palette":
                file.write_colormap(1, {n: (n, n, 0, 255) for n in range(256)})
        level = check_against_gdal(path).levels[0]
        stored = path.read_bytes()[int(level.offsets[0, 0, 0]) :][:180]
        with rasterio.open(path) as file:
            assert file.read(1).tobytes() == stored
