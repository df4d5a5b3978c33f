"""Rasters read over the network: the same header and pixels as from disk, by few requests."""

from __future__ import annotations

import shutil
import traceback
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy

from prismcube.errors import SourceError
from prismcube.model.formats import DataFormat
from prismcube.raster.inspect import inspect
from prismcube.raster.opening import opened
from prismcube.raster.reader import read_copy, read_warp
from prismcube.storage.uri import canonical_uri
from prismcube.storage.versions import is_current

SIDE = 2048


@pytest.fixture(scope="session")
def images(tmp_path_factory: Any, demo_data: Path) -> Path:
    """A folder with a COG of 8 MB, its stripped twin with a world file, an archive, a netCDF file, a demo image."""
    folder: Path = tmp_path_factory.mktemp("images")
    values = np.random.default_rng(1).integers(0, 9999, (1, SIDE, SIDE)).astype("uint16")
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
    shape = {"driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16", "tiled": True}
    with rasterio.open(folder / "plain.tif", "w", **shape, **place) as file:
        file.write(values)
    copy(folder / "plain.tif", folder / "cog.tif", driver="COG", compress="deflate", blocksize=512)
    copy(folder / "plain.tif", folder / "cube.nc", driver="netCDF")
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        archive.write(folder / "cog.tif", "in/cog.tif")
        archive.write(folder / "cube.nc", "in/cube.nc")
        archive.writestr("in/evil.tif", f"<VRTDataset><SourceFilename>{folder}/cog.tif</SourceFilename></VRTDataset>")
    shutil.copy(demo_data / "s2-romania-2015-2021" / "S2_20150801.tif", folder / "demo image.tif")
    return folder


@pytest.fixture(params=["http", "signed", "s3", "gs", "az"])
def remote(request: Any, images: Path) -> Callable[[str], str]:
    """Puts an image of the folder on a server and gives its URI."""
    if request.param in ("gs", "az"):
        clouds = request.getfixturevalue("clouds")
        (clouds.root / "images" / "a").symlink_to(images)
        return lambda name: canonical_uri(f"{request.param}://images/a/{name}")
    if request.param == "s3":
        client = request.getfixturevalue("s3")

        def upload(name: str) -> str:
            client.upload_file(str(images / name), "images", f"a/{name}")
            return canonical_uri(f"s3://images/a/{name}")

        return upload
    web = request.getfixturevalue("web")
    web.root = images
    query = "?X-Sig=SECRET%2Fa" if request.param == "signed" else ""
    return lambda name: canonical_uri(f"{web.url}/{name}{query}")


def source(uri: str, path: Path, subdir: str = "") -> Any:
    info = inspect(str(path))
    format = DataFormat(dtype=info.dtypes[0], nodata=0)
    return SimpleNamespace(uri=uri, subdir=subdir, grid=info.grid, slant=info.slant, format=format)


@pytest.mark.parametrize("name", ["cog.tif", "demo image.tif"])
def test_header_and_pixels_are_those_of_the_file(remote: Any, images: Path, name: str) -> None:
    uri, path = remote(name), images / name
    here, there = inspect(str(path)), inspect(uri, deep=True)
    assert there.uri == uri
    for fact in ("grid", "dtypes", "nodata", "descriptions", "footprint", "interleave", "driver", "subdatasets"):
        assert getattr(there, fact) == getattr(here, fact), fact
    assert there.sidecars == ()
    assert is_current(uri, there.etag)
    grid = here.grid.shifted(30, 40, height=50, width=60)
    one, other = source(uri, path), source(path.as_uri(), path)
    assert (read_copy(one, (1,), grid, row=30, col=40)[0] == read_copy(other, (1,), grid, row=30, col=40)[0]).all()
    turned = grid.from_bounds("EPSG:4326", grid.bounds.to_crs(grid.crs, "EPSG:4326"), width=20, height=20)
    warped = read_warp(one, (1,), turned, resampling="bilinear", scale=(1.0, 1.0))[0]
    assert (warped == read_warp(other, (1,), turned, resampling="bilinear", scale=(1.0, 1.0))[0]).all()
    assert warped.any()


def test_the_header_of_a_cog_is_two_requests(web: Any, images: Path) -> None:
    web.root = images
    inspect(f"{web.url}/cog.tif")
    assert web.log == ["GET /cog.tif bytes=0-32767", "GET /cog.tif.aux.xml bytes=0-32767"]


