"""Layouts as few bytes: kept by the catalogue, carried by plans.

    version (1 byte) ─ length of the body (4, little-endian) ─ zstd(body)
    body = length of the words (4) ─ words ─ numbers of level 0 ─ numbers of level 1 ─ ...
    words = JSON: what `Level` and `Layout` describe, but for the places of blocks
    numbers = counts ─ gaps, each eight bytes a block, all lowest bytes first, then all second ones, ...

The gap of a block is where it begins less where the one before it ends: mostly the same small number. Blocks that are
not stored have neither place nor gap. So a Sentinel-2 band with its overviews, 650 blocks, takes about 1.5 kB.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import imagecodecs
import numpy as np
import orjson

from prismcube.model.formats import DTYPES
from prismcube.tiff.layout import CODECS, Layout, Level, NotUnderstood, Offsets, check_level

VERSION = 1
MOST = 2**28
"""Bytes of a body, at most."""
FEW = 2**17
"""Blocks up to which zstd's level 9 is worth its time."""

_HEAD = struct.Struct("<BI")
_WORDS = struct.Struct("<I")
_SIZES = ("height", "width", "block_height", "block_width", "bands")
_FLAGS = ("big_endian", "planar", "strips")
_LONGEST = 2**31


def pack(layout: Layout) -> bytes:
    """Raises NotUnderstood for a layout too large to be kept."""
    blocks = sum(level.offsets.size for level in layout.levels)
    if blocks * 16 > MOST - 2**16:
        raise NotUnderstood(f"it has {blocks:,} blocks")
    words = orjson.dumps(
        {
            "nodata": None if layout.nodata is None else repr(layout.nodata),  # JSON has no NaN
            "scale": repr(layout.scale),
            "offset": repr(layout.offset),
            "levels": [_words(level) for level in layout.levels],
        }
    )
    body = b"".join((_WORDS.pack(len(words)), words, *(_numbers(level) for level in layout.levels)))
    return _HEAD.pack(VERSION, len(body)) + imagecodecs.zstd_encode(body, level=9 if blocks <= FEW else 1)


def unpacked_size(packed: bytes) -> int:
    """Bytes that `unpack` will make of it, as it says. Raises NotUnderstood for what `pack` did not make."""
    if len(packed) < _HEAD.size or packed[0] != VERSION:
        raise NotUnderstood("no packed layout, or one of another version")
    (_, size) = _HEAD.unpack_from(packed)
    if size > MOST:
        raise NotUnderstood(f"a packed layout of {size:,} bytes")
    return int(size)


def unpack(packed: bytes) -> Layout:
    """The layout again. Raises NotUnderstood for what `pack` did not make: plans come from strangers."""
    size = unpacked_size(packed)
    try:
        # Never larger than told: a few kB could else become all the memory there is.
        body = bytes(imagecodecs.zstd_decode(packed[_HEAD.size :], out=size))
        if len(body) != size:
            raise NotUnderstood("a packed layout of another length than it says")
        (length,) = _WORDS.unpack_from(body)
        words = orjson.loads(body[_WORDS.size :][:length])
        place = _WORDS.size + length
        levels = []
        for one in words["levels"]:
            level, place = _level(one, body, place)
            levels.append(level)
        numbers = [float(words[name]) for name in ("scale", "offset")]
        nodata = None if words["nodata"] is None else float(words["nodata"])
    except (imagecodecs.ZstdError, struct.error, ValueError, TypeError, KeyError, OverflowError) as error:
        raise NotUnderstood("a damaged layout") from error
    if not levels or place != size or not all(map(math.isfinite, numbers)):
        raise NotUnderstood("a damaged layout")
    if any(one.dtype != levels[0].dtype or one.bands != levels[0].bands for one in levels):
        raise NotUnderstood("a layout whose levels differ")
    return Layout(levels=tuple(levels), nodata=nodata, scale=numbers[0], offset=numbers[1])


def _words(level: Level) -> dict[str, Any]:
    return {name: getattr(level, name) for name in (*_SIZES, *_FLAGS, "dtype", "codec", "predictor")}


def _level(words: dict[str, Any], body: bytes, place: int) -> tuple[Level, int]:
    """A level, and where the next one begins. Raises NotUnderstood, and what damaged words lead to."""
    sizes = {name: words[name] for name in _SIZES}
    flags = {name: words[name] for name in _FLAGS}
    if not all(type(one) is int and 0 < one < _LONGEST for one in sizes.values()):
        raise NotUnderstood("a layout of an impossible size")
    if not all(type(one) is bool for one in flags.values()):
        raise NotUnderstood("a damaged layout")
    dtype, codec, predictor = words["dtype"], words["codec"], words["predictor"]
    if dtype not in DTYPES or codec not in CODECS or type(predictor) is not int or predictor not in (1, 2, 3):
        raise NotUnderstood(f"a layout of {dtype}, {codec}, predictor {predictor}"[:200])
    shape = (
        sizes["bands"] if flags["planar"] else 1,
        -(-sizes["height"] // sizes["block_height"]),
        -(-sizes["width"] // sizes["block_width"]),
    )
    number = math.prod(shape)
    if len(body) - place < 16 * number or (flags["strips"] and shape[2] != 1):
        raise NotUnderstood("a layout with too few blocks")
    counts = _joined(body, place, number)
    offsets = _offsets(counts, _joined(body, place + 8 * number, number))
    level = Level(
        **sizes,
        **flags,
        dtype=dtype,
        codec=codec,
        predictor=predictor,  # type: ignore[arg-type]  # checked above
        offsets=offsets.reshape(shape),
        counts=counts.reshape(shape),
    )
    check_level(level)
    return level, place + 16 * number


def _numbers(level: Level) -> bytes:
    counts, offsets = level.counts.ravel(), level.offsets.ravel()
    stored = counts != 0
    gaps = np.zeros_like(offsets)
    begins = offsets[stored]
    ends = begins + counts[stored]
    gaps[stored] = begins - np.concatenate([np.zeros(min(1, len(ends)), dtype=np.uint64), ends[:-1]])  # modulo 2^64
    return _parted(counts) + _parted(gaps)


def _offsets(counts: Offsets, gaps: Offsets) -> Offsets:
    """Raises NotUnderstood where a block would end beyond what a file can hold."""
    stored = counts != 0
    offsets = np.zeros_like(counts)
    lengths = counts[stored]
    begins = np.cumsum(gaps[stored] + np.concatenate([np.zeros(min(1, len(lengths)), dtype=np.uint64), lengths[:-1]]))
    offsets[stored] = begins
    most = np.uint64(2**62)
    if (counts > most).any() or (offsets > most).any():
        raise NotUnderstood("a layout with impossible places")
    return offsets


def _parted(values: Offsets) -> bytes:
    return values.astype("<u8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _joined(body: bytes, place: int, number: int) -> Offsets:
    parts = np.frombuffer(body, dtype=np.uint8, count=8 * number, offset=place).reshape(8, number)
    return np.ascontiguousarray(parts.T).view("<u8").ravel().astype(np.uint64)
