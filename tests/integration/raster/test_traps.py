"""Files that lie, miss something or were broken off: real ones, and copies of them."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.warp import transform

from prismcube.errors import InvalidInput, SourceError
from prismcube.raster.inspect import inspect
from prismcube.raster.opening import opened
from prismcube.storage.versions import is_current

HERE = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def write(path: Path, pixels: Any = None, **profile: Any) -> Path:
    pixels = np.arange(64 * 64, dtype="uint16").reshape(1, 64, 64) if pixels is None else pixels
    count, height, width = pixels.shape
    shape = {"count": count, "height": height, "width": width, "dtype": pixels.dtype}
    with rasterio.open(
        path, "w", **{"driver": "GTiff", "crs": "EPSG:32633", "transform": HERE, **shape, **profile}
    ) as file:
        file.write(pixels)
    return path


# Real files


def test_content_decides_not_the_name(shared_data: Path) -> None:
    file = next((shared_data / "s2-l2a-33T-2023").rglob("SCL.tif"))
    info = inspect(str(file))
    assert info.driver == "JP2OpenJPEG"
    assert info.sidecars == ((file.parent / "SCL.tif.aux.xml").as_uri(),)
    assert (info.grid.shape, info.grid.resolution) == ((915, 915), (120, 120))  # the item says 10980 at 10 m


def test_a_copy_without_its_sidecar_is_refused(shared_data: Path, tmp_path: Path) -> None:
    file = next((shared_data / "s2-l2a-33T-2023").rglob("SCL.tif"))
    shutil.copy(file, tmp_path)
    with pytest.raises(SourceError, match=r"no coordinate reference system.*sidecar"):
        inspect(str(tmp_path / "SCL.tif"))


def test_a_sidecar_is_part_of_the_version(shared_data: Path, tmp_path: Path) -> None:
    file = next((shared_data / "s2-l2a-33T-2023").rglob("SCL.tif"))
    copies = [Path(shutil.copy2(one, tmp_path)) for one in (file, file.with_name("SCL.tif.aux.xml"))]
    info = inspect(str(copies[0]))
    assert is_current(info.uri, info.etag)
    copies[1].write_text(copies[1].read_text() + "\n")
    assert not is_current(info.uri, info.etag)
    assert inspect(info.uri).etag != info.etag
    assert is_current(info.uri, inspect(info.uri).etag)


def test_ground_control_points_get_advice(shared_data: Path) -> None:
    [file] = (shared_data / "eox-autotest" / "asar").glob("*.tiff")
    with pytest.raises(SourceError, match="ground control points only; preprocess it first"):
        inspect(str(file))


def test_no_reference_at_all(shared_data: Path) -> None:
    for file in (shared_data / "safe-s1").rglob("measurement/*.tiff"):
        with pytest.raises(SourceError):
            inspect(str(file))


def test_crs_without_a_code(shared_data: Path) -> None:
    for file in sorted((shared_data / "mod13q1-sinop").glob("*.jp2")):
        info = inspect(str(file), deep=True)
        assert "Sinusoidal" in info.grid.crs
        assert info.grid.shape == (147, 255)


def test_across_the_date_line(shared_data: Path) -> None:
    for file in sorted((shared_data / "s2-l2a-antimeridian-2023").rglob("B04.*"))[:5]:
        if file.suffix == ".xml":
            continue
        west, _, east, _ = inspect(str(file)).footprint.bounds
        assert (west, east) == (-180, 180)


def test_axis_order_is_x_y(shared_data: Path) -> None:
    """EPSG:4326 and EPSG:3035 put the north first; grids never do."""
    files = [file for file in (shared_data / "eox-autotest").rglob("*.tif") if "expected" not in file.parts]
    seen = 0
    for file in files:
        try:
            info = inspect(str(file))
        except SourceError:
            continue
        with rasterio.open(file) as dataset:
            assert info.grid.bounds.as_tuple() == pytest.approx(tuple(dataset.bounds))
            middle = dataset.xy(dataset.height / 2, dataset.width / 2, offset="ul")
            [lon], [lat] = transform(dataset.crs, "OGC:CRS84", *([one] for one in middle))
        centre = info.footprint.centroid
        if info.footprint.area < 1000:
            assert (centre.x, centre.y) == pytest.approx((lon, lat), abs=1)
            seen += 1
    assert seen > 2


def test_the_member_of_a_product(shared_data: Path) -> None:
    [archive] = (shared_data / "safe-s2").glob("*.zip")
    with zipfile.ZipFile(archive) as file:
        [band] = [name for name in file.namelist() if name.endswith("_B01.jp2")]
    info = inspect(str(archive), f"zip/{band}")
    assert (info.grid.crs, info.grid.shape, info.dtypes) == ("EPSG:32631", (1830, 1830), ("uint16",))
    with pytest.raises(SourceError, match="zip archive; name one of its members"):
        inspect(str(archive))


def test_every_image_opens_or_tells_why(shared_data: Path) -> None:
    opened_files = 0
    for file in sorted(shared_data.rglob("*")):
        if file.suffix.lower() not in (".tif", ".tiff", ".jp2", ".png") or "l8-ny" in str(file):
            continue
        try:
            info = inspect(str(file))
        except SourceError as error:
            assert error.uri == file.as_uri()
            assert error.reason
        else:
            assert info.footprint.is_valid
            opened_files += 1
    assert opened_files > 200


# Broken off


@pytest.fixture(scope="module")
def formats(tmp_path_factory: Any, demo_data: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("formats")
    pixels = np.random.default_rng(1).integers(0, 9999, (2, 300, 300)).astype("uint16")
    made = {
        "strips": write(folder / "strips.tif", pixels),
        "tiles": write(folder / "tiles.tif", pixels, tiled=True, blockxsize=64, blockysize=64, compress="deflate"),
        "lzw": write(folder / "lzw.tif", pixels, interleave="band", compress="lzw"),
    }
    for name, driver, options in (
        ("cog.tif", "COG", {"compress": "deflate", "blocksize": 128}),
        ("lossless.jp2", "JP2OpenJPEG", {"QUALITY": "100", "REVERSIBLE": "YES"}),
        ("cube.nc", "netCDF", {"FORMAT": "NC4"}),
        ("image.png", "PNG", {"WORLDFILE": "YES"}),
    ):
        rasterio.shutil.copy(made["tiles"], folder / name, driver=driver, **options)
        made[name.partition(".")[0]] = folder / name
    return made


NAMES = ("strips", "tiles", "lzw", "cog", "lossless", "image")


@pytest.mark.parametrize("name", [*NAMES, "cube"])
def test_whole_files_are_whole(formats: dict[str, Path], name: str) -> None:
    inspect(str(formats[name]), "NETCDF:Band1" if name == "cube" else "", deep=True)


@pytest.mark.parametrize("name", NAMES)
@given(share=st.floats(0.02, 0.98))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_truncated_files_are_refused(formats: dict[str, Path], tmp_path: Path, name: str, share: float) -> None:
    """Wherever a copy broke off, reading all of it tells."""
    cut = tmp_path / formats[name].name
    data = formats[name].read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    for beside in (formats[name].with_name(cut.name + ".aux.xml"), formats[name].with_suffix(".wld")):
        if beside.exists():
            shutil.copy(beside, tmp_path)
    with pytest.raises(SourceError) as caught:
        inspect(str(cut), deep=True)
    assert caught.value.uri == cut.as_uri()


@pytest.mark.parametrize("name", ["strips", "tiles", "lzw", "cog"])
def test_a_tiff_without_its_end_is_refused_at_once(formats: dict[str, Path], tmp_path: Path, name: str) -> None:
    cut = tmp_path / "cut.tif"
    cut.write_bytes(formats[name].read_bytes()[:-500])
    with pytest.raises(SourceError, match=r"is truncated: its last block ends at byte [\d,]+ of"):
        inspect(str(cut))


def test_damage_is_found_and_placed(formats: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(formats["tiles"].read_bytes())
    with rasterio.open(formats["tiles"]) as file:
        place = int(file.get_tag_item("BLOCK_OFFSET_2_3", "TIFF", bidx=1))
    data[place : place + 4] = b"\xff" * 4
    (tmp_path / "x.tif").write_bytes(data)
    inspect(str(tmp_path / "x.tif"))
    with pytest.raises(SourceError, match="is truncated or damaged: can't read rows 0 to 299, columns 0 to 299"):
        inspect(str(tmp_path / "x.tif"), deep=True)


def test_sparse_files_are_whole(tmp_path: Path) -> None:
    with rasterio.open(tmp_path / "x.tif", "w", driver="GTiff", width=512, height=512, count=1, dtype="uint8",
                       crs="EPSG:32633", transform=HERE, tiled=True, SPARSE_OK=True):  # fmt: skip
        pass
    inspect(str(tmp_path / "x.tif"), deep=True)


# Inside


def test_pages(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path / "x.tif", np.full((1, 8, 8), number, dtype="uint8"), APPEND_SUBDATASET=number > 1)
    info = inspect(str(tmp_path / "x.tif"))
    assert info.subdatasets == ("GTIFF_DIR:1", "GTIFF_DIR:2", "GTIFF_DIR:3")
    for number, subdir in enumerate(info.subdatasets, start=1):
        assert inspect(info.uri, subdir).subdir == subdir
        with opened(info.uri, subdir) as page:
            assert (page.read() == number).all()
    with pytest.raises(SourceError, match="GTIFF_DIR:4: is not a raster"):
        inspect(info.uri, "GTIFF_DIR:4")


def test_variables(formats: dict[str, Path]) -> None:
    uri = formats["cube"].as_uri()
    with pytest.raises(SourceError, match=r"no bands of its own, but 2 subdataset\(s\): NETCDF:Band1, NETCDF:Band2"):
        inspect(uri)
    info = inspect(uri, "NETCDF:Band2")
    assert (info.driver, info.subdir, info.grid) == ("netCDF", "NETCDF:Band2", inspect(str(formats["tiles"])).grid)
    with opened(uri, "HDF5:Band2") as dataset:
        assert dataset.shape == (300, 300)


def test_archives(formats: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(formats["tiles"], "in/a b.tif")
        archive.write(formats["cube"], "in/cube.nc")
        archive.writestr("in/vrt.tif", f"<VRTDataset><SourceFilename>{formats['cog']}</SourceFilename></VRTDataset>")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(formats["tiles"], "in/a b.tif")
    grid = inspect(str(formats["tiles"])).grid
    for name, subdir in (("a.bin", "zip/in/a b.tif"), ("a.tar.gz", "tar/in/a b.tif")):
        info = inspect(str(tmp_path / name), subdir, deep=True)
        assert (info.grid, info.subdir) == (grid, subdir)
        assert info.sidecars == ()
    with pytest.raises(SourceError, match=r"zip/in/cube\.nc\|NETCDF:Band1, "):
        inspect(str(tmp_path / "a.bin"), "zip/in/cube.nc")
    assert inspect(str(tmp_path / "a.bin"), "zip/in/cube.nc|NETCDF:Band1").grid == grid
    with pytest.raises(SourceError, match=r"zip/in/vrt\.tif: is not a raster"):
        inspect(str(tmp_path / "a.bin"), "zip/in/vrt.tif")


# Names of others


def vrt(of: Path, path: Path) -> Path:
    path.write_text(
        f'<VRTDataset rasterXSize="8" rasterYSize="8"><SRS>EPSG:32633</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform>'
        f'<VRTRasterBand dataType="UInt16" band="1"><SimpleSource><SourceFilename>{of}</SourceFilename></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )
    return path


def test_files_that_name_others_are_refused(formats: dict[str, Path], tmp_path: Path) -> None:
    for name in ("x.vrt", "x.tif"):
        with pytest.raises(SourceError, match="of format VRT, which is not read"):
            inspect(str(vrt(formats["tiles"], tmp_path / name)))
    (tmp_path / "x.xml").write_text('<GDAL_WMS><Service name="WMS"><ServerUrl>http://127.0.0.1/</ServerUrl></Service></GDAL_WMS>')  # fmt: skip  # noqa: E501
    with pytest.raises(SourceError, match="not a raster"):
        inspect(str(tmp_path / "x.xml"))


def test_overviews_elsewhere_are_refused(formats: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(formats["strips"], tmp_path))
    path.with_name(path.name + ".aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS">'
        f'<MDI key="OVERVIEW_FILE">{formats["cog"]}</MDI></Metadata></PAMDataset>'
    )
    with pytest.raises(SourceError, match="names another file as overviews"):
        inspect(str(path))


@pytest.mark.parametrize("end", [".ovr", ".msk", ".OVR"])
def test_pixels_beside_a_file_are_tiffs(formats: dict[str, Path], tmp_path: Path, end: str) -> None:
    path = Path(shutil.copy(formats["strips"], tmp_path))
    beside = vrt(formats["cog"], path.with_name(path.name + end))
    with pytest.raises(SourceError, match="beside it is no TIFF"):
        inspect(str(path))
    shutil.copy(formats["cog"], beside)
    inspect(str(path))


@pytest.mark.parametrize("end", [".ovr", ".msk", ".OVR", ".MSK", ".msk.ovr"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_pixels_beside_a_member_are_tiffs(formats: dict[str, Path], tmp_path: Path, kind: str, end: str) -> None:
    hostile = vrt(formats["cog"], tmp_path / "hostile")
    for name, beside in (("bad", hostile), ("good", formats["strips"])):
        members = [("in/a.tif", formats["strips"]), (f"in/a.tif{end}", beside)]
        if end == ".msk.ovr":
            members.append(("in/a.tif.msk", formats["strips"]))
        if kind == "zip":
            with zipfile.ZipFile(tmp_path / name, "w") as archive:
                for member, path in members:
                    archive.write(path, member)
        else:
            with tarfile.open(tmp_path / name, "w") as tar:
                for member, path in members:
                    tar.add(path, member)
    inspect(str(tmp_path / "good"), f"{kind}/in/a.tif")
    with pytest.raises(SourceError, match="beside it is no TIFF"):
        inspect(str(tmp_path / "bad"), f"{kind}/in/a.tif")


@pytest.mark.parametrize("in_archive", [False, True])
def test_a_mask_that_names_another_file_is_refused(
    formats: dict[str, Path], tmp_path: Path, *, in_archive: bool
) -> None:
    """A TIFF may tell in its own tags that its overviews are elsewhere."""
    path = Path(shutil.copy(formats["strips"], tmp_path / "a.tif"))
    mask = Path(shutil.copy(formats["strips"], tmp_path / "a.tif.msk"))
    with rasterio.open(mask, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(formats["cog"]))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "a.tif")
        archive.write(mask, "a.tif.msk")
    with pytest.raises(SourceError, match="names another file as part of it, which is not read"):
        inspect(str(tmp_path / "a.zip" if in_archive else path), "zip/a.tif" if in_archive else "")


def test_two_letters_make_no_tiff(formats: dict[str, Path], tmp_path: Path) -> None:
    """Other drivers look further into a file."""
    path = Path(shutil.copy(formats["strips"], tmp_path / "a.tif"))
    path.with_name("a.tif.ovr").write_text("II PDS_VERSION_ID")
    with pytest.raises(SourceError, match="beside it is no TIFF"):
        inspect(str(path))


@pytest.mark.parametrize(("driver", "options"), [("PCIDSK", {"INTERLEAVING": "FILE"}), ("HFA", {"USE_SPILL": "YES"})])
def test_formats_that_keep_pixels_elsewhere_are_refused(tmp_path: Path, driver: str, options: dict[str, str]) -> None:
    path = write(tmp_path / "a.img", driver=driver, **options)
    with pytest.raises(SourceError, match="not recognized as being in a supported file format"):
        inspect(str(path))


@pytest.mark.parametrize("subdir", ["../x.tif", "/etc/passwd", "VRT:x", "zip/../x.tif", "GTIFF_DIR:1:/etc/passwd"])
def test_hostile_subdirs(formats: dict[str, Path], subdir: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        inspect(str(formats["tiles"]), subdir)
    assert caught.value.parameter == "subdir"


def test_a_world_file_alone_has_no_crs(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", driver="PNG", crs=None)
    (tmp_path / "x.png.aux.xml").unlink()
    path.with_suffix(".pgw").write_text("10\n0\n0\n-10\n500005\n4999995\n")
    with pytest.raises(SourceError, match=r"^\S+: has no coordinate reference system \(is a sidecar missing\?\)"):
        inspect(str(path))
    with opened(path.as_uri()) as dataset:
        assert dataset.transform == HERE
