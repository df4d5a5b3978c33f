"""Files of many dates, judged by GDAL."""

import errno
import os
import subprocess
import tempfile
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import given, settings
from hypothesis import strategies as st
from rio_cogeo.cogeo import cog_validate

from prismcube.errors import InvalidInput, SourceError
from prismcube.model.formats import DataFormat
from prismcube.model.layout import MUCOG, InterlacingPattern
from prismcube.raster.geokeys import georeference
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image
from prismcube.tiff.mucog import Date, append_dates, dates_of, drop_dates, write_mucog
from prismcube.tiff.pages import open_pages

PATTERNS = [
    MUCOG,
    "R>Z>T>B",
    "Z>T>R>B",
    "B>R>Z>T",
    "Z>T>R>B=0:1;B=1:>Z>R>T",
    "R=3,0>B>Z>T;R=1:3>Z>T>B;R=4:>B>Z>T",
]


def check(path, dates):
    """GDAL opens each date by its number, with its pixels, place and overviews as in its draft."""
    assert len(dates_of(path)) == len(dates)
    for number, (pixels, draft) in enumerate(dates, start=1):
        name = f"GTIFF_DIR:{number}:{path}"
        with rasterio.open(name) as file, rasterio.open(draft) as alone:
            np.testing.assert_array_equal(file.read(), pixels)
            assert file.overviews(1) == alone.overviews(1)
            assert (file.crs, file.transform, file.nodata) == (alone.crs, alone.transform, alone.nodata)
            assert file.tags() == alone.tags()
            assert file.tags(ns="IMAGE_STRUCTURE") == alone.tags(ns="IMAGE_STRUCTURE")
            levels = range(len(alone.overviews(1)))
        for level in levels:
            with rasterio.open(name, overview_level=level) as file, rasterio.open(draft, overview_level=level) as alone:
                np.testing.assert_array_equal(file.read(), alone.read())


@pytest.fixture
def five(picture, draft_of):
    """Pixels (2 bands, 128, 256) and draft of five dates, the third empty for the most part."""
    pixels = [picture((2, 128, 256), seed=seed) for seed in range(5)]
    pixels[2][:, :, 64:] = 0
    return [(one, draft_of(one, f"d{index}")) for index, one in enumerate(pixels)]


def write(path, dates, **more):
    write_mucog(path, [draft for _, draft in dates], **more)


def test_dates_one_by_one(tmp_path, five):
    write(tmp_path / "all.tif", five)
    check(tmp_path / "all.tif", five)
    with rasterio.open(tmp_path / "all.tif") as file:
        assert len(file.subdatasets) == 5
        np.testing.assert_array_equal(file.read(), five[0][0])


def test_gdal_of_debian_sees_dates_and_overviews(tmp_path, five):
    write(tmp_path / "all.tif", five)
    told = subprocess.run(
        ["gdalinfo", "-checksum", f"GTIFF_DIR:4:{tmp_path / 'all.tif'}"], capture_output=True, text=True, check=True
    ).stdout
    with rasterio.open(five[3][1]) as alone:
        assert all(f"Checksum={alone.checksum(band)}" in told for band in (1, 2))
    assert "Overviews: 128x64, 64x32" in told


def places(path):
    """(offset, date, zoom, band, tile) of every stored block, in the order of the file."""
    found = []
    with open_pages(path) as pages:
        for date, page in enumerate(pages):
            for zoom, part in enumerate(page.parts):
                for index in np.flatnonzero(part.counts):
                    band, tile = divmod(int(index), part.tiles)
                    found.append((int(part.offsets[index]), date, zoom, band, tile, int(part.counts[index])))
    return sorted(found)


