"""Layouts come back from their packed form as they were; whatever else is unpacked is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.model.formats import DTYPES
from prismcube.tiff.layout import CODECS, Layout, Level, NotUnderstood
from prismcube.tiff.packed import pack, unpack, unpacked_size


@st.composite
def levels(draw: st.DrawFn, dtype: str, bands: int) -> Level:
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    strips, planar = draw(st.booleans()), draw(st.booleans()) and bands > 1
    block_height = draw(st.integers(1, 128))
    block_width = width if strips else draw(st.integers(16, 128))
    shape = (bands if planar else 1, -(-height // block_height), -(-width // block_width))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = random.integers(0, draw(st.sampled_from([2, 100, 2**40])), shape).astype(np.uint64)
    offsets = np.where(counts > 0, random.integers(8, draw(st.sampled_from([9, 2**31, 2**61])), shape), 0)
    return Level(
        height=height,
        width=width,
        block_height=block_height,
        block_width=block_width,
        dtype=dtype,
        codec=draw(st.sampled_from(CODECS)),
        predictor=draw(st.sampled_from((1, 2, 3) if dtype.startswith("float") else (1, 2))),
        big_endian=draw(st.booleans()),
        bands=bands,
        planar=planar,
        strips=strips,
        offsets=offsets.astype(np.uint64),
        counts=counts,
    )


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    dtype, bands = draw(st.sampled_from(DTYPES)), draw(st.integers(1, 4))
    return Layout(
        levels=tuple(draw(st.lists(levels(dtype, bands), min_size=1, max_size=4))),
        nodata=draw(st.none() | st.floats()),
        scale=draw(st.floats(allow_nan=False, allow_infinity=False)),
        offset=draw(st.floats(allow_nan=False, allow_infinity=False)),
    )


def check_same(one: Layout, other: Layout) -> None:
    assert repr((one.nodata, one.scale, one.offset)) == repr((other.nodata, other.scale, other.offset))
    for level, again in zip(one.levels, other.levels, strict=True):
        assert level.describes_like(again)
        for name in ("offsets", "counts"):
            before, after = getattr(level, name), getattr(again, name)
            np.testing.assert_array_equal(before, after)
            assert after.dtype == np.uint64


@given(layouts())
def test_round_trip(layout: Layout) -> None:
    packed = pack(layout)
    check_same(layout, unpack(packed))
    assert unpacked_size(packed) > 16 * sum(level.offsets.size for level in layout.levels)


def cog(**changes: Any) -> Layout:
    """As GDAL's COG driver writes them: 650 blocks one after the other."""
    random = np.random.default_rng(1)
    found, place = [], 3000
    for size in (5490, 2745, 1372, 686, 343):
        blocks = -(-size // 256)
        counts = random.integers(90_000, 110_000, (1, blocks, blocks)).astype(np.uint64)
        offsets = (place + np.cumsum(counts + np.uint64(8)) - counts.ravel()).reshape(counts.shape).astype(np.uint64)
        place += int(counts.sum()) + 8 * counts.size
        found.append(
            Level(
                height=size,
                width=size,
                block_height=256,
                block_width=256,
                dtype="uint16",
                codec="deflate",
                predictor=2,
                big_endian=False,
                bands=1,
                planar=False,
                strips=False,
                offsets=offsets,
                counts=counts,
            )
        )
    return Layout(levels=tuple(found), nodata=0, **changes)


def test_it_is_small() -> None:
    layout = cog()
    blocks = sum(level.offsets.size for level in layout.levels)
    assert len(pack(layout)) < 3 * blocks < 16 * blocks


@given(st.data())
def test_damaged_ones_are_refused_or_sound(data: st.DataObject) -> None:
    packed = bytearray(pack(cog(scale=0.1)))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, min(len(packed), 400) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(packed)) | st.just(len(packed)))
    try:
        layout = unpack(bytes(packed[:length]))
    except NotUnderstood:
        return
    for level in layout.levels:
        assert level.offsets.shape == level.counts.shape == (1, *level.blocks)
        assert int(level.offsets.max()) + int(level.counts.max()) < 2**63
    assert math.isfinite(layout.scale)


@pytest.mark.parametrize("packed", [b"", b"\x01", b"\x02\x00\x00\x00\x00", b"\x01\xff\xff\xff\xff", b"\x01\x10\0\0\0x"])
def test_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(NotUnderstood):
        unpack(packed)
