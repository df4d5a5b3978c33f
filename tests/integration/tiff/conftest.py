"""Rasters of every kind of storage, and where GDAL says that their blocks lie: our own parser is not asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.cube.windows import TiffSource
from prismcube.storage.store import stat
from prismcube.storage.uri import canonical_uri
from prismcube.tiff.layout import Layout, Level

_CODECS = {None: "none", "LZW": "lzw", "DEFLATE": "deflate", "ZSTD": "zstd"}


@pytest.fixture
def source_of() -> Callable[[Path], TiffSource]:
    """A file's first image, with its overviews."""
    return lambda path: TiffSource(uri=canonical_uri(path), layout=_layout(path), etag=stat(canonical_uri(path)).etag)


@pytest.fixture
def make() -> Callable[..., None]:
    """Write noise on a slope."""
    return _make


def _make(
    path: Path,
    *,
    dtype: str = "uint16",
    bands: int = 1,
    shape: tuple[int, int] = (150, 131),
    overviews: tuple[int, ...] = (),
    **options: Any,
) -> None:
    random = np.random.default_rng(7)
    slope = np.add.outer(np.arange(shape[0]) * 3, np.arange(shape[1])) % 97
    pixels = (slope + random.integers(0, 9, (bands, *shape))).astype(dtype)
    if np.dtype(dtype).kind == "f":
        pixels *= pixels.dtype.type(1.37)
        pixels[:, 5:9, 5:70] = np.nan
    if np.dtype(dtype).kind == "i":
        pixels -= 60
    profile = {"driver": "GTiff", "width": shape[1], "height": shape[0], "count": bands, "dtype": dtype}
    profile |= {"transform": Affine(10, 0, 0, 0, -10, 0), **options}
    with rasterio.open(path, "w", **profile) as file:
        if options.get("sparse_ok"):
            pixels[:, :64] = options.get("nodata") or 0
            pixels[:, :, 64:] = options.get("nodata") or 0
        file.write(pixels)
        if overviews:
            file.build_overviews(overviews)


def _layout(path: Path) -> Layout:
    with rasterio.open(path) as file:
        overviews, nodata = len(file.overviews(1)), file.nodata
    return Layout(levels=tuple(_level(path, number) for number in range(overviews + 1)), nodata=nodata)


def _level(path: Path, number: int) -> Level:
    options, overview = ({"overview_level": number - 1}, {"ovr": number - 1}) if number else ({}, {})
    with rasterio.open(path, **options) as file, rasterio.open(path) as whole:
        structure = file.tags(ns="IMAGE_STRUCTURE")
        height, width = file.block_shapes[0]
        planar = structure["INTERLEAVE"] == "BAND" and file.count > 1
        shape = (file.count if planar else 1, -(-file.height // height), -(-file.width // width))
        places = {name: np.zeros(shape, np.uint64) for name in ("OFFSET", "SIZE")}
        for name, (plane, row, col) in ((name, at) for name in places for at in np.ndindex(shape)):
            found = whole.get_tag_item(f"BLOCK_{name}_{col}_{row}", "TIFF", bidx=plane + 1, **overview)
            places[name][plane, row, col] = int(found or 0)
        return Level(
            height=file.height,
            width=file.width,
            block_height=height,
            block_width=width,
            dtype=file.dtypes[0],
            codec=_CODECS[structure.get("COMPRESSION")],
            predictor=int(structure.get("PREDICTOR", 1)),
            big_endian=path.read_bytes()[:2] == b"MM",
            bands=file.count,
            planar=planar,
            strips=width == file.width and not file.profile["tiled"],
            offsets=places["OFFSET"],
            counts=places["SIZE"],
        )
