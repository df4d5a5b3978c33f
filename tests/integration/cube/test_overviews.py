"""Every overview of a file, as it is stored and resampled: judged by GDAL's warper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling

from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid, transformer
from tests.integration.cube.conftest import Scenes
from tests.judge import check_same, warped

pytestmark = pytest.mark.parametrize("scenes", [True], ids=["layouts"], indirect=True)

U16 = DataFormat(dtype="uint16", nodata=0)
HERE = Affine(10, 0, 480_000, 0, -10, 5_000_000)
FACTORS = (2, 4, 8, 16)
SHAPE = (1203, 1391)
"""Of no power of two: overviews are not whole factors smaller."""


@pytest.fixture
def file(scenes: Scenes) -> Path:
    random = np.random.default_rng(3)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    hills = 20_000 + 9_000 * np.sin(rows / 40) + 9_000 * np.cos(cols / 30) + random.normal(0, 60, SHAPE)
    pixels = hills.astype(np.uint16)
    pixels[300:520, 700:900] = 0
    path = scenes.write(pixels, transform=HERE)
    with rasterio.open(path, "r+") as opened:
        opened.build_overviews(FACTORS, Resampling.average)
    scenes.add(path)
    return path


def level_of(path: Path, level: int) -> tuple[np.ndarray, Grid]:
    """Pixels and grid of an overview, as rasterio says; 0: of the file itself."""
    with rasterio.open(path, **({"overview_level": level - 1} if level else {})) as opened:
        return opened.read(1), Grid("EPSG:32632", opened.transform, opened.height, opened.width)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:3857", "EPSG:4326"])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic", "average"])
@pytest.mark.parametrize("level", range(len(FACTORS) + 1))
def test_pixels_of_every_level_are_gdals(scenes: Scenes, file: Path, level: int, resampling: str, crs: str) -> None:
    """Pixels of the answer a fifth larger than the level's, so that it is the coarsest that will do."""
    data, source = level_of(file, level)
    x, y = source.transform @ (source.width * 0.5, source.height * 0.45)
    there = transformer(source.crs, crs)
    size = 1.2 * source.resolution[0]
    (west, south), (east, north) = (there.transform(x + a * size / 2, y + a * size / 2) for a in (-1, 1))
    size = ((east - west) * (north - south)) ** 0.5
    side = 60
    middle = there.transform(x, y)
    corner = Affine(size, 0, middle[0] - size * (side / 2 + 0.3), 0, -size, middle[1] + size * (side / 2 + 0.4))
    target = Grid(crs, corner, side, side)
    plan = scenes.plan({"v": U16}, grid=target, resampling=resampling)
    (step,) = plan.steps
    assert step.level == level
    (one,) = scenes.cube({"v": U16}, grid=target, resampling=resampling)
    wanted, valid = warped(data, source, target, resampling, 0)
    assert valid.mean() > 0.5
    check_same(one.data[0], one.valid[0], wanted, valid, source=source, target=target, resampling=resampling)


@pytest.mark.parametrize("level", range(1, len(FACTORS) + 1))
def test_every_level_is_copied_as_it_is_stored(scenes: Scenes, file: Path, level: int) -> None:
    data, grid = level_of(file, level)
    plan = scenes.plan({"v": U16}, grid=grid, resampling="bilinear")
    (step,) = plan.steps
    assert (step.mode, step.level) == ("copy", level)
    (one,) = scenes.cube({"v": U16}, grid=grid, resampling="bilinear")
    assert np.array_equal(one.data[0], data)
    assert np.array_equal(one.valid[0], data != 0)
