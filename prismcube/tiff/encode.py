"""Blocks of a row of blocks, from pixels to stored bytes: cut, predict, compress. The inverse of `tiff.decode`.

Source: TIFF 6.0, section 14 (predictor 2); Adobe Photoshop TIFF Technical Note 3 (predictor 3). Beyond the edge of the
image a block holds values without meaning, chosen to be short.
"""

from __future__ import annotations

import threading
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import zstandard

from prismcube.tiff.image import Image
from prismcube.tiff.write_kernels import compiled

LEAST_MATCH = 7
"""Bytes that zstd at level 1 refers back to, at least, in place of its 6: what is left of pixels after a predictor is
noise, in which shorter repetitions are chance; to look for them takes up to half of the time (docs/benchmarks.md)."""

KEPT = 16 * 2**20
"""Bytes that a thread keeps from one row of blocks to the next, at most."""


def encode_blocks(rows: npt.NDArray[Any], image: Image) -> list[bytes]:
    """The stored bytes of each block of `rows` (at most block height, width of a level), from left to right.

    `rows` are in C order and native byte order. Blocks that hold nothing but nodata (0 without) are b"".
    """
    count = -(-rows.shape[1] // image.block_width)
    empty = _find_empty(rows, image, count)
    if all(empty):
        return [b""] * count
    blocks = _predicted(rows, image, count)
    return [b"" if none else _compress(block, image) for none, block in zip(empty, blocks, strict=True)]


def _compress(block: npt.NDArray[Any], image: Image) -> bytes:
    if image.codec == "none":
        return block.tobytes()
    if image.codec == "zstd":
        return _compressors.of(image.level).compress(block.data)
    return bytes(imagecodecs.deflate_encode(block, level=image.level))


class _Compressors(threading.local):
    """Compressors of zstd are not safe to share, and take a twentieth of the time to make anew for each block."""

    def __init__(self) -> None:
        self._kept: dict[int, zstandard.ZstdCompressor] = {}

    def of(self, level: int) -> zstandard.ZstdCompressor:
        if level not in self._kept:
            if level == 1:
                quick = zstandard.ZstdCompressionParameters(compression_level=1, min_match=LEAST_MATCH)
                self._kept[level] = zstandard.ZstdCompressor(compression_params=quick)
            else:
                self._kept[level] = zstandard.ZstdCompressor(level=level)
        return self._kept[level]


_compressors = _Compressors()


def _predicted(rows: npt.NDArray[Any], image: Image, count: int) -> npt.NDArray[Any]:
    """Each block of the row, contiguous and little endian, after the predictor."""
    height, width = image.block_height, image.block_width
    if image.used_predictor == 2:
        whole = np.dtype(f"u{rows.itemsize}")
        blocks = _scratch.take(count * height * width * whole.itemsize).view(whole).reshape(count, height, width)
        numbers = rows.view(whole)
        numbers.flags.writeable = False  # one compiled form for both kinds of arrays
        compiled("differences", whole.name)(numbers, blocks)
        return blocks.astype(whole.newbyteorder("<"), copy=False)
    little = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
    if image.used_predictor == 3:
        return _byte_differences(little, image, count)
    plain = np.zeros((count, height, width), dtype=little.dtype)
    for index in range(count):
        part = little[:, index * width : (index + 1) * width]
        plain[index, : part.shape[0], : part.shape[1]] = part
    return plain


class _Scratch(threading.local):
    buffer: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def take(self, size: int) -> npt.NDArray[np.uint8]:
        """Bytes that the thread's next call may overwrite."""
        if size > KEPT:
            return np.empty(size, np.uint8)
        if len(self.buffer) < size:
            self.buffer = np.empty(size, np.uint8)
        return self.buffer[:size]


_scratch = _Scratch()
"""To get and give back memory for every row of blocks would take a tenth of the time."""


def _byte_differences(little: npt.NDArray[Any], image: Image, count: int) -> npt.NDArray[np.uint8]:
    """Predictor 3: of each row of a block the most significant bytes come first, then the next ones."""
    height, width, size = image.block_height, image.block_width, little.itemsize
    by_place = little.view(np.uint8).reshape(*little.shape, size)[..., ::-1]
    plain = np.zeros((count, height, size, width), dtype=np.uint8)
    for index in range(count):
        part = by_place[:, index * width : (index + 1) * width]
        plain[index, : part.shape[0], :, : part.shape[1]] = part.transpose(0, 2, 1)
    rows = plain.reshape(count, height, size * width)
    found = np.empty_like(rows)
    found[..., 0] = rows[..., 0]
    np.subtract(rows[..., 1:], rows[..., :-1], out=found[..., 1:])
    return found


def _find_empty(rows: npt.NDArray[Any], image: Image, count: int) -> list[bool]:
    """True for each block that holds the image's fill only; NaN equals NaN here."""
    return [
        _is_empty(rows[:, one * image.block_width : (one + 1) * image.block_width], image.fill) for one in range(count)
    ]


def _is_empty(block: npt.NDArray[Any], fill: Any) -> bool:
    if fill != fill:
        return bool(np.isnan(block[0]).all() and np.isnan(block).all())
    return bool((block[0] == fill).all() and (block == fill).all())  # the first row tells most
