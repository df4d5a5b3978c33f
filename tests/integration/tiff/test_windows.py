"""Windows of local files, every kind of storage, against rasterio."""

from __future__ import annotations

import functools
import http.server
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.cube.windows import TiffSource, Windows
from prismcube.errors import SourceError
from prismcube.storage import buckets
from prismcube.storage.buckets import Missing
from prismcube.storage.fetch import FileChanged
from prismcube.storage.ranges import Ranges
from prismcube.storage.store import stat
from prismcube.storage.uri import canonical_uri
from prismcube.tiff.layout import NotUnderstood, Window
from prismcube.tiff.parse import read_layout

Make = Callable[..., None]
SourceOf = Callable[[Path], TiffSource]

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
TYPES = [*((dtype, (1, 2)) for dtype in INTEGERS), ("float32", (1, 2, 3)), ("float64", (1, 2, 3))]
CODECS = ("none", "lzw", "deflate", "zstd")
STORAGES: dict[str, dict[str, Any]] = {
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 32},
    "strips": {"tiled": False, "blockysize": 16},
    "one strip": {"tiled": False, "blockysize": 72},
    "pixel": {"tiled": True, "blockxsize": 32, "blockysize": 48, "bands": 3, "interleave": "pixel"},
    "band": {"tiled": True, "blockxsize": 48, "blockysize": 32, "bands": 3, "interleave": "band"},
    "pixel strips": {"tiled": False, "blockysize": 16, "bands": 2, "interleave": "pixel"},
    "band strips": {"tiled": False, "blockysize": 16, "bands": 2, "interleave": "band"},
}
SHAPE = (72, 83)
WINDOWS = (Window(0, 0, *SHAPE), Window(20, 30, 40, 41), Window(71, 82, 1, 1), Window(33, 3, 1, 78))


def test_windows_are_those_of_gdal_whatever_the_storage(tmp_path: Path, make: Make, source_of: SourceOf) -> None:
    path, count = tmp_path / "a.tif", 0
    for dtype, predictors in TYPES:
        for codec, predictor, (name, storage) in itertools.product(CODECS, predictors, STORAGES.items()):
            if codec == "none" and predictor != 1:
                continue
            options = storage if codec == "none" else {**storage, "compress": codec, "predictor": predictor}
            for endianness in ("little", "big"):
                make(path, dtype=dtype, shape=SHAPE, endianness=endianness, **options)
                source = source_of(path)
                level = source.layout.levels[0]
                assert (level.codec, level.predictor, level.big_endian) == (codec, predictor, endianness == "big")
                _assert_like_rasterio(path, source, f"{dtype} {codec} {predictor} {name} {endianness}")
                count += 1
    assert count == (8 + 6 * 3 * 2 + 2 * 3 * 3) * 7 * 2


@pytest.mark.parametrize("nodata", [None, 0, 17])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_blocks_that_are_not_stored_are_empty(
    tmp_path: Path, make: Make, source_of: SourceOf, nodata: float | None, interleave: str
) -> None:
    path = tmp_path / "sparse.tif"
    options = {"tiled": True, "blockxsize": 32, "blockysize": 32, "sparse_ok": True}
    make(path, bands=2, interleave=interleave, nodata=nodata, compress="deflate", **options)
    source = source_of(path)
    assert np.count_nonzero(source.layout.levels[0].counts == 0) > 5
    _assert_like_rasterio(path, source, "sparse")


@pytest.mark.parametrize("tiled", [True, False])
def test_overviews_are_levels(tmp_path: Path, make: Make, source_of: SourceOf, tiled: bool) -> None:
    path = tmp_path / "overviews.tif"
    blocks = {"tiled": True, "blockxsize": 32, "blockysize": 32} if tiled else {"tiled": False}
    make(path, overviews=(2, 4), compress="zstd", predictor=2, **blocks)
    source = source_of(path)
    for number, level in enumerate(source.layout.levels):
        with rasterio.open(path, **({"overview_level": number - 1} if number else {})) as file:
            expected = file.read()
        windows = Windows(Ranges(), cache_bytes=2**20)
        np.testing.assert_array_equal(
            windows.begin(source, number, [1], Window(0, 0, *level.shape), keep=False).result(), expected
        )


