"""From the stored bytes of a block to its pixels.

    scatter_block ── inflate ── imagecodecs (whole) or isal (first rows)
          │                     into a buffer of the thread
          └── kernels.sum_up, kernels.join_bytes, or numpy: into any view of the answer

Everything heavy runs without the interpreter's lock. Levels have passed `check_level`; stored bytes may be anything:
what does not decode raises DecodeError, and nothing larger than one block is ever made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from prismcube.tiff.kernels import UNSIGNED, compiled
from prismcube.tiff.layout import Level
from prismcube.tiff.scratch import scratch

Pixels = npt.NDArray[Any]
Data = bytes | bytearray | memoryview

PARTIAL = 0.7
"""Share of a block's rows from which on inflating it whole is faster than stopping at the last row that is needed."""

_codecs: Any = imagecodecs  # whose types know no arrays to decode into

_ERRORS: Any = (
    _codecs.DeflateError,
    _codecs.ZstdError,
    _codecs.LzwError,
    isal_zlib.error,
)


class DecodeError(Exception):
    """Stored bytes that are not what their layout says; the message says why, in a few words."""


def decode_block(level: Level, data: Data, *, block_row: int, rows: int | None = None) -> Pixels:
    """The first `rows` rows of a block (all unless given): (rows, block width, samples), of native byte order.

    Raises DecodeError.
    """
    rows = level.rows_of(block_row) if rows is None else rows
    block = np.empty((rows, level.block_width, level.samples), level.dtype)
    scatter_block(level, data, block.transpose(2, 0, 1), row=0, col=0, bands=range(level.samples))
    return block


def scatter_block(level: Level, data: Data, out: Pixels, *, row: int, col: int, bands: Sequence[int]) -> None:
    """Put a part of a block into `out`, (bands, height, width) of the level's type, any strides.

    `row` and `col` are where the part begins in the block; `bands` are samples of the block, counted from 0. Of a block
    that is stored without a codec, `data` may end with the part.

    Raises DecodeError.
    """
    raw = inflate(level, data, row + out.shape[1])
    if level.predictor == 3:
        buffer = raw if raw.flags.writeable else raw.copy()
        place = level.block_width, level.samples, _unsigned(out), row, col, _numbers(bands)
        compiled("join_bytes", out.itemsize)(buffer, *place)
        return
    if level.predictor == 2:
        numbers = _native(raw, level)
        place = level.block_width, level.samples, _unsigned(out), row, col, _numbers(bands)
        compiled("sum_up", out.itemsize)(numbers, *place)
        return
    rows = raw.view(_stored_type(level)).reshape(-1, level.block_width, level.samples)
    part = rows[row : row + out.shape[1], col : col + out.shape[2]]
    for band, into in zip(bands, out, strict=True):
        into[...] = part[..., band]


def inflate(level: Level, data: Data, rows: int) -> npt.NDArray[np.uint8]:
    """The bytes of the first `rows` rows of a block as they are before the codec, in a buffer of this thread.

    Raises DecodeError.
    """
    needed, whole = rows * level.row_bytes, level.rows_of(0) * level.row_bytes
    try:
        raw = _INFLATE[level.codec](data, needed, whole)
    except _ERRORS as error:
        raise DecodeError(f"is no {level.codec} ({error})") from error
    if len(raw) < needed:
        raise DecodeError(f"ends after {len(raw):,} of {needed:,} bytes")
    return raw[:needed]


def _plain(data: Data, needed: int, whole: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _deflate(data: Data, needed: int, whole: int) -> npt.NDArray[np.uint8]:
    if needed <= PARTIAL * whole:
        return np.frombuffer(isal_zlib.decompressobj().decompress(data, needed), np.uint8)
    # The last strip may hold fewer rows, or all the same: the buffer has room for both.
    raw: npt.NDArray[np.uint8] = _codecs.deflate_decode(data, out=scratch.take(whole))
    return raw


def _zstd(data: Data, needed: int, whole: int) -> npt.NDArray[np.uint8]:
    raw: npt.NDArray[np.uint8] = _codecs.zstd_decode(data, out=scratch.take(whole))
    return raw


def _lzw(data: Data, needed: int, whole: int) -> npt.NDArray[np.uint8]:
    # It stops when its room is used up.
    raw: npt.NDArray[np.uint8] = _codecs.lzw_decode(data, out=scratch.take(needed))
    return raw


_INFLATE = {"none": _plain, "deflate": _deflate, "zstd": _zstd, "lzw": _lzw}


def _stored_type(level: Level) -> np.dtype[Any]:
    return np.dtype(level.dtype).newbyteorder(">" if level.big_endian else "<")


def _native(raw: npt.NDArray[np.uint8], level: Level) -> Pixels:
    """As unsigned numbers of this machine, aligned."""
    size = np.dtype(level.dtype).itemsize
    numbers = raw.view(UNSIGNED[size].newbyteorder(">" if level.big_endian else "<"))
    if size == 1 or (numbers.dtype.isnative and numbers.flags.aligned):
        return numbers
    return numbers.astype(UNSIGNED[size])


def _unsigned(out: Pixels) -> Pixels:
    return out.view(UNSIGNED[out.itemsize])


def _numbers(bands: Sequence[int]) -> npt.NDArray[np.int64]:
    return _FIRST if len(bands) == 1 and bands[0] == 0 else np.array(bands, np.int64)


_FIRST = np.zeros(1, np.int64)
