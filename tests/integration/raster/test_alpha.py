"""Files whose last band tells validity: read window by window, their pixels are those of the whole image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject

from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.raster import alpha

U8 = DataFormat(dtype="uint8")
BANDS = (1, 2)
DEGREE = 0.5
WORLD = (360, 720)
SQUARE = (300, 300)
UTM = Affine(100, 0, 500_000, 0, -100, 5_000_000)
LARGE = Affine(10_000, 0, -1_000_000, 0, -10_000, 6_000_000)


class Watched:
    """A file that is open, and the windows that are read of it."""

    def __init__(self, dataset: rasterio.DatasetReader) -> None:
        self._dataset = dataset
        self.pixels: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def read(self, bands: Any, *, window: Any) -> Any:
        self.pixels.append(window.width * window.height)
        return self._dataset.read(bands, window=window)


def image(path: Path, crs: str, transform: Affine, shape: tuple[int, int]) -> Path:
    """Noise, in which a stripe and scattered pixels are not valid."""
    generator = np.random.default_rng(5)
    pixels = generator.integers(0, 256, (3, *shape)).astype(np.uint8)
    pixels[2] = np.where(generator.random(shape) < 0.9, 255, 0)
    pixels[2, :, 40:60] = 0
    profile = {"count": 3, "height": shape[0], "width": shape[1], "dtype": "uint8", "crs": crs, "transform": transform}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, blockxsize=64, blockysize=64, **profile) as file:
        file.write(pixels)
        file.update_tags(**{alpha.NAME: alpha.VALUE})
    return path


def judged(dataset: Any, target: Grid, *, resampling: str, scale: tuple[float, float]) -> Any:
    """By GDAL, of the whole image at once: floating-point numbers, NaN where nothing is valid."""
    pixels = dataset.read(list(BANDS)).astype(np.float64)
    pixels[:, dataset.read(3) < 31] = math.nan
    made = np.full((len(BANDS), *target.shape), math.nan)
    reproject(
        pixels, made, src_transform=dataset.transform, src_crs=dataset.crs, dst_transform=target.transform,
        dst_crs=target.crs, resampling=Resampling[resampling], src_nodata=math.nan, dst_nodata=math.nan, tolerance=0,
        YSCALE=scale[0], XSCALE=scale[1], UNIFIED_SRC_NODATA="NO",
    )  # fmt: skip
    return made


def around(crs: str, x: float, y: float, pixel: float, *, size: int = 96) -> Grid:
    return Grid(crs, Affine(pixel, 0, x - pixel * size / 2 + pixel / 7, 0, -pixel, y + pixel * size / 2), size, size)


@pytest.mark.parametrize("resampling", ["nearest", "cubic", "average"])
@pytest.mark.parametrize(
    ("crs", "west", "target", "scale", "most"),
    [
        ("EPSG:4326", -180, around("EPSG:3857", 1e6, 5e6, 50_000), 1, 20_000),
        ("EPSG:4326", -180, around("EPSG:4326", 100, 20, 0.4), 1, 10_000),
        ("EPSG:4326", 0, around("EPSG:3857", -1e7, 5e6, 50_000), 1, 20_000),  # longitudes of 0 to 360
        ("EPSG:4326", 0, around("EPSG:3857", 0, 0, 50_000), 1, 720 * 120),  # at both ends of the file
        ("EPSG:4326", -180, around("EPSG:32660", 800_000, 0, 50_000), 1, 720 * 120),  # across the date line
        ("EPSG:4326", -180, around("EPSG:3413", 0, 0, 50_000), 1, 720 * 75),  # around the pole
        ("EPSG:32632", None, around("EPSG:3857", 1e6 + 20_000, 5.62e6, 150), 1, 30_000),
        ("EPSG:32632", None, around("EPSG:4326", 0, 0, 1.8), 0.05, 300 * 300),  # most has no place in the file's CRS
        ("EPSG:32632", None, around("EPSG:4326", -100, 0, 0.1), 1, 0),  # beside it
    ],
)
def test_windows_have_all_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crs: str, west: float | None, target: Grid, scale: float,
    most: int, resampling: str,
) -> None:  # fmt: skip
    place = UTM if scale == 1 else LARGE
    if west is not None:
        place = Affine(DEGREE, 0, west, 0, -DEGREE, 90)
    path = image(tmp_path / "a.tif", crs, place, SQUARE if west is None else WORLD)
    options: dict[str, Any] = {"resampling": resampling, "scale": (scale, scale)}
    with rasterio.open(path) as dataset:
        expected = judged(dataset, target, **options)
        for pixels in (alpha.WINDOW_PIXELS, 2000):
            monkeypatch.setattr(alpha, "WINDOW_PIXELS", pixels)
            watched = Watched(dataset)
            data, valid = alpha.warped_by_alpha(watched, BANDS, U8, target, **options)
            assert max(watched.pixels, default=0) <= most
            if pixels == 2000 and scale == 1:  # one of them holds the pole, say
                assert np.median(watched.pixels or [0]) <= 2000
            there = ~np.isnan(expected)
            assert (valid != there).mean() < 1e-3  # where a pixel lies on the edge of two
            both = valid & there
            assert both.any() == (most > 0)
            if not most:
                continue
            off = np.abs(data[both].astype(float) - np.clip(expected[both], 0, 255))
            assert (off > 0.51).mean() < 1e-3
