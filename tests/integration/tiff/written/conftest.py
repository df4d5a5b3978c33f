"""Pictures of every type, and drafts of them."""

import numpy as np
import pytest
from affine import Affine

from prismcube.model.formats import DataFormat
from prismcube.raster.geokeys import georeference
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image


def picture(shape, dtype="uint16", *, seed=0, empty=()):
    """Values of all magnitudes of the type, and 0 in the windows `empty` (row, column, height, width)."""
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        pixels = generator.normal(0, 1e6, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        pixels = generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    for row, col, height, width in empty:
        pixels[..., row : row + height, col : col + width] = 0
    return pixels


def image_of(pixels, *, nodata=0, **more):
    """Of pixels (bands, height, width), in UTM zone 32."""
    bands, height, width = pixels.shape
    place = georeference("EPSG:32632", Affine(10, 0, 500_000, 0, -10, 5_000_000))
    format = DataFormat(dtype=pixels.dtype.name, nodata=nodata)
    given = {"block_height": 64, "block_width": 64, "georeference": place} | more
    return Image(height=height, width=width, bands=bands, format=format, **given)


@pytest.fixture(name="picture")
def _picture():
    return picture


@pytest.fixture(name="image_of")
def _image_of():
    return image_of


@pytest.fixture
def draft_of(tmp_path):
    """Writes a draft of pixels (bands, height, width); gives its path."""

    def write(pixels, name, **more):
        path = tmp_path / f"{name}.draft.tif"
        with writing_draft(path, image_of(pixels, name=name, **more)) as draft:
            for band, rows in enumerate(pixels, start=1):
                draft.write(rows, band=band)
        return path

    return write
