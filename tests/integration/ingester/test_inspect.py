"""Headers of real and of broken files."""

from __future__ import annotations

import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from shapely.geometry import MultiPolygon, Point, box

from prismcube.errors import SourceError
from prismcube.model.footprint import footprint
from prismcube.model.grid import Grid, transformer
from prismcube.model.slant import Slant
from prismcube.raster.inspect import inspect
from prismcube.storage.uri import canonical_uri, gdal_path

HERE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
_TERMS = {f"{side}_{part}_coeff": [1.0] * 20 for side in ("line", "samp") for part in ("num", "den")}
_NUMBERS = {f"{name}_{what}": 1.0 for name in ("height", "lat", "line", "long", "samp") for what in ("off", "scale")}
POLYNOMIALS = RPC(**_TERMS, **_NUMBERS)


def write(path: Path, **profile: Any) -> Path:
    profile = {"driver": "GTiff", "width": 8, "height": 4, "count": 1, "dtype": "uint8", **profile}
    profile = {key: value for key, value in profile.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", **profile) as file:
            file.write(np.ones((profile["count"], profile["height"], profile["width"]), dtype=profile["dtype"]))
    return path


def test_demo_image(demo_data: Path) -> None:
    path = demo_data / "s2-romania-2015-2021" / "S2_20150801.tif"
    info = inspect(str(path))
    assert info.uri == path.as_uri()
    assert info.grid.crs == "EPSG:3035"
    assert (info.grid.shape, info.grid.resolution) == ((100, 100), (10, 10))
    assert info.dtypes == ("uint16",) * 5
    assert info.nodata == (0,) * 5
    assert info.descriptions == ("B2", "B3", "B4", "B8", "SCL")
    assert info.interleave == "pixel"
    status = path.stat()
    assert info.etag == f"{status.st_size}-{status.st_mtime_ns}"
    assert inspect(info.uri) == info


def test_sidecar_is_honoured(shared_data: Path) -> None:
    file = next((shared_data / "s2-l2a-33T-2023").rglob("B02.tif"))  # JPEG 2000, its CRS in .aux.xml alone
    assert inspect(str(file)).grid.crs == "EPSG:32633"


def test_crs_without_a_code(shared_data: Path) -> None:
    info = inspect(str(next((shared_data / "mod13q1-sinop").glob("*.jp2"))))
    assert "Sinusoidal" in info.grid.crs
    assert info.footprint.contains(Point(-55.4, -11.65))


def test_ground_control_points_only(shared_data: Path) -> None:
    files = [file for file in (shared_data / "eox-autotest").rglob("*.tif*") if "ASA" in file.name.upper()]
    assert files
    with pytest.raises(SourceError, match="control points"):
        inspect(str(files[0]))


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({}, "no coordinate reference system and no geotransform"),
        ({"transform": HERE}, "no coordinate reference system"),
        ({"crs": "EPSG:32633"}, "no geotransform"),
        ({"crs": "EPSG:32633", "transform": Affine(10, 5, 5e5, 20, 10, 5e6)}, "must give each pixel an area"),
        ({"rpcs": POLYNOMIALS}, "rational polynomials"),
        ({"crs": "EPSG:32633", "transform": HERE, "dtype": "complex64"}, "complex64"),
        ({"crs": "EPSG:3857", "transform": Affine(10, 0, 9e99, 0, -10, 5e6)}, "on the globe|longitude"),
        ({"crs": "EPSG:4326", "transform": Affine(1e9, 0, 0, 0, -1, 5)}, "longitudes are 0 to 8e\\+09"),
    ],
)
def test_files_that_can_not_be_used(
    tmp_path: Path, capfd: Any, caplog: Any, profile: dict[str, Any], reason: str
) -> None:
    path = write(tmp_path / "x.tif", **profile)
    capfd.readouterr()
    with pytest.raises(SourceError, match=reason) as caught:
        inspect(str(path))
    assert caught.value.uri == path.as_uri()
    assert capfd.readouterr() == ("", "")
    assert [one for one in caplog.records if one.levelno > logging.WARNING] == []


@pytest.mark.parametrize(
    ("transform", "corners"),
    [
        (HERE @ Affine.rotation(90), [(499_960, 5_000_000), (500_000, 4_999_920)]),
        (HERE @ Affine.scale(-1, 1), [(499_920, 5_000_000), (500_000, 4_999_960)]),
        (HERE @ Affine.scale(1, -1), [(500_000, 5_000_040), (500_080, 5_000_000)]),
    ],
    ids=["a quarter turn", "mirrored", "upside down"],
)
def test_pixels_that_do_not_lie_north_up(tmp_path: Path, transform: Affine, corners: list[tuple[float, float]]) -> None:
    info = inspect(str(write(tmp_path / "x.tif", crs="EPSG:32633", transform=transform)))
    assert info.slant == Slant(transform, 4, 8)
    (west, north), (east, south) = corners
    assert info.grid.bounds.as_tuple() == pytest.approx((west, south, east, north), rel=0, abs=1e-6)
    assert info.grid.resolution == pytest.approx((10, 10))


def test_the_footprint_of_a_rotated_file_is_its_outline(tmp_path: Path) -> None:
    transform = HERE @ Affine.rotation(40) @ Affine.scale(1000)
    info = inspect(str(write(tmp_path / "x.tif", crs="EPSG:32633", transform=transform)))
    to_degrees = transformer("EPSG:32633", "OGC:CRS84")
    [outline] = info.footprint.geoms
    for col, row in ((0, 0), (8, 0), (8, 4), (0, 4)):
        corner = Point(to_degrees.transform(*(transform @ (col, row))))
        assert outline.exterior.distance(corner) < 1e-6
    assert outline.area < 0.7 * outline.envelope.area