@pytest.mark.parametrize("cache_bytes", [0, 30_000, 2**22], ids=["nothing kept", "little kept", "all kept"])
@pytest.mark.parametrize("codec", ["none", "deflate", "lzw"])
def test_any_window_is_a_slice_of_the_whole(
    tmp_path: Path, make: Make, source_of: SourceOf, codec: str, cache_bytes: int
) -> None:
    path = tmp_path / "any.tif"
    make(path, bands=3, interleave="pixel", tiled=True, blockxsize=48, blockysize=64, compress=codec)
    source, windows = source_of(path), Windows(Ranges(), cache_bytes=cache_bytes)
    with rasterio.open(path) as file:
        whole = file.read()

    @settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def any_window(data: st.DataObject) -> None:
        row, col = data.draw(st.integers(0, 149)), data.draw(st.integers(0, 130))
        height, width = data.draw(st.integers(1, 150 - row)), data.draw(st.integers(1, 131 - col))
        bands = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
        # Into every second row and column of something larger: only there may it write.
        around = np.full((len(bands), 2 * height, 2 * width), 999, np.uint16)
        got = windows.begin(source, 0, bands, Window(row, col, height, width), keep=False).result(around[:, ::2, ::2])
        expected = np.full_like(around, 999)
        expected[:, ::2, ::2] = whole[[band - 1 for band in bands], row : row + height, col : col + width]
        np.testing.assert_array_equal(around, expected)
        np.testing.assert_array_equal(got, expected[:, ::2, ::2])
        assert windows.cache.held <= cache_bytes

    any_window()


