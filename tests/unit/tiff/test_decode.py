"""Blocks from their stored bytes: right ones, and ones that something has happened to."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from prismcube.tiff.decode import DecodeError, decode_block, scatter_block
from prismcube.tiff.layout import Level
from tests.unit.tiff.stored import ENCODE, level_of
from tests.unit.tiff.stored import stored as encoded

MUTATIONS = 200
"""Of each kind of block."""


def _pixels(level: Level) -> np.ndarray:
    shape = (level.block_height, level.block_width, level.samples)
    return np.random.default_rng(5).integers(0, 90, shape).astype(level.dtype)


def test_the_last_strip_may_hold_its_rows_or_a_whole_block() -> None:
    for codec in ENCODE:
        level = level_of(codec=codec, predictor=2)
        level = Level(**{**{name: getattr(level, name) for name in Level.__dataclass_fields__}, "strips": True})
        pixels = _pixels(level)
        for rows in (8, 16):  # 40 = 16 + 16 + 8
            block = decode_block(level, encoded(level, pixels[:rows].copy()), block_row=2)
            np.testing.assert_array_equal(block, pixels[:8])


def test_bytes_after_the_block_are_left_alone() -> None:
    for codec in ("none", "deflate", "lzw"):
        level = level_of(codec=codec)
        pixels = _pixels(level)
        np.testing.assert_array_equal(decode_block(level, encoded(level, pixels) + b"more", block_row=0), pixels)


@pytest.mark.parametrize("rows", [1, 5, 16])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("codec", ENCODE)
def test_the_first_rows_are_those_of_the_whole(codec: str, predictor: int, rows: int) -> None:
    for dtype in ("uint8", "uint16", "int32", "float64"):
        level = level_of(codec=codec, predictor=predictor, dtype=dtype, bands=2, big_endian=rows == 5)
        pixels = _pixels(level)
        block = decode_block(level, encoded(level, pixels), block_row=0, rows=rows)
        assert block.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(block, pixels[:rows])


def test_a_block_may_lie_anywhere_in_memory() -> None:
    for codec, predictor in (("none", 1), ("none", 2), ("deflate", 2)):
        level = level_of(codec=codec, predictor=predictor, dtype="float64")
        pixels = _pixels(level)
        stored = memoryview(b"x" + encoded(level, pixels))[1:]
        np.testing.assert_array_equal(decode_block(level, stored, block_row=0), pixels)


@pytest.mark.parametrize(
    ("level", "data", "reason"),
    [
        (level_of(), b"", "is no deflate"),
        (level_of(codec="zstd"), b"", "ends after 0 of 1,536 bytes"),
        (level_of(codec="lzw"), b"", "ends after 0 of 1,536 bytes"),
        (level_of(codec="none"), b"1234567", "ends after 7 of 1,536 bytes"),
        (level_of(), imagecodecs.deflate_encode(bytes(1535)), "ends after 1,535 of 1,536 bytes"),
        (level_of(), imagecodecs.deflate_encode(bytes(1537)), "is no deflate"),
        (level_of(codec="zstd"), imagecodecs.zstd_encode(bytes(10**6)), "is no zstd"),
    ],
)
def test_what_is_no_block_is_told(level: Level, data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_block(level, data, block_row=0)


@pytest.mark.parametrize("codec", ENCODE)
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_damaged_blocks_are_errors_or_other_pixels(codec: str, predictor: int) -> None:
    level = level_of(codec=codec, predictor=predictor, dtype="float32")
    stored = encoded(level, _pixels(level))
    random = np.random.default_rng(11)
    failures = 0
    for number in range(MUTATIONS):
        data = np.frombuffer(stored, np.uint8).copy()
        for _ in range(random.integers(1, 8)):
            data[random.integers(0, len(data))] = random.integers(0, 256)
        data = data[: random.integers(0, len(data))] if number % 4 == 0 else data
        rows = int(random.integers(1, 17))
        out = np.full((1, rows, 60), 7, np.float32)
        try:
            scatter_block(level, data.tobytes(), out[:, :, 5:53], row=16 - rows, col=0, bands=(0,))
        except DecodeError:
            failures += 1
        assert (out[:, :, :5] == 7).all()
        assert (out[:, :, 53:] == 7).all()
    assert failures < MUTATIONS or codec != "none"