@pytest.mark.parametrize(("crs", "wanted"), [("EPSG:4979", "EPSG:4326"), ("EPSG:7415", "EPSG:28992")])
def test_heights_are_no_part_of_where_pixels_lie(tmp_path: Path, crs: str, wanted: str) -> None:
    transform = Affine(0.1, 0, 5, 0, -0.1, 52) if wanted == "EPSG:4326" else Affine(10, 0, 120_000, 0, -10, 450_000)
    path = write(tmp_path / "a.tif", crs=crs, transform=transform)
    assert inspect(str(path)).grid == Grid(wanted, transform, 4, 8)


def test_a_geocentric_file_has_no_grid(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", crs="EPSG:4978", transform=HERE)
    with pytest.raises(SourceError, match="is geocentric"):
        inspect(str(path))


def test_gcps_made_here(tmp_path: Path) -> None:
    points = [GroundControlPoint(row, col, 10 + col, 50 - row) for row in (0, 4) for col in (0, 8)]
    path = write(tmp_path / "x.tif", gcps=points, crs="EPSG:4326")
    with pytest.raises(SourceError, match="control points"):
        inspect(str(path))


def test_no_rasters(tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("not a raster")
    cut = write(tmp_path / "cut.tif", crs="EPSG:32633", transform=HERE, width=900, height=900)
    cut.write_bytes(cut.read_bytes()[:60])
    for name, reason in (
        ("empty.tif", "raster"),
        ("text.tif", "raster"),
        ("cut.tif", "raster"),
        ("none.tif", "not found"),
    ):
        with pytest.raises(SourceError, match=reason):
            inspect(str(tmp_path / name))
    with pytest.raises(SourceError, match="not a file"):
        inspect(str(tmp_path))


@pytest.mark.parametrize("name", ["a b", "a#b?c=d%20", "umlaut-ü-湖-🛰", "quote'\"", "a:b", "x://y", "-o", "[a]{b}*"])
def test_names_of_all_sorts(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    path = write(folder / f"{Path(name).name}.tif", crs="EPSG:32633", transform=HERE)
    info = inspect(canonical_uri(path))
    assert info.uri == path.as_uri()
    assert info.uri.isascii()
    assert gdal_path(info.uri) == str(path)


def test_name_that_is_not_unicode(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.tif"
    with open(path, "wb"):
        pass
    uri = canonical_uri(Path(os.fsdecode(path)))
    assert uri.endswith("/%FF.tif")
    with pytest.raises(SourceError):
        inspect(uri)


def test_warning_does_not_leak_from_threads(tmp_path: Path) -> None:
    paths = [str(write(tmp_path / f"{i}.tif")) for i in range(20)]

    def reason(path: str) -> str:
        with pytest.raises(SourceError) as caught:
            inspect(path)
        return caught.value.reason

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(4) as pool:
            reasons = set(pool.map(reason, paths))
    assert reasons == {"has no coordinate reference system and no geotransform (is a sidecar missing?)"}
    assert seen == []


def grid(crs: str, west: float, north: float, dx: float, width: int, height: int) -> Grid:
    return Grid(crs, Affine(dx, 0, west, 0, -dx, north), height, width)


@pytest.mark.parametrize(
    ("grid", "inside", "outside", "parts"),
    [
        (grid("EPSG:4326", 10, 50, 0.1, 10, 10), [(10.5, 49.5)], [(11.5, 49.5)], 1),
        (grid("EPSG:4326", 175, 10, 1, 10, 10), [(179, 5), (-179, 5)], [(0, 5), (170, 5), (-170, 5)], 2),
        (grid("EPSG:32601", 300_000, 7_600_000, 1000, 110, 110), [(179.9, 68), (-179.5, 68)], [(0, 68)], 2),
        (grid("EPSG:4326", -180, 90, 1, 360, 180), [(-179.9, 89), (179.9, -89), (0, 0)], [], 1),
        (grid("EPSG:4326", 0, 90, 1, 360, 180), [(-179.9, 89), (179.9, -89), (0.1, 0)], [], 1),
        (grid("EPSG:3995", -1e6, 1e6, 1e4, 200, 200), [(0, 90), (180, 85), (-180, 85), (45, 85)], [(0, 70)], 1),
        (grid("EPSG:3031", -1e6, 1e6, 1e4, 200, 200), [(0, -90), (170, -85), (-90, -85)], [(0, -70)], 1),
        (
            grid("EPSG:3857", -20037508.342789244, 20037508.342789244, 156543.03392804097, 256, 256),
            [(0, 80)],
            [(0, 86)],
            1,
        ),
    ],
    ids=["plain", "date line", "UTM 1", "globe", "globe from 0", "north pole", "south pole", "web mercator"],
)
def test_footprints(grid: Grid, inside: list[Any], outside: list[Any], parts: int) -> None:
    found = footprint(grid)
    assert isinstance(found, MultiPolygon)
    assert found.is_valid
    assert box(-180, -90, 180, 90).covers(found)
    assert len(found.geoms) == parts
    for point in inside:
        assert found.intersects(Point(point)), point
    for point in outside:
        assert not found.intersects(Point(point)), point


def test_a_footprint_over_a_pole_has_every_longitude() -> None:
    from shapely.geometry import Point

    outline = footprint(Grid("EPSG:3413", Affine(100, 0, -5000, 0, -100, 5000), 100, 100))
    for lon in range(-180, 181, 15):
        assert outline.intersects(Point(lon, 89.99))
        assert not outline.intersects(Point(lon, 89.9))
