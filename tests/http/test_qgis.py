"""QGIS, without a screen: items, tiles, coverages and the files of docs/reference/formats.md as its layers."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_bounds
from rasterio.warp import reproject, transform_bounds
from shapely import from_wkt
from shapely.geometry import shape

PYTHON = "/usr/bin/python3"  # Debian's own, for which its package builds QGIS's modules
SCRIPT = Path(__file__).with_name("in_qgis.py")
S2 = "/collections/s2-romania"
DAY, OTHER_DAY, MONTH = "2016-03-18", "2015-08-31", "2018-07"
SIZE = 200
STRETCH = {3: (0, 1000), 2: (50, 1100), 1: (0, 900)}  # band of the files: as examples/s2-romania.yml says


def features_of(demo, name, **more):
    told = " ".join(f"{key}='{value}'" for key, value in more.items())
    return {"step": "features", "uri": f"url='{demo.url}' typename='{name}' {told}"}


def picture_of(demo, day, extent, target, authcfg=""):
    address = f"{demo.url}{S2}/map/tiles/WebMercatorQuad/%7Bz%7D/%7By%7D/%7Bx%7D?datetime%3D{day}"
    return {
        "step": "picture",
        "uri": f"type=xyz&url={address}&zmin=0&zmax=17&authcfg={authcfg}",
        "crs": "EPSG:3857",
        "extent": extent,
        "size": [SIZE, SIZE],
        "target": str(target),
    }


@pytest.fixture(scope="module")
def ask(missing, tmp_path_factory):
    """Asks QGIS a dictionary of questions in one session; gives the answers by the same names."""

    folder = tmp_path_factory.mktemp("qgis")
    folder.chmod(0o700)
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(folder),
        "QGIS_CUSTOM_CONFIG_PATH": str(folder),
        "QGIS_AUTH_DB_DIR_PATH": str(folder),
        "no_proxy": "127.0.0.1",
    }
    probe = [PYTHON, "-c", "import qgis.core, os; os._exit(0)"]
    if not Path(PYTHON).exists() or subprocess.run(probe, env=environment, capture_output=True, check=False).returncode:
        missing("no QGIS: install python3-qgis")

    def run(questions):
        (folder / "questions.json").write_text(json.dumps(list(questions.values())))
        answers = folder / "answers.jsonl"
        answers.unlink(missing_ok=True)
        ended = subprocess.run(
            [PYTHON, SCRIPT, folder / "questions.json", answers],
            env=environment, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        told = [json.loads(line) for line in answers.read_text().splitlines()] if answers.exists() else []
        assert len(told) == len(questions), ended.stderr
        assert not [one["error"] for one in told if "error" in one]
        return dict(zip(questions, told, strict=True))

    return run


@pytest.fixture(scope="module")
def folder(demo, tmp_path_factory):
    """The cube of docs/reference/formats.md in every file format."""
    folder = tmp_path_factory.mktemp("files")
    for name, f in {"cube.tif": "geotiff", "cog.tif": "cog", "cube.nc": "netcdf", "cube.zarr.zip": "zarr"}.items():
        answer = demo.ok(f"{S2}/coverage", datetime=MONTH, properties="B4,ndvi", f=f)
        (folder / name).write_bytes(answer.content)
    return folder


@pytest.fixture(scope="module")
def extent(romania_files):
    """The collection's extent in WebMercator, as (west, south, east, north)."""
    with rasterio.open(romania_files[0]) as file:
        return transform_bounds(file.crs, "EPSG:3857", *file.bounds)


