"""Levels of made-up images, and their blocks as an encoder would store them."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np

from prismcube.tiff.layout import Level

ENCODE: dict[str, Any] = {
    "none": bytes,
    "deflate": imagecodecs.deflate_encode,
    "zstd": imagecodecs.zstd_encode,
    "lzw": imagecodecs.lzw_encode,
}
ROWS, COLS = 16, 48
"""Of a block."""


def level_of(
    *, codec: str = "deflate", predictor: int = 1, dtype: str = "uint16", bands: int = 1, **others: Any
) -> Level:
    described = {"height": 40, "width": 50, "block_height": ROWS, "block_width": COLS, "big_endian": False} | others
    blocks = np.zeros((1, 3, 2), np.uint64)
    return Level(
        **described,
        dtype=dtype,
        codec=codec,
        predictor=predictor,
        bands=bands,
        planar=False,
        strips=False,
        offsets=blocks,
        counts=blocks,
    )


def stored(level: Level, pixels: np.ndarray) -> bytes:
    """Differences along rows, in the order of bytes of the file; predictor 3 of one sample only."""
    if level.predictor == 2:
        numbers = pixels.view(f"u{pixels.itemsize}")
        pixels = np.diff(numbers, axis=1, prepend=numbers.dtype.type(0))
    if level.predictor == 3:
        return ENCODE[level.codec](imagecodecs.floatpred_encode(pixels, axis=1, dist=1).tobytes())
    return ENCODE[level.codec](pixels.astype(pixels.dtype.newbyteorder(">" if level.big_endian else "<")).tobytes())