def test_series_of_a_block_lie_together(tmp_path, five):
    """Full resolution block by block, each through all dates; overviews date by date. Nothing lies between blocks."""
    write(tmp_path / "all.tif", five)
    found = places(tmp_path / "all.tif")
    full = [(tile, date, band) for _, date, zoom, band, tile, _ in found if zoom == 0]
    assert full == sorted(full)
    assert len([one for one in full if one[1] == 2]) == 4  # of 16: what is empty is not stored
    rest = [(zoom, date, tile, band) for _, date, zoom, band, tile, _ in found if zoom > 0]
    assert rest == sorted(rest)
    ends = [offset + count for offset, *_, count in found]
    assert ends[:-1] == [offset for offset, *_ in found[1:]]
    assert ends[-1] == (tmp_path / "all.tif").stat().st_size


@pytest.mark.parametrize(
    "pattern", [MUCOG, "R>Z>T>B", "Z>T>R>B", "B>R>Z>T", "Z>T>R>B=0:1;B=1:>Z>R>T", "R=3,0>B>Z>T;R=1:3>Z>T>B;R=4:>B>Z>T"]
)
def test_every_pattern(tmp_path, five, pattern):
    order = InterlacingPattern.parse(pattern)
    write(tmp_path / "all.tif", five, pattern=order)
    check(tmp_path / "all.tif", five)
    found = [one[1:5] for one in places(tmp_path / "all.tif")]
    blocks = [(one.record, one.zoom, one.band, one.tile) for one in order.order(records=5, bands=2, tiles=[8, 2, 1])]
    assert found == [one for one in blocks if one in set(found)]


def test_big_when_asked_and_back(tmp_path, five):
    write(tmp_path / "all.tif", five, big=True)
    assert (tmp_path / "all.tif").read_bytes()[:4] == b"II\x2b\0"
    check(tmp_path / "all.tif", five)
    write_mucog(tmp_path / "small.tif", [tmp_path / "all.tif"])
    assert (tmp_path / "small.tif").read_bytes()[:4] == b"II\x2a\0"
    check(tmp_path / "small.tif", five)


def test_one_date_is_a_cog(tmp_path, five):
    write(tmp_path / "one.tif", five[:1])
    assert cog_validate(str(tmp_path / "one.tif"), strict=True) == (True, [], [])
    check(tmp_path / "one.tif", five[:1])


def test_appending_and_dropping_copy_bytes(tmp_path, five):
    path = tmp_path / "all.tif"
    write(path, five[:1])
    append_dates(path, [five[1][1]])
    append_dates(path, [five[2][1], five[3][1]])
    append_dates(path, [five[4][1]])
    write(tmp_path / "at-once.tif", five)
    assert path.read_bytes() == (tmp_path / "at-once.tif").read_bytes()
    drop_dates(path, {1, 4})
    check(path, [five[1], five[2], five[4]])
    write(tmp_path / "at-once.tif", [five[1], five[2], five[4]])
    assert path.read_bytes() == (tmp_path / "at-once.tif").read_bytes()
    drop_dates(path, [1, 2])
    assert cog_validate(str(path), strict=True) == (True, [], [])
    assert not list(tmp_path.glob(".*"))


def test_readers_keep_the_file_they_opened(tmp_path, five):
    path = tmp_path / "all.tif"
    write(path, five[:2])
    with rasterio.open(f"GTIFF_DIR:2:{path}") as file:
        drop_dates(path, [2])
        np.testing.assert_array_equal(file.read(), five[1][0])


def test_dates_keep_name_and_time(tmp_path):
    paths, days = [], [datetime(2020, 2, day, 10, 30, 15, tzinfo=UTC) for day in (28, 29)]
    for day in days:
        format = DataFormat(dtype="uint8")
        image = Image(height=10, width=10, format=format, name=f"S2 {day.day}", time=day)
        paths.append(tmp_path / f"{day.day}.tif")
        with writing_draft(paths[-1], image) as draft:
            draft.write(np.ones((10, 10), dtype=np.uint8))
    write_mucog(tmp_path / "all.tif", paths)
    assert dates_of(tmp_path / "all.tif") == tuple(Date(name=f"S2 {day.day}", time=day) for day in days)