@pytest.fixture(scope="module")
def told(ask, demo, folder, extent):
    """Everything that the tests below ask, in one session: QGIS takes seconds to start."""

    def raster(uri):
        return {"step": "raster", "uri": uri}

    coverage = f"{demo.url}{S2}/coverage?datetime={DAY}"
    return ask(
        {
            "items": features_of(demo, "s2-romania"),
            "items by pages": features_of(demo, "s2-romania", pageSize=50),
            "one item": features_of(demo, "s2-romania") | {"subset": "\"name\" = 'S2_20160318'"},
            "northern items": features_of(demo, "l8-paraguay", restrictToRequestBBOX=1)
            | {"rectangle": [-54.6, -25.1, -54.5, -25.09]},
            "items beside": features_of(demo, "l8-paraguay", restrictToRequestBBOX=1) | {"rectangle": [0, 0, 1, 1]},
            "picture": picture_of(demo, DAY, extent, folder / f"{DAY}.png"),
            "other picture": picture_of(demo, OTHER_DAY, extent, folder / f"{OTHER_DAY}.png"),
            "streamed": raster(f"/vsicurl_streaming/{coverage}"),
            "downloaded": raster(f"/vsicurl/{coverage}"),
            "layers of NetCDF": {"step": "layers_of", "path": str(folder / "cube.nc")},
            "GeoTIFF": raster(str(folder / "cube.tif")),
            "COG": raster(str(folder / "cog.tif")),
            "NetCDF": raster(f'NETCDF:"{folder}/cube.nc":ndvi'),
            "Zarr": raster(f'ZARR:"/vsizip/{folder}/cube.zarr.zip":/ndvi:2'),
        }
    )


def test_the_items_are_a_layer_of_polygons(told, demo):
    layer = told["items"]
    assert layer["valid"]
    assert layer["crs"] == "EPSG:4326"
    assert layer["fields"].items() >= {"name": "String", "datetime": "DateTime", "constellation": "String"}.items()
    ours = demo.json(f"{S2}/items", limit=1000)["features"]
    assert layer["count"] == len(layer["features"]) == len(ours) == 140
    theirs = {one["name"]: one for one in layer["features"]}
    for feature in ours:
        one = theirs[feature["properties"]["name"]]
        assert one["datetime"] + "Z" == feature["properties"]["datetime"]
        assert one["constellation"] == feature["properties"]["constellation"]
        assert from_wkt(one["geometry"]).equals_exact(shape(feature["geometry"]), 1e-8)


def test_it_reads_every_page_of_items(told):
    names = [one["name"] for one in told["items by pages"]["features"]]
    assert len(names) == len(set(names)) == 140


