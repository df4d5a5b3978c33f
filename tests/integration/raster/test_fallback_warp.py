"""What GDAL is asked for: bands in any order, and nothing that is no file."""

import os

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.errors import SourceError
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid, transformer
from prismcube.raster.opening import opened
from prismcube.raster.warp import warped
from prismcube.storage.uri import canonical_uri

HERE = Affine(20, 0, 500_000, 0, -20, 5_000_000)
TARGET = Grid("EPSG:32632", Affine(25, 0, 499_900, 0, -25, 5_000_100), 60, 80)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("nodata", [None, 0])
@pytest.mark.parametrize("bands", [[1], [2], [3], [1, 2], [2, 3], [1, 3], [3, 1], [1, 2, 3], [3, 2, 1]])
def test_any_bands_of_a_file_are_warped_with_or_without_nodata(tmp_path, dtype, nodata, bands):
    path = tmp_path / "a.tif"
    profile = {"width": 100, "height": 80, "count": 3, "dtype": dtype, "crs": TARGET.crs, "transform": HERE}
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **profile) as file:
        for band in (1, 2, 3):
            file.write(np.full((80, 100), 40 * band, dtype), band)
    with rasterio.open(path) as file:
        data, valid = warped(
            rasterio.band(file, bands), HERE, file.crs, TARGET,
            count=len(bands), format=DataFormat(dtype=dtype, nodata=nodata), resampling="bilinear", scale=(0.8, 0.8),
        )  # fmt: skip
    # The file lies on columns 4 to 84 of the target's pixels, rows 4 to 68.
    inside = np.zeros(TARGET.shape, bool)
    inside[4:, 4:] = True
    for band, values, mask in zip(bands, data, valid, strict=True):
        assert np.array_equal(mask, inside)
        assert set(values[mask].tolist()) == {40 * band}


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path):
    path = tmp_path / "a.tif"
    os.mkfifo(path)
    with pytest.raises(SourceError, match="is no regular file"), opened(canonical_uri(str(path))):
        raise AssertionError("is open")


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32633", Affine(20, 0, 30_000, 0, -20, 5_016_000)),
        ("EPSG:3857", Affine(28, 0, 1_002_000, 0, -28, 5_638_000)),
        ("EPSG:4326", Affine(0.0002, 0, 9.0, 0, -0.0002, 45.16)),
    ],
)
def test_each_pixel_lies_where_proj_says(crs, transform):
    """Between pixels of noise even a thousandth of a pixel tells."""
    source = Grid("EPSG:32632", HERE, 600, 600)
    noise = np.random.default_rng(1).integers(1, 60_000, (1, *source.shape)).astype(np.uint16)
    target = Grid(crs, transform, 512, 512)
    data, valid = warped(
        noise, HERE, source.crs, target,
        count=1, format=DataFormat(dtype="uint16", nodata=0), resampling="nearest", scale=(1, 1),
    )  # fmt: skip
    x, y = transformer(target.crs, source.crs).transform(*np.meshgrid(target.xs(), target.ys()))
    col, row = ~HERE @ (np.asarray(x), np.asarray(y))
    inside = (col >= 0) & (col < 600) & (row >= 0) & (row < 600)
    assert inside.mean() > 0.5
    found = np.zeros(target.shape, np.uint16)
    found[inside] = noise[0][row[inside].astype(int), col[inside].astype(int)]
    at_edge = np.logical_or.reduce([np.abs(one - np.round(one)) < 1e-6 for one in (col, row)])
    assert at_edge.mean() < 1e-4
    assert np.array_equal(valid[0] | at_edge, inside | at_edge)
    assert not ((data[0] != found) & ~at_edge).any()