@pytest.mark.parametrize("codec", ["none", "deflate", "zstd", "lzw", "jpeg", "lerc"])
def test_cogs_of_others_are_taken_over(tmp_path, five, codec):
    """As they are, whatever their codec: theirs is pixel-interleaved with overviews in the chain."""
    with rasterio.open(five[0][1]) as file:
        profile, pixels = file.profile, file.read()
    if codec == "jpeg":
        pixels, profile = (pixels >> 8).astype(np.uint8), profile | {"dtype": "uint8", "nodata": None}
    about = {key: profile[key] for key in ("width", "height", "count", "dtype", "crs", "transform", "nodata")}
    theirs = []
    for number in range(2):
        with rasterio.open(tmp_path / "plain.tif", "w", driver="GTiff", **about) as file:
            file.write(pixels + number)
            file.update_tags(number=number)
        theirs.append(tmp_path / f"theirs-{number}.tif")
        rasterio.shutil.copy(tmp_path / "plain.tif", theirs[-1], driver="COG", compress=codec, blocksize=128)
    write_mucog(tmp_path / "all.tif", theirs)
    for number, path in enumerate(theirs):
        with rasterio.open(f"GTIFF_DIR:{number + 1}:{tmp_path / 'all.tif'}") as file, rasterio.open(path) as alone:
            np.testing.assert_array_equal(file.read(), alone.read())
            assert file.tags()["number"] == str(number)
            assert file.overviews(1) == alone.overviews(1)
            assert file.crs == alone.crs


@settings(max_examples=25)
@given(st.data())
def test_any_number_of_dates(data):
    count, bands = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    height, width = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 200))
    pattern = InterlacingPattern.parse(data.draw(st.sampled_from([MUCOG, "R>Z>T>B", "Z>T>R>B", "B>Z>T>R"])))
    kept = data.draw(st.sets(st.integers(1, count), min_size=1))
    big = data.draw(st.booleans())
    place = georeference("EPSG:3857", rasterio.Affine(10, 0, 0, 0, -10, 0))
    format = DataFormat(dtype="uint8", nodata=0)
    image = Image(height=height, width=width, bands=bands, format=format, georeference=place, block_height=32)
    pixels = np.random.default_rng(count).integers(0, 2, (count, bands, height, width), dtype=np.uint8)
    pixels[:, :, : height // 2] *= data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dates = []
        for number, one in enumerate(pixels):
            with writing_draft(folder / f"{number}.tif", image) as draft:
                for band, rows in enumerate(one, start=1):
                    draft.write(rows, band=band)
            dates.append((one, folder / f"{number}.tif"))
        write(folder / "all.tif", dates, pattern=pattern, big=big, sync=False)
        check(folder / "all.tif", dates)
        drop_dates(folder / "all.tif", set(range(1, count + 1)) - kept, pattern=pattern, sync=False)
        check(folder / "all.tif", [one for number, one in enumerate(dates, start=1) if number in kept])


def test_dates_that_differ_are_refused(tmp_path, five, picture, draft_of):
    path = tmp_path / "all.tif"
    write(path, five[:2])
    before = path.read_bytes()
    shape = (2, 128, 256)
    others = [
        (draft_of(picture((2, 128, 250)), "narrow"), "size, blocks or overviews"),
        (draft_of(picture(shape), "blocks", block_width=128), "size, blocks or overviews"),
        (draft_of(picture(shape), "flat", overviews=0), "size, blocks or overviews"),
        (draft_of(picture(shape, "int16"), "signed"), "type"),
        (draft_of(picture(shape), "nowhere", georeference=()), "CRS"),
    ]
    for other, what in others:
        with pytest.raises(InvalidInput, match=what):
            append_dates(path, [other])
    with pytest.raises(InvalidInput, match="3 is none of the dates 1 to 2"):
        drop_dates(path, [3])
    with pytest.raises(InvalidInput, match="at least one"):
        drop_dates(path, [1, 2])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda data: b"", "no TIFF"),
        (lambda data: b"MM" + data[2:], "no TIFF"),
        (lambda data: data[:-100], "beyond its end"),
        (lambda data: data[:200], "beyond its end"),
        (lambda data: data[:4] + b"\xff\xff\xff\xff" + data[8:], "beyond its end"),
    ],
)
def test_damaged_files_are_told(tmp_path, five, damage, fault):
    write(tmp_path / "whole.tif", five[:2])
    (tmp_path / "broken.tif").write_bytes(damage((tmp_path / "whole.tif").read_bytes()))
    with pytest.raises(SourceError, match=fault) as told:
        append_dates(tmp_path / "broken.tif", [five[0][1]])
    assert told.value.uri.endswith("broken.tif")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        dates_of(tmp_path / "nothing.tif")


