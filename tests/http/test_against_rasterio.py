"""Windows, dates and CRSs drawn at random, each answer held against rasterio's own, every pixel asked for."""

import random
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from prismcube.model.grid import Grid
from tests.judge import check_same, warped

S2 = "/collections/s2-romania"
CRSS = ["EPSG:3035", "EPSG:32634", "EPSG:32635", "EPSG:3857", "EPSG:4326"]
RESAMPLINGS = ["nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode"]
NORTH_FIRST = {"EPSG:4326", "EPSG:3035"}


def draw(seed: int, files: list[Path]):
    rng = random.Random(seed)
    path = rng.choice(files)
    crs = rng.choice(CRSS)
    with rasterio.open(path) as file:
        b = file.bounds
        west, east = sorted(rng.uniform(b.left, b.right) for _ in range(2))
        south, north = sorted(rng.uniform(b.bottom, b.top) for _ in range(2))
        box = transform_bounds(file.crs, crs, west, south, max(east, west + 30), max(north, south + 30))
    return path, crs, box, rng.randint(5, 60), rng.randint(5, 60), rng.choice(RESAMPLINGS)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_window_equals_rasterio(demo, romania_files, seed):
    path, crs, (west, south, east, north), width, height, resampling = draw(seed, romania_files)
    when = date.fromisoformat(f"{path.stem[3:7]}-{path.stem[7:9]}-{path.stem[9:]}")
    corners = (south, west, north, east) if crs in NORTH_FIRST else (west, south, east, north)
    answer = demo.tiff(
        f"{S2}/coverage",
        properties="B4,B8",
        datetime=when.isoformat(),
        bbox=",".join(repr(v) for v in corners),
        bbox_crs=f"http://www.opengis.net/def/crs/EPSG/0/{crs[5:]}",
        crs=crs,
        width=width,
        height=height,
        resampling=resampling,
    )
    transform = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
    assert answer.shape == (height, width)
    assert answer.transform.almost_equals(transform, 1e-9)
    target = Grid(crs, transform, height, width)
    with rasterio.open(path) as file:
        source = Grid(file.crs.to_string(), file.transform, file.height, file.width)
        for layer, band in zip(answer.data, (3, 4), strict=True):
            expected, valid = warped(file.read(band), source, target, resampling, 0)
            check_same(layer, layer != 0, expected, valid, source=source, target=target, resampling=resampling)


def test_a_warped_vrt_says_the_same(demo, paraguay_files):
    """Another way through rasterio.

    Finer than the source: below it, GDAL derives the kernel's width from each block, and a VRT has other blocks.
    """
    box = (-54.73, -25.22, -54.70, -25.20)
    answer = demo.tiff(
        "/collections/l8-paraguay/coverage", properties="B3", bbox=",".join(map(str, box)), width=300, height=200,
        crs="OGC:CRS84", group="LC08_L1TP_224077_20200518", resampling="bilinear",
    )  # fmt: skip
    transform = Affine(0.03 / 300, 0, -54.73, 0, -0.02 / 200, -25.20)
    with (
        rasterio.open(paraguay_files["077", "B3"]) as file,
        WarpedVRT(file, crs="OGC:CRS84", transform=transform, width=300, height=200, resampling=Resampling.bilinear,
                  tolerance=1e-6, src_nodata=0, nodata=0) as vrt,
    ):  # fmt: skip
        expected = vrt.read()
    assert (expected != 0).all()
    assert np.abs(answer.data.astype(int) - expected).max() <= 1
