"""Blocks of a row of blocks, from pixels to stored bytes: cut, predict, compress. The inverse of `tiff.decode`.

Source: TIFF 6.0, section 14 (predictor 2); Adobe Photoshop TIFF Technical Note 3 (predictor 3). Beyond the edge of the
image a block holds values without meaning, chosen to be short.
"""

from __future__ import annotations

from typing import Any

import imagecodecs
import numba
import numpy as np
import numpy.typing as npt

from prismcube.tiff.image import Image


def encode_blocks(rows: npt.NDArray[Any], image: Image) -> list[bytes]:
    """The stored bytes of each block of `rows` (at most block height, width of a level), from left to right.

    `rows` are in C order and native byte order. Blocks that hold nothing but nodata (0 without) are b"".
    """
    count = -(-rows.shape[1] // image.block_width)
    empty = np.zeros(count, dtype=np.bool_)
    read_only = rows.view()
    read_only.flags.writeable = False  # one compiled form for both kinds of arrays
    _find_empty(read_only, image.block_width, image.fill, empty)
    if empty.all():
        return [b""] * count
    blocks = _predicted(read_only, image, count)
    return [b"" if none else _compress(block, image) for none, block in zip(empty, blocks, strict=True)]


def _compress(block: npt.NDArray[Any], image: Image) -> bytes:
    if image.codec == "none":
        return block.tobytes()
    encode = imagecodecs.zstd_encode if image.codec == "zstd" else imagecodecs.deflate_encode
    return bytes(encode(block, level=image.level))


def _predicted(rows: npt.NDArray[Any], image: Image, count: int) -> npt.NDArray[Any]:
    """Each block of the row, contiguous and little endian, after the predictor."""
    height, width = image.block_height, image.block_width
    if image.used_predictor == 2:
        whole = np.dtype(f"u{rows.itemsize}")
        blocks = np.empty((count, height, width), dtype=whole)
        _differences(rows.view(whole), blocks)
        return blocks.astype(whole.newbyteorder("<"), copy=False)
    little = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
    if image.used_predictor == 3:
        found = np.empty((count, height, width * rows.itemsize), dtype=np.uint8)
        read_only = little.view(np.uint8)
        read_only.flags.writeable = False
        _byte_differences(read_only, rows.itemsize, found)
        return found
    plain = np.zeros((count, height, width), dtype=little.dtype)
    for index in range(count):
        part = little[:, index * width : (index + 1) * width]
        plain[index, : part.shape[0], : part.shape[1]] = part
    return plain


@numba.njit(nogil=True, cache=True)
def _find_empty(rows: Any, block_width: Any, fill: Any, empty: Any) -> None:
    """True for each block that holds `fill` only; NaN equals NaN here."""
    height, width = rows.shape
    for block in range(empty.shape[0]):
        empty[block] = True
        for row in range(height):
            for col in range(block * block_width, min((block + 1) * block_width, width)):
                value = rows[row, col]
                if value != fill and (value == value or fill == fill):
                    empty[block] = False
                    break
            if not empty[block]:
                break


@numba.njit(nogil=True, cache=True)
def _differences(rows: Any, blocks: Any) -> None:
    height, width = rows.shape
    block_width = blocks.shape[2]
    for block in range(blocks.shape[0]):
        first = block * block_width
        last = min(first + block_width, width)
        for row in range(height):
            # Slices, whose indices can't be negative: only then the loop becomes vector instructions.
            before, after, out = rows[row, first : last - 1], rows[row, first + 1 : last], blocks[block, row]
            out[0] = rows[row, first]
            for col in range(after.shape[0]):
                out[col + 1] = after[col] - before[col]
            out[last - first :] = 0
        blocks[block, height:] = 0


@numba.njit(nogil=True, cache=True)
def _byte_differences(rows: Any, size: Any, blocks: Any) -> None:
    """`rows` are the bytes of little-endian numbers of `size` bytes: most significant bytes of a row come first."""
    height = rows.shape[0]
    width = rows.shape[1] // size
    block_width = blocks.shape[2] // size
    for block in range(blocks.shape[0]):
        first = block * block_width
        last = min(first + block_width, width)
        for row in range(height):
            before = np.uint8(0)
            for plane in range(size):
                source = rows[row, first * size + size - 1 - plane : last * size : size]
                out = blocks[block, row, plane * block_width : (plane + 1) * block_width]
                out[0] = source[0] - before
                for col in range(source.shape[0] - 1):
                    out[col + 1] = source[col + 1] - source[col]
                out[last - first :] = 0
                before = source[last - first - 1]
        blocks[block, height:] = 0