def test_the_header_of_a_signed_cog_is_one_request(web: Any, images: Path) -> None:
    web.root = images
    inspect(f"{web.url}/cog.tif?X-Sig=a%2Fb")
    assert web.log == ["GET /cog.tif?X-Sig=a%2Fb bytes=0-32767"]


def test_pixels_are_few_requests_too(web: Any, images: Path) -> None:
    """2 for the header, 1 that looks for a mask beside the file, 1 for a tile; a row of tiles is one range."""
    web.root = images
    one = source(canonical_uri(f"{web.url}/cog.tif"), images / "cog.tif")
    read_copy(one, (1,), one.grid.shifted(100, 100, height=300, width=300), row=100, col=100)
    assert len(web.log) == 4
    web.log.clear()
    data, _ = read_copy(one, (1,), one.grid, row=0, col=0)
    assert data.shape == (1, SIDE, SIDE)
    assert len(web.log) <= 6


def test_threads_read_one_file(web: Any, images: Path) -> None:
    web.root = images
    one = source(canonical_uri(f"{web.url}/cog.tif"), images / "cog.tif")
    with rasterio.open(images / "cog.tif") as file:
        whole = file.read()

    def part(number: int) -> bool:
        row, col = divmod(number, 4)
        grid = one.grid.shifted(row * 512, col * 512, height=512, width=512)
        data, _ = read_copy(one, (1,), grid, row=row * 512, col=col * 512)
        return bool((data == whole[:, row * 512 :, col * 512 :][:, :512, :512]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(part, range(16)))


def test_sidecars_are_found(web: Any, shared_data: Path) -> None:
    """JPEG 2000 named .tif, georeferenced by .aux.xml alone."""
    file = next((shared_data / "s2-l2a-33T-2023").rglob("B02.tif"))
    for beside in file.parent.glob("B02.tif*"):
        shutil.copy(beside, web.root)
    uri = f"{web.url}/B02.tif"
    info = inspect(uri)
    assert (info.driver, info.grid.crs) == ("JP2OpenJPEG", "EPSG:32633")
    assert info.sidecars == (f"{uri}.aux.xml",)
    assert len(web.log) <= 8
    assert is_current(uri, info.etag)
    with (web.root / "B02.tif.aux.xml").open("a") as sidecar:
        sidecar.write("\n")
    assert not is_current(uri, info.etag)
    assert inspect(uri).etag != info.etag
    with pytest.raises(SourceError, match="is a sidecar missing"):
        inspect(f"{uri}?X-Sig=x")  # a signature holds for one file
    (web.root / "B02.tif.aux.xml").unlink()
    assert not is_current(uri, info.etag)


def test_world_files_are_found(web: Any) -> None:
    pixels = {"driver": "PNG", "width": 4, "height": 4, "count": 1, "dtype": "uint8", "transform": Affine.scale(2)}
    with rasterio.open(web.root / "a.png", "w", **pixels) as file:
        file.write(np.ones((1, 4, 4), dtype="uint8"))
    (web.root / "a.png.aux.xml").unlink()
    (web.root / "a.pgw").write_text("10\n0\n0\n-10\n500005\n4999995\n")
    with pytest.raises(SourceError, match="no coordinate reference system"):
        inspect(f"{web.url}/a.png")
    with opened(f"{web.url}/a.png") as dataset:
        assert dataset.transform == Affine(10, 0, 5e5, 0, -10, 5e6)


def test_overviews_that_name_other_files_are_not_opened(web: Any, images: Path) -> None:
    shutil.copy(images / "plain.tif", web.root / "a.tif")
    with opened(f"{web.url}/a.tif") as dataset:
        assert dataset.overviews(1) == []
    vrt = f'<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource><SourceFilename>{images}/cog.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'  # noqa: E501
    (web.root / "a.tif.ovr").write_text(vrt)
    with opened(f"{web.url}/a.tif") as dataset:
        assert dataset.overviews(1) == []
    shutil.copy(images / "plain.tif", web.root / "a.tif.ovr")
    with opened(f"{web.url}/a.tif") as dataset:
        assert dataset.overviews(1) == [1]


def test_members_of_archives(remote: Any, images: Path) -> None:
    uri = remote("pack.zip")
    info = inspect(uri, "zip/in/cog.tif")
    assert (info.subdir, info.grid) == ("zip/in/cog.tif", inspect(str(images / "cog.tif")).grid)
    assert is_current(uri, info.etag)
    with pytest.raises(SourceError, match="zip archive; name one of its members"):
        inspect(uri)
    for subdir in ("zip/in/cube.nc", "zip/in/evil.tif", "zip/none.tif", "tar/in/cog.tif"):
        with pytest.raises(SourceError, match=f"{subdir}: is not a raster"):
            inspect(uri, subdir)


def test_pages(remote: Any) -> None:
    with opened(remote("cog.tif"), "GTIFF_DIR:2") as dataset:
        assert dataset.shape == (SIDE / 2, SIDE / 2)


def test_netcdf_and_hdf5_are_not_read(remote: Any) -> None:
    """They may name files of this machine."""
    uri = remote("cube.nc")
    for subdir in ("", "NETCDF:Band1", "HDF5:Band1"):
        with pytest.raises(SourceError, match="local files only"):
            inspect(uri, subdir)
    for subdir in ("NETCDF:Band1", "HDF5:Band1"):
        with pytest.raises(SourceError, match="local files only"):
            inspect(remote("pack.zip"), f"zip/in/cube.nc|{subdir}")


VRT = (
    '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
    "<SourceFilename>{}/cog.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
)


@pytest.mark.parametrize("end", [".ovr", ".msk", ".OVR", ".MSK", ".msk.ovr"])
def test_pixels_beside_members_are_tiffs(web: Any, images: Path, end: str) -> None:
    with zipfile.ZipFile(web.root / "a.zip", "w") as archive:
        archive.write(images / "cog.tif", "in/a.tif")
        if end == ".msk.ovr":
            archive.write(images / "cog.tif", "in/a.tif.msk")
        archive.writestr(f"in/a.tif{end}", VRT.format(images))
    with pytest.raises(SourceError, match="beside it is no TIFF"):
        inspect(f"{web.url}/a.zip", "zip/in/a.tif")


def test_a_mask_that_names_another_file_is_refused(web: Any, images: Path) -> None:
    """A TIFF may tell in its own tags that its overviews are elsewhere."""
    shutil.copy(images / "plain.tif", web.root / "a.tif")
    shutil.copy(images / "plain.tif", web.root / "a.tif.msk")
    with opened(f"{web.url}/a.tif") as dataset:
        dataset.dataset_mask()
    with rasterio.open(web.root / "a.tif.msk", "r+") as mask:
        mask.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(images / "cog.tif"))
    with pytest.raises(SourceError, match="names another file"), opened(f"{web.url}/a.tif") as dataset:
        dataset.dataset_mask()


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "not found"), (403, "access is refused"), (500, "status 500"), (-1, "can't be reached")],
)
def test_refusals_have_no_secrets(web: Any, images: Path, status: int, reason: str) -> None:
    web.root = images
    url = f"{web.url}/cog.tif?X-Sig=SECRET"
    web.answer = lambda method, path: status
    with pytest.raises(SourceError, match=reason) as caught:
        inspect(url)
    assert caught.value.uri == f"{web.url}/cog.tif"
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


