"""Files that do not lie north-up: indexed with their true outline, read by GDAL, judged by numpy and by gdalwarp."""

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from pyproj import Transformer
from shapely.geometry import Polygon, shape

from prismcube.cube.levels import kernel_scale
from tests import commands

COLLECTION = "/collections/turned"
CRS = "EPSG:32632"
HEIGHT, WIDTH = 90, 130
PLACE = Affine.translation(500_000, 5_000_000)
FILES = {
    "rotated": PLACE @ Affine.rotation(30) @ Affine.scale(20, -20),
    "sheared": PLACE @ Affine.rotation(-100) @ Affine.shear(15, 0) @ Affine.scale(20, -25),
    "mirrored": PLACE @ Affine.scale(20, 25),  # rows go north
}
REASONS = {
    "rotated": "its pixels are rotated",
    "sheared": "its pixels are rotated",
    "mirrored": "its pixels are upside down",
}
MAPPING = {
    "variables": {
        "noise": {
            "bands": ["v"],
            "dtype": "uint16",
            "nodata": 0,
            "minimum": 1,
            "maximum": 60_000,
            "resampling": "bilinear",
        }
    },
    "files": [
        {
            "pattern": rf"{name}\.tif",
            "record": name,
            "time": f"2020-01-0{number}",
            "tags": {"area": "turned"},
            "datasets": [{"instance": "noise/one", "bands": [1]}],
        }
        for number, name in enumerate(FILES, start=1)
    ],
    "collections": {"turned": {"record_tags": {"area": "turned"}, "fields": {"v": {"instance": "noise/one"}}}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turned")
    random = np.random.default_rng(5)
    profile = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 1, "dtype": "uint16", "nodata": 0}
    for name, transform in FILES.items():
        pixels = random.integers(1, 60_000, (HEIGHT, WIDTH)).astype(np.uint16)
        pixels[20:40, 30:60] = 0
        with rasterio.open(folder / f"{name}.tif", "w", crs=CRS, transform=transform, **profile) as file:
            file.write(pixels, 1)
    return folder


@pytest.fixture(scope="module")
def indexed(folder, tmp_path_factory):
    """The home of a catalogue with the files, and what the command printed."""
    home = tmp_path_factory.mktemp("turned-home")
    (home / "turned.yml").write_text(yaml.safe_dump(MAPPING))
    ended = commands.run("index", "--home", home, "--mapping", home / "turned.yml", "--verbose", folder)
    ended.check_returncode()
    return home, ended.stdout


@pytest.fixture(scope="module")
def server(indexed, start):
    with start(indexed[0], "serve", "--workers", "1") as running:
        yield running


def pixels_of(folder, name):
    with rasterio.open(folder / f"{name}.tif") as file:
        return file.read(1)


def test_the_command_tells_why_gdal_reads_them(indexed):
    lines = {line.split()[0]: line for line in indexed[1].splitlines() if ".tif" in line}
    assert {name: f"by GDAL: {reason}" in lines[f"{name}.tif"] for name, reason in REASONS.items()} == dict.fromkeys(
        FILES, True
    )


def test_the_metric_tells_why_gdal_reads_them(server):
    before = server.metrics("prismcube_fallbacks_total")
    for name in FILES:
        server.ok(f"{COLLECTION}/coverage", group=name)
    after = server.metrics("prismcube_fallbacks_total")
    told = {name: value - before.get(name, 0) for name, value in after.items()}
    assert told == {
        'prismcube_fallbacks_total{reason="its pixels are rotated"}': 2,
        'prismcube_fallbacks_total{reason="its pixels are upside down"}': 1,
    }
    [step] = server.json(f"{COLLECTION}/coverage", group="rotated", f="plan")["slices"][0]["layers"][0]["steps"]
    assert (step["fallback"], step["mode"], step["layout"]) == (REASONS["rotated"], "warp", None)


def test_footprints_are_the_outlines_of_the_pixels(server):
    to_degrees = Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True)
    items = {one["properties"]["name"]: one for one in server.json(f"{COLLECTION}/items")["features"]}
    for name, transform in FILES.items():
        corners = [transform @ corner for corner in ((0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT))]
        wanted = Polygon([to_degrees.transform(*corner) for corner in corners])
        found = shape(items[name]["geometry"])
        assert found.symmetric_difference(wanted).area < 1e-4 * wanted.area, name
        if name != "mirrored":
            assert found.area < 0.8 * found.envelope.area