def test_blocks_are_decoded_once_and_only_as_far_as_needed(tmp_path: Path, make: Make, source_of: SourceOf) -> None:
    path = tmp_path / "a.tif"
    make(path, tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    source, ranges = source_of(path), Ranges()
    windows = Windows(ranges, cache_bytes=2**20)
    point = Window(70, 70, 1, 1)
    windows.begin(source, 0, [1], point, keep=True).result()
    assert windows.cache.held == 7 * 64 * 2  # rows 64 to 70
    windows.begin(source, 0, [1], point, keep=True).result()
    assert (windows.tally.decoded, windows.tally.kept) == (1, 1)
    assert ranges.traffic.requests == 1
    assert ranges.traffic.size == source.layout.levels[0].counts[0, 1, 1]
    windows.begin(source, 0, [1], Window(71, 70, 1, 1), keep=True).result()
    assert windows.cache.held == 64 * 64 * 2  # asked for again: whole


def test_rows_without_a_codec_are_read_one_by_one(tmp_path: Path, make: Make, source_of: SourceOf) -> None:
    path = tmp_path / "a.tif"
    make(path, shape=(2000, 1000), tiled=False, blockysize=2000)
    ranges = Ranges()
    Windows(ranges, cache_bytes=2**20).begin(source_of(path), 0, [1], Window(1500, 3, 2, 1), keep=True).result()
    assert ranges.traffic.size == 2 * 1000 * 2


def test_nothing_is_kept_unasked(tmp_path: Path, make: Make, source_of: SourceOf) -> None:
    path = tmp_path / "a.tif"
    make(path, dtype="uint8", shape=(1025, 1024), tiled=True, blockxsize=256, blockysize=256, compress="zstd")
    windows = Windows(Ranges(), cache_bytes=2**26)
    windows.begin(source_of(path), 0, [1], Window(0, 0, 1025, 1024), keep=False).result()
    assert windows.cache.held == 0


def test_many_threads_read_the_same(tmp_path: Path, make: Make, source_of: SourceOf) -> None:
    path = tmp_path / "a.tif"
    make(path, shape=(700, 600), tiled=True, blockxsize=128, blockysize=128, compress="deflate", predictor=2)
    source, windows = source_of(path), Windows(Ranges(), cache_bytes=100_000)
    with rasterio.open(path) as file:
        whole = file.read()
    wrong: list[int] = []

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(60):
            row, col = random.integers(0, 600), random.integers(0, 500)
            got = windows.begin(source, 0, [1], Window(int(row), int(col), 90, 80), keep=True).result()
            if not np.array_equal(got, whole[:, row : row + 90, col : col + 80]):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("how", ["written anew", "put in its place", "touched", "cut short"])
def test_a_file_that_has_changed_is_not_read(tmp_path: Path, make: Make, source_of: SourceOf, how: str) -> None:
    path, other = tmp_path / "a.tif", tmp_path / "b.tif"
    make(path, compress="deflate", tiled=True, blockxsize=64, blockysize=64)
    source, windows = source_of(path), Windows(Ranges(), cache_bytes=2**20)
    window = Window(0, 0, 64, 64)
    windows.begin(source, 0, [1], window, keep=True).result()  # kept, and still not given
    if how == "written anew":
        path.write_bytes(path.read_bytes()[::-1])
        os.utime(path, ns=(0, 0))
    elif how == "put in its place":
        make(other, compress="zstd")
        other.rename(path)
    elif how == "touched":
        os.utime(path, ns=(0, 0))
    else:
        os.truncate(path, 5000)
    with pytest.raises(FileChanged, match=r"a\.tif: has changed since it was indexed"):
        windows.begin(source, 0, [1], window, keep=True).result()


def test_a_file_that_is_gone_or_no_file_is_told(tmp_path: Path, make: Make, source_of: SourceOf) -> None:
    path = tmp_path / "a.tif"
    make(path)
    source, windows = source_of(path), Windows(Ranges(), cache_bytes=0)
    path.unlink()
    with pytest.raises(Missing):
        windows.begin(source, 0, [1], Window(0, 0, 1, 1), keep=False).result()
    os.mkfifo(path)
    with pytest.raises(FileChanged):
        windows.begin(source, 0, [1], Window(0, 0, 1, 1), keep=False).result()


@pytest.mark.parametrize(
    ("codec", "name", "value", "reason"),
    [
        ("deflate", "offsets", 10**9, "is truncated"),
        ("deflate", "offsets", 2**64 - 1, "is truncated"),
        ("deflate", "offsets", 3, "is no deflate"),
        ("zstd", "offsets", 3, "is no zstd"),
        ("deflate", "counts", 20, "is no deflate"),
        ("zstd", "counts", 20, "is no zstd"),
        ("lzw", "counts", 20, "ends after"),
        ("none", "counts", 20, "ends after 20 bytes"),
        ("deflate", "counts", 10**6, "more than it can need"),
        ("zstd", "counts", 2**64 - 1, "more than it can need"),
    ],
)
def test_wrong_places_of_blocks_are_told(
    tmp_path: Path, make: Make, source_of: SourceOf, codec: str, name: str, value: int, reason: str
) -> None:
    path = tmp_path / "a.tif"
    make(path, compress=codec, tiled=True, blockxsize=64, blockysize=64)
    source = source_of(path)
    level = source.layout.levels[0]
    wrong = getattr(level, name).copy()
    wrong[0, 1, 0] = value
    source = replace(source, layout=replace(source.layout, levels=(replace(level, **{name: wrong}),)))
    windows = Windows(Ranges(), cache_bytes=0)
    with pytest.raises(SourceError, match=rf"a\.tif: .*{reason}"):
        windows.begin(source, 0, [1], Window(0, 0, 150, 64), keep=False).result()
    windows.begin(source, 0, [1], Window(0, 64, 150, 64), keep=False).result()  # the others are as good as before


def test_strips_of_any_height_need_no_more_bytes_than_the_image_has(
    tmp_path: Path, make: Make, source_of: SourceOf
) -> None:
    """Of a layout that somebody has sent: else so much would be asked for, and held, as the file is large."""
    path = tmp_path / "a.tif"
    make(path, compress="deflate")
    source = source_of(path)
    level = source.layout.levels[0]
    assert level.strips
    counts = level.counts.copy()
    counts[0, 0, 0] = 50 * 2**20
    tall = replace(level, block_height=2**31 - 1, counts=counts[:, :1], offsets=level.offsets[:, :1])
    source = replace(source, layout=replace(source.layout, levels=(tall,)))
    with pytest.raises(SourceError, match="52,428,800 bytes, more than it can need"):
        Windows(Ranges(), cache_bytes=0).begin(source, 0, [1], Window(0, 0, 1, 1), keep=False).result()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"block_height": 2**20, "block_width": 2**20}, "blocks of .* MB"), ({"predictor": 3}, "predictor 3 with uint16")],
)
def test_levels_that_can_not_be_decoded_are_told(
    tmp_path: Path, make: Make, source_of: SourceOf, wrong: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "a.tif"
    make(path, compress="deflate")
    source = source_of(path)
    source = replace(source, layout=replace(source.layout, levels=(replace(source.layout.levels[0], **wrong),)))
    with pytest.raises(SourceError, match=rf"a\.tif: has {reason}"):
        Windows(Ranges(), cache_bytes=0).begin(source, 0, [1], Window(0, 0, 1, 1), keep=False).result()


@pytest.mark.parametrize(
    ("level", "bands", "window"),
    [
        (1, [1], Window(0, 0, 1, 1)),
        (-1, [1], Window(0, 0, 1, 1)),
        (0, [], Window(0, 0, 1, 1)),
        (0, [0], Window(0, 0, 1, 1)),
        (0, [2], Window(0, 0, 1, 1)),
        (0, [1], Window(0, 0, 0, 1)),
        (0, [1], Window(-1, 0, 2, 1)),
        (0, [1], Window(0, 130, 1, 2)),
        (0, [1], Window(150, 0, 1, 1)),
    ],
)
def test_what_is_not_in_the_layout_can_not_be_asked_for(
    tmp_path: Path, make: Make, source_of: SourceOf, level: int, bands: list[int], window: Window
) -> None:
    path = tmp_path / "a.tif"
    make(path)
    with pytest.raises(ValueError, match=r"there|not within"):
        Windows(Ranges(), cache_bytes=0).begin(source_of(path), level, bands, window, keep=False)


def _assert_like_rasterio(path: Path, source: TiffSource, what: str) -> None:
    bands = list(range(1, source.layout.levels[0].bands + 1))[::-1]
    with rasterio.open(path) as file:
        whole = file.read(bands)
    for cache_bytes in (0, 2**22):
        windows = Windows(Ranges(), cache_bytes=cache_bytes)
        for window in (*WINDOWS, *WINDOWS):
            row, col, height, width = window
            got = windows.begin(source, 0, bands, window, keep=False).result()
            assert got.dtype == whole.dtype
            np.testing.assert_array_equal(got, whole[:, row : row + height, col : col + width], err_msg=what)


class _Folder(http.server.SimpleHTTPRequestHandler):
    """Parts of files, and nothing else."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        start, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        part = data[start : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.send_header("ETag", f'"{len(data)}"')
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Of the test's folder."""
    handler = functools.partial(_Folder, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    buckets.forget()


def test_remote_windows_are_those_of_gdal(tmp_path: Path, make: Make, source_of: SourceOf, url: str) -> None:
    path = tmp_path / "a.tif"
    make(path, shape=(600, 500), bands=2, interleave="band", blockxsize=64, blockysize=64, tiled=True, compress="zstd")
    source = replace(source_of(path), uri=f"{url}/a.tif", etag=str(path.stat().st_size))
    _assert_like_rasterio(path, source, "remote")
    ranges = Ranges()
    windows = Windows(ranges, cache_bytes=2**20)
    many = [windows.begin(source, 0, [1], Window(row, row, 1, 1), keep=False) for row in range(40)]
    for row, pending in enumerate(many):
        with rasterio.open(path) as file:
            assert pending.result() == file.read(1, window=((row, row + 1), (row, row + 1)))
    assert ranges.traffic.requests == 40
    with pytest.raises(FileChanged):
        windows.begin(replace(source, etag="another"), 0, [1], Window(0, 0, 1, 1), keep=False).result()
    windows.begin(source, 0, [1], Window(500, 0, 1, 1), keep=False).cancel()


@pytest.mark.parametrize("storage", ["tiles", "strips", "pixel"])
@pytest.mark.parametrize("codec", CODECS)
def test_damaged_files_are_errors_or_other_pixels(tmp_path: Path, make: Make, codec: str, storage: str) -> None:
    path, random = tmp_path / "a.tif", np.random.default_rng(13)
    make(path, shape=SHAPE, compress=codec, **STORAGES[storage])
    whole = path.read_bytes()
    windows = Windows(Ranges(), cache_bytes=0)
    told = 0
    for number in range(60):
        data = bytearray(whole)
        for _ in range(4):
            data[random.integers(0, 400 if number % 2 else len(data))] = random.integers(0, 256)
        data = data[: random.integers(1, len(data))] if number % 5 == 0 else data
        path.write_bytes(data)
        uri = canonical_uri(path)
        try:
            layout = read_layout(lambda start, length, data=data: bytes(data[start : start + length]), size=len(data))
            level = layout.levels[0]
            window = Window(0, 0, min(level.height, 500), min(level.width, 500))
            source = TiffSource(uri=uri, layout=layout, etag=stat(uri).etag)
            assert windows.begin(source, 0, [1], window, keep=True).result().shape == (1, window.height, window.width)
        except (NotUnderstood, SourceError):
            told += 1
    assert 5 < told < 60