def test_files_of_another_kind(tmp_path, five):
    with rasterio.open(five[0][1]) as file:
        about = {"crs": file.crs, "transform": file.transform, "driver": "GTiff"}
    with rasterio.open(tmp_path / "strips.tif", "w", width=20, height=20, count=1, dtype="uint8", **about):
        pass
    with pytest.raises(SourceError, match="not tiled"):
        dates_of(tmp_path / "strips.tif")


def test_big_endian_files_are_left_to_others(tmp_path, five):
    with rasterio.open(five[0][1]) as file:
        about = {"crs": file.crs, "transform": file.transform, "driver": "GTiff", "tiled": True, "ENDIANNESS": "BIG"}
    with rasterio.open(tmp_path / "big.tif", "w", width=256, height=256, count=1, dtype="uint8", **about):
        pass
    with pytest.raises(SourceError, match="big-endian"):
        dates_of(tmp_path / "big.tif")


@settings(max_examples=200)
@given(st.data())
def test_mutated_files_are_read_or_refused(mutated, data):
    whole, path = mutated
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 1500))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        write_mucog(path.with_name("new.tif"), [path, path], sync=False)
    except (SourceError, InvalidInput):
        return
    assert len(dates_of(path.with_name("new.tif"))) >= 2


@pytest.fixture(scope="module")
def mutated(tmp_path_factory):
    """(bytes of a MUCOG, a path for what becomes of them)."""
    folder = tmp_path_factory.mktemp("mutated")
    image = Image(height=40, width=40, format=DataFormat(dtype="uint8", nodata=0), block_height=16, block_width=16)
    with writing_draft(folder / "d.tif", image) as draft:
        draft.write(np.ones((40, 40), dtype=np.uint8))
    write_mucog(folder / "whole.tif", [folder / "d.tif"] * 2)
    return (folder / "whole.tif").read_bytes(), folder / "mutated.tif"


@pytest.mark.parametrize("by_system", [True, False])
def test_memory_holds_no_date(tmp_path, image_of, monkeypatch, by_system):
    """40 dates of 4 MB are put together, and one is added, by less than 3 MB."""
    if not by_system:
        monkeypatch.setattr(os, "copy_file_range", refused)
    rows = np.random.default_rng(0).integers(0, 60_000, (1024, 2048), dtype=np.uint16)
    image = image_of(rows[np.newaxis], block_height=256, block_width=256, codec="none")
    with writing_draft(tmp_path / "draft.tif", image) as draft:
        draft.write(rows)
    tracemalloc.start()
    write_mucog(tmp_path / "all.tif", [tmp_path / "draft.tif"] * 40, sync=False)
    append_dates(tmp_path / "all.tif", [tmp_path / "draft.tif"], sync=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "all.tif").stat().st_size > 41 * rows.nbytes
    assert peak < 3e6
    with rasterio.open(f"GTIFF_DIR:41:{tmp_path / 'all.tif'}") as file:
        np.testing.assert_array_equal(file.read(1), rows)


def refused(*_):
    raise OSError(errno.EXDEV, "no copies between these")