@pytest.mark.parametrize("crs", [CRS, "EPSG:3857"])
@pytest.mark.parametrize("name", FILES)
def test_nearest_pixels_are_those_that_lie_there(server, folder, name, crs):
    answer = server.tiff(f"{COLLECTION}/coverage", group=name, resampling="nearest", crs=crs)
    pixels = pixels_of(folder, name)
    rows, cols = np.mgrid[: answer.shape[0], : answer.shape[1]] + 0.5
    x, y = answer.transform @ (cols, rows)
    if crs != CRS:
        x, y = Transformer.from_crs(crs, CRS, always_xy=True).transform(x, y)
    col, row = ~FILES[name] @ (x, y)
    inside = (row >= 0) & (col >= 0) & (row < HEIGHT) & (col < WIDTH)
    wanted = np.where(inside, pixels[row.clip(0, HEIGHT - 1).astype(int), col.clip(0, WIDTH - 1).astype(int)], 0)
    on_edge = np.minimum(np.abs(row - row.round()), np.abs(col - col.round())) < 2e-3
    assert np.array_equal(answer.data[0][~on_edge], wanted[~on_edge])
    assert on_edge.mean() < (0.25 if name == "mirrored" else 0.02)  # rows of 25 m in a grid of 20 m
    assert inside.sum() > 0.9 * HEIGHT * WIDTH
    assert len(np.intersect1d(answer.data, pixels)) > 0.6 * HEIGHT * WIDTH / 2


@pytest.mark.parametrize("resampling", ["bilinear", "cubic", "average"])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [1, 3])
def test_resampled_pixels_are_those_of_gdalwarp(server, folder, gdal, tmp_path, name, resampling, size):
    """At the file's own size, and at a third of it, where kernels are three times as wide."""
    box = (500_400, 4_999_900, 501_600, 5_000_800) if name != "sheared" else (497_800, 4_997_600, 499_600, 4_999_400)
    cell = 20 * size
    asked = {"bbox": ",".join(map(str, box)), "bbox_crs": CRS, "crs": CRS}
    width, height = round((box[2] - box[0]) / cell), round((box[3] - box[1]) / cell)
    answer = server.tiff(
        f"{COLLECTION}/coverage", group=name, resampling=resampling, width=width, height=height, **asked
    )
    target = tmp_path / "x.tif"
    back = ~FILES[name]
    right, down = cell * np.hypot(back.a, back.b), cell * np.hypot(back.d, back.e)
    scales = ("-wo", f"XSCALE={kernel_scale(right)}", "-wo", f"YSCALE={kernel_scale(down)}")
    assert gdal(
        "gdalwarp", "-q", "-et", 0, "-r", resampling, "-t_srs", CRS, "-te", *box, "-ts", width, height,
        *scales, folder / f"{name}.tif", target,
    ) is not None  # fmt: skip
    with rasterio.open(target) as file:
        wanted = file.read(1)
    assert (wanted != 0).mean() > 0.2
    both = (answer.data[0] != 0) & (wanted != 0)
    if resampling == "average":  # releases of GDAL differ in which pixels an edge goes through
        assert np.mean((answer.data[0] != 0) != (wanted != 0)) < 0.03
    else:
        assert np.array_equal(answer.data[0] != 0, wanted != 0)
    assert np.abs(answer.data[0].astype(int) - wanted)[both].max() <= 1


def test_a_series_and_a_tile_have_them(server, folder, read_png):
    transform = FILES["rotated"]
    x, y = transform @ (100.5, 60.5)
    series = server.json(f"{COLLECTION}/position", coords=f"POINT({x} {y})", crs=CRS)
    values = dict(zip(series["domain"]["axes"]["t"]["values"], series["ranges"]["v"]["values"], strict=True))
    found = next(value for time, value in values.items() if time.startswith("2020-01-01"))
    assert found in pixels_of(folder, "rotated")[59:62, 99:102]  # of the grid around them, the pixel's middle counts
    lon, lat = Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True).transform(x, y)
    row, col = int((90 - lat) / 180 * 2**10), int((lon + 180) / 360 * 2**11)
    tile = server.ok(f"{COLLECTION}/map/tiles/WorldCRS84Quad/10/{row}/{col}", datetime="2020-01-01")
    assert read_png(tile.content)[3].any()


def test_a_file_that_lies_otherwise_now_is_not_drawn_in_its_old_place(server, folder):
    path = folder / "sheared.tif"
    whole = path.read_bytes()
    try:
        with rasterio.open(path, "r+") as file:
            file.transform = FILES["rotated"]
        server.refused(f"{COLLECTION}/coverage", group="sheared", status=502)
        assert "sheared.tif: was replaced" in server.output.read_text()
    finally:
        path.write_bytes(whole)
