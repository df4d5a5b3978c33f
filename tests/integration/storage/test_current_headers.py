"""Headers read from files as they are now: local ones, pages, and remote ones by few requests."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

from prismcube.errors import SourceError
from prismcube.storage.store import stat
from prismcube.tiff import current
from prismcube.tiff.current import current_header
from prismcube.tiff.layout import Header
from prismcube.tiff.parse import read_layout


def write(path: Path, size: int = 700, **options: Any) -> Path:
    plain = path.with_suffix(".plain.tif")
    with rasterio.open(
        plain, "w", driver="GTiff", width=size, height=size, count=1, dtype="uint16", crs="EPSG:32632",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:  # fmt: skip
        file.write(np.random.default_rng(1).integers(0, 5000, (1, size, size)).astype("uint16"))
    copy(plain, path, driver="COG", **({"compress": "deflate", "blocksize": 128, "overviews": "AUTO"} | options))
    plain.unlink()
    return path


def check_same(one: Header, other: Header) -> None:
    assert one.layout
    assert other.layout
    for level, again in zip(one.layout.levels, other.layout.levels, strict=True):
        assert level.describes_like(again)
        np.testing.assert_array_equal(level.offsets, again.offsets)


def test_local_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif")
    header = current_header(path.as_uri())
    assert header.layout
    assert len(header.layout.levels) == 4
    assert header.etag == stat(path.as_uri()).etag
    assert header.reason == ""
    write(path, 300)
    again = current_header(path.as_uri())
    assert again.etag != header.etag
    assert again.layout
    assert again.layout.levels[0].shape == (300, 300)


def test_remote_files_take_one_request(web: Any) -> None:
    path = write(web.root / "a.tif")
    uri = f"{web.url}/a.tif"
    header = current_header(uri)
    assert len(web.log) == 1
    check_same(header, current_header(path.as_uri()))
    assert header.etag == stat(uri).etag


def test_headers_at_the_end_of_remote_files(web: Any) -> None:
    path = web.root / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=3000, height=900, count=1, dtype="uint16", tiled=True, blockxsize=16,
        blockysize=16, compress="zstd", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:  # fmt: skip
        file.write(np.random.default_rng(1).integers(0, 5000, (1, 900, 3000)).astype("uint16"))
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4, 8])
    check_same(current_header(f"{web.url}/a.tif"), current_header(path.as_uri()))
    assert len(web.log) <= 12


def test_what_is_left_to_gdal(tmp_path: Path, shared_data: Path) -> None:
    jpeg = write(tmp_path / "a.tif", compress="lerc")
    assert current_header(jpeg.as_uri()).reason == "LERC compression"
    jp2 = next(shared_data.rglob("mod13q1-sinop/*.jp2"))
    assert current_header(jp2.as_uri()).reason == "no TIFF"
    assert current_header(jp2.as_uri(), "NETCDF:sst").reason == "no TIFF"
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(jpeg, "a.tif")
    assert current_header(archive.as_uri(), "zip/a.tif").reason == "a member of an archive"
    assert current_header(jpeg.as_uri(), "GTIFF_DIR:9").reason == "it has no page 9"
    empty = tmp_path / "empty.tif"
    empty.touch()
    assert current_header(empty.as_uri()).reason == "no TIFF"


def test_files_that_are_not_there(tmp_path: Path, web: Any) -> None:
    for uri in ((tmp_path / "a.tif").as_uri(), f"{web.url}/a.tif"):
        with pytest.raises(SourceError, match="not found"):
            current_header(uri)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state that is told is that of the header: never a new one with old places."""
    path = write(tmp_path / "a.tif")
    times = [2]
    real = read_layout

    def slow(*args: Any, **named: Any) -> Any:
        found = real(*args, **named)
        if times[0]:
            times[0] -= 1
            write(path, 200 + times[0])
        return found

    monkeypatch.setattr(current, "read_layout", slow)
    header = current_header(path.as_uri())
    assert header.layout
    assert header.layout.levels[0].shape == (200, 200)
    assert header.etag == stat(path.as_uri()).etag
    times[0] = 99
    with pytest.raises(SourceError, match="being written"):
        current_header(path.as_uri())