def test_a_host_that_goes_away_is_told(web: Any, images: Path, capfd: Any) -> None:
    """GDAL takes an error for the end of the file; it may not end as zeros or as a damaged file."""
    web.root = images
    url = canonical_uri(f"{web.url}/cog.tif?X-Sig=SECRET")
    one = source(url, images / "cog.tif")
    web.answer = lambda method, path: 500 if len(web.log) > 1 else None
    with pytest.raises(SourceError, match="status 500") as caught:
        read_copy(one, (1,), one.grid, row=0, col=0)
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    web.log.clear()
    with pytest.raises(SourceError, match="status 500"), opened(url) as dataset:
        dataset.read(window=((0, 10), (0, 10)))
    assert "SECRET" not in "".join(capfd.readouterr())


def test_broken_files(web: Any, images: Path) -> None:
    (web.root / "empty.tif").touch()
    (web.root / "text.tif").write_text("not a raster")
    (web.root / "vrt.tif").write_text("<VRTDataset/>")
    (web.root / "cut.tif").write_bytes((images / "cog.tif").read_bytes()[:-1000])
    for name, reason in (("empty", "not a raster"), ("text", "not a raster"), ("vrt", "format VRT")):
        with pytest.raises(SourceError, match=reason) as caught:
            inspect(f"{web.url}/{name}.tif")
        assert "vsiriopener" not in str(caught.value)
    with pytest.raises(SourceError, match="is truncated"):
        inspect(f"{web.url}/cut.tif", deep=True)
