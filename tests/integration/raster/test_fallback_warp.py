"""What GDAL is asked for: bands in any order, and nothing that is no file."""

import os

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.errors import SourceError
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
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
