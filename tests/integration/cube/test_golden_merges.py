"""The rasters that the original Geocube's own tests compare with (airbusgeo/geocube, internal/image/image_test.go)."""

import json

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid

FLOAT = DataFormat(dtype="float32", nodata=0)
TRANSFORM = Affine(200.198019801980081, 0, 460943.9866, 0, -200.1990049751243816, 6255118.2875)


@pytest.fixture(scope="module")
def golden(shared_data):
    folder = shared_data / "geocube-tutorial-32UNG-2019" / "server-expected"
    return folder, json.loads((folder / "golden.json").read_text())["merges"]


@pytest.mark.parametrize("number", range(3))
def test_merge(scenes, golden, number):
    folder, merges = golden
    merge = merges[number]
    record = None
    for name in merge["inputs"]:
        record = scenes.add(folder / f"{name}.tif", record=record)
    width, height = merge["size"]
    (one,) = scenes.cube({"v": FLOAT}, grid=Grid("EPSG:32632", TRANSFORM, height, width), resampling="nearest")
    with rasterio.open(folder / f"{merge['expected']}.tif") as file:
        assert np.array_equal(one.data[0], file.read(1))
    assert len(merges) == 3
