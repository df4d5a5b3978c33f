"""Damaged files through parser, ranges and decoder: an error of ours or other pixels, never a crash, never much memory.

`PRISMCUBE_TEST_MUTATIONS` says how many files, 4,000 by default; a hundred thousand take some minutes.
"""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prismcube.cube.windows import TiffSource, Windows
from prismcube.errors import SourceError
from prismcube.storage.ranges import Ranges
from prismcube.storage.store import stat
from prismcube.storage.uri import canonical_uri
from prismcube.tiff.layout import NotUnderstood, Window
from prismcube.tiff.parse import read_layout

NUMBER = int(os.environ.get("PRISMCUBE_TEST_MUTATIONS", "4000"))
MOST_GROWTH = 300
"""Megabytes of the process: a block of a damaged header may have 67, and there are several buffers."""
TILES: dict[str, Any] = {"tiled": True, "blockxsize": 32, "blockysize": 16}
SAMPLES: dict[str, dict[str, Any]] = {
    "deflate, tiles, overviews": {**TILES, "compress": "deflate", "predictor": 2, "overviews": (2, 4)},
    "zstd, floats, big-endian": {**TILES, "compress": "zstd", "predictor": 3, "dtype": "float32", "endianness": "big"},
    "lzw, strips, pixels": {"compress": "lzw", "predictor": 2, "bands": 3, "interleave": "pixel", "blockysize": 8},
    "none, strips, bands": {"bands": 2, "interleave": "band", "dtype": "float64", "blockysize": 8},
    "deflate, BigTIFF, sparse": {**TILES, "compress": "deflate", "BIGTIFF": "YES", "sparse_ok": True, "nodata": 7},
    "zstd, one strip": {"compress": "zstd", "predictor": 2, "dtype": "int16", "blockysize": 72, "overviews": (2,)},
}
VALUES = (0, 1, 3, 255, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_are_errors_or_other_pixels(tmp_path: Path, make: Callable[..., None], name: str) -> None:
    path, chance = tmp_path / "a.tif", random.Random(name)
    make(path, shape=(72, 83), **SAMPLES[name])
    sample = path.read_bytes()
    uri, windows = canonical_uri(path), Windows(Ranges(), cache_bytes=0)
    read_all(uri, sample, windows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unread = undecoded = 0
    for _ in range(NUMBER // len(SAMPLES)):
        data = damaged(sample, chance)
        path.write_bytes(data)
        try:
            read_all(uri, data, windows)
        except NotUnderstood:
            unread += 1
        except SourceError as error:
            undecoded += 1
            assert str(error).startswith(f"{uri}: ")
    assert unread > 0
    assert undecoded > 0 or "compress" not in SAMPLES[name]
    assert unread + undecoded < NUMBER // len(SAMPLES), "some can be read all the same"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWTH * 1024


def read_all(uri: str, data: bytes, windows: Windows) -> None:
    """All levels, as far as they are no larger than any of the sample might be."""

    def read(start: int, length: int) -> bytes:
        assert 0 <= start <= start + length <= len(data)
        return data[start : start + length]

    layout = read_layout(read, size=len(data))
    source = TiffSource(uri=uri, layout=layout, etag=stat(uri).etag)
    for number, level in enumerate(layout.levels):
        window = Window(0, 0, min(level.height, 300), min(level.width, 300))
        bands = list(range(1, min(level.bands, 3) + 1))
        made = windows.begin(source, number, bands, window, keep=False).result()
        assert made.shape == (len(bands), window.height, window.width)
        assert made.dtype == np.dtype(level.dtype)


def damaged(sample: bytes, chance: random.Random) -> bytes:
    """Numbers of its header or anything else changed, its end cut off now and then."""
    data = bytearray(sample)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(600 if chance.random() < 0.5 else len(data))
        width = chance.choice((1, 1, 2, 4, 8))
        value = chance.choice((*VALUES, len(data), chance.getrandbits(64))) % 256**width
        data[place : place + width] = value.to_bytes(width, chance.choice(("little", "big")))
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.05 else data)