def test_it_filters_items_by_place_and_attribute(told):
    assert [one["name"] for one in told["northern items"]["features"]] == ["LC08_L1TP_224077_20200518"]
    assert told["items beside"]["valid"]
    assert told["items beside"]["features"] == []
    assert [one["name"] for one in told["one item"]["features"]] == ["S2_20160318"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_it_draws_our_tiles_where_they_lie(told, folder, extent, romania_files):
    """Against rasterio's warper. QGIS scales tiles to its window, so colours are compared where they change slowly."""
    assert told["picture"] == {"valid": True, "crs": "EPSG:3857", "saved": True}
    pictures = {}
    for day in (DAY, OTHER_DAY):
        with rasterio.open(folder / f"{day}.png") as file:
            pictures[day] = file.read()
        visible, expected = drawn(romania_files, day, extent)
        alpha = pictures[day][3] > 0
        assert (alpha == visible).mean() > 0.98
        inner = visible & alpha
        difference = np.abs(pictures[day][:3].astype(float) - expected)[:, inner]
        assert np.median(difference) <= 4
        for ours, theirs in zip(expected[:, inner], pictures[day][:3, inner], strict=True):
            assert np.corrcoef(ours, theirs)[0, 1] > 0.9
    assert (pictures[DAY] != pictures[OTHER_DAY]).any()


def drawn(files, day, extent):
    """(visible, RGB) of a date, from its file, in the window of the picture."""
    path = next(one for one in files if one.stem.endswith(day.replace("-", "")))
    bands = []
    with rasterio.open(path) as file:
        for band in STRETCH:
            layer = np.zeros((SIZE, SIZE), np.uint16)
            reproject(
                rasterio.band(file, band), layer, src_nodata=0, dst_nodata=0, dst_crs="EPSG:3857",
                dst_transform=from_bounds(*extent, SIZE, SIZE), resampling=Resampling.nearest,
            )  # fmt: skip
            bands.append(layer)
    rgb = [
        ((one.astype(float) - low) / (high - low) * 255).clip(0, 255)
        for one, (low, high) in zip(bands, STRETCH.values(), strict=True)
    ]
    return np.logical_and.reduce([one != 0 for one in bands]), np.array(rgb)


@pytest.mark.parametrize("how", ["streamed", "downloaded"])
def test_a_coverage_is_a_raster_layer_by_its_address(told, romania_files, how):
    layer = told[how]
    assert layer["valid"]
    assert layer["crs"] == "EPSG:3035"
    path = next(one for one in romania_files if one.stem == "S2_20160318")
    with rasterio.open(path) as file:
        assert layer["size"] == [file.width, file.height]
        assert layer["extent"] == pytest.approx(list(file.bounds))
        assert layer["values"] == file.read()[:, 50, 50].tolist()
    assert layer["bands"][0] == "Band 1: 2016-03-18T00:00:00Z B2"


def test_the_files_of_a_cube_are_raster_layers(told, romania_files):
    """The steps that docs/reference/formats.md tells."""
    paths = [one for one in romania_files if one.stem.startswith("S2_201807")]
    steps = []
    for path in paths:
        with rasterio.open(path) as file:
            _, _, red, near, classes = file.read()[:, 50, 50].astype(float)
            bounds = list(file.bounds)
        steps.append((red, pytest.approx((near - red) / (near + red)) if 4 <= classes <= 7 else None))
    assert len(steps) > 2
    assert {ndvi is None for _, ndvi in steps} == {True, False}
    for name in ("GeoTIFF", "COG", "NetCDF", "Zarr"):
        assert told[name]["crs"] == "EPSG:3035", name
        assert told[name]["size"] == [100, 100], name
        assert told[name]["extent"] == pytest.approx(bounds), name
    assert told["GeoTIFF"]["values"] == told["COG"]["values"] == [value for step in steps for value in step]
    assert told["NetCDF"]["values"] == [ndvi for _, ndvi in steps]
    assert told["Zarr"]["values"] == [steps[2][1]]


def test_a_netcdf_that_is_dropped_on_the_map_offers_its_fields(told, folder):
    found = told["layers of NetCDF"]
    assert found["ndvi"] == f'NETCDF:"{folder}/cube.nc":ndvi'
    assert {"B4", "ndvi"} <= set(found)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_it_shows_a_key_as_a_password(ask, guarded, extent, tmp_path):
    """As docs/how-to/protect-a-server.md tells; without the key the collection does not exist."""
    coverage = f"/vsicurl/{guarded.url}{S2}/coverage?datetime={DAY}"
    told = ask(
        {
            "items without": features_of(guarded, "s2-romania"),
            "coverage without": {"step": "raster", "uri": coverage},
            "picture without": picture_of(guarded, DAY, extent, tmp_path / "without.png"),
            "key": {"step": "basic_auth", "name": "forest1", "password": guarded.keys["forester"]},
            "items": features_of(guarded, "s2-romania", authcfg="forest1"),
            "coverage": {"step": "raster", "uri": f"{coverage}&mask=none authcfg='forest1'"},
            "picture": picture_of(guarded, DAY, extent, tmp_path / "with.png", authcfg="forest1"),
        }
    )
    assert told["key"]["stored"]
    assert len(told["items"]["features"]) == 140
    assert told["coverage"]["size"] == [100, 100]
    assert not told["items without"]["valid"]
    assert not told["coverage without"]["valid"]
    for name, drawn_ in (("without", False), ("with", True)):
        with rasterio.open(tmp_path / f"{name}.png") as file:
            assert file.read(4).any() == drawn_
