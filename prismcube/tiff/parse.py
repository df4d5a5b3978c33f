"""The layout of a TIFF file, read from its header; no pixels.

    read_layout(read, size=..., page=...)
        Tiff.chain ─> the image: the first directory, or page `page`
                   ─> overviews: its sub-directories, and of the first image directories that follow; as GDAL does
        _level     ─> Level, checked: it can be decoded, and all its blocks lie within the file

What is not understood is left to GDAL: one block of one overview is enough, since each level may be asked for.
Masks are passed by: what is empty is told by nodata, in both engines.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Literal

import numpy as np

from prismcube.tiff.layout import VALIDITY_BAND, Codec, Layout, Level, NotUnderstood, Offsets, check_level
from prismcube.tiff.tags import Directory, Read, Tiff

MOST_LEVELS = 31
"""The image and 30 overviews, as in GDAL."""
LARGEST_STRIP = 2**20
"""Bytes; uncompressed images in one strip are taken as many of about this size."""

_CODECS: dict[int, Codec] = {1: "none", 5: "lzw", 8: "deflate", 32946: "deflate", 50000: "zstd"}
_OTHERS = {
    2: "CCITT", 3: "CCITT", 4: "CCITT", 6: "old JPEG", 7: "JPEG", 32773: "PackBits", 33003: "JPEG 2000",
    33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50001: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip
_DTYPES = {
    (1, 8): "uint8", (1, 16): "uint16", (1, 32): "uint32", (2, 8): "int8", (2, 16): "int16", (2, 32): "int32",
    (3, 32): "float32", (3, 64): "float64",
}  # fmt: skip
"""By SampleFormat and BitsPerSample."""
_FORMATS = {1: "unsigned", 2: "signed", 3: "floating", 4: "untyped", 5: "complex", 6: "complex"}
_PLAIN = (0, 1, 2, 3, 5, 32803)
"""PhotometricInterpretation whose samples mean themselves: grey, RGB, palette, CMYK, colour filter array."""


def read_layout(read: Read, *, size: int, page: int | None = None) -> Layout:
    """The layout of a file of `size` bytes, or of a page of it, counted from 1.

    `read(start, length)` gives bytes of the file, fewer where it ends; its errors pass through.
    Raises NotUnderstood for what must be read otherwise; never anything else, whatever the bytes.
    """
    file = Tiff(read, size)
    return _layout(file, *_directories(file, page))


def read_layouts(read: Read, *, size: int) -> list[Layout | NotUnderstood]:
    """The layouts of all pages of a file, as `read_layout` gives each, or why there is none; every directory is read
    once. Raises NotUnderstood for a file whose directories can't be followed to the last: its first pages
    `read_layout` can tell all the same.
    """
    file = Tiff(read, size)
    found: list[Layout | NotUnderstood] = []
    for image in file.chain():
        try:
            found.append(_layout(file, image, _below(file, image)))
        except NotUnderstood as error:
            found.append(error)
    return found


def _layout(file: Tiff, image: Directory, overviews: list[Directory]) -> Layout:
    metadata = image.text(42112)
    if _tells_validity(metadata):
        raise NotUnderstood(f"{_compression(file, image)} {VALIDITY_BAND}")
    levels = [_level(file, image)]
    for one in overviews[: MOST_LEVELS - 1]:
        if one.number(277, 1) == levels[0].bands:  # GDAL ignores others
            levels.append(_level(file, one))
            if levels[-1].dtype != levels[0].dtype:
                raise NotUnderstood(f"an overview is of {levels[-1].dtype}")
    return Layout(
        levels=_descending(levels),
        nodata=_nodata(image.text(42113), levels[0].dtype),
        scale=_item(metadata, "scale", 1.0),
        offset=_item(metadata, "offset", 0.0),
    )


def _directories(file: Tiff, page: int | None) -> tuple[Directory, list[Directory]]:
    """The directory of the image and those of its overviews."""
    image: Directory | None = None
    overviews: list[Directory] = []
    for number, one in enumerate(file.chain(), start=1):
        if image is None:
            if number < (page or 1):
                continue
            image = one
            overviews += _below(file, one)
            if page is not None:
                break
        elif _is_overview(one):
            overviews.append(one)
    if image is None:
        raise NotUnderstood(f"it has no page {page}" if page else "it has no directory")
    return image, overviews


def _below(file: Tiff, image: Directory) -> list[Directory]:
    """Overviews that hang below an image."""
    return [sub for place in image.numbers(330) if _is_overview(sub := file.directory(int(place)))]


def _is_overview(directory: Directory) -> bool:
    return directory.subfile & 0b101 == 0b001  # reduced, and no mask


def _descending(levels: list[Level]) -> tuple[Level, ...]:
    """From fine to coarse, each once."""
    found = levels[:1]
    for one in sorted(levels[1:], key=lambda level: (level.height * level.width, level.height), reverse=True):
        last = found[-1]
        if one.height <= last.height and one.width <= last.width and one.shape != last.shape:
            found.append(one)
    return tuple(found)


def _level(file: Tiff, tags: Directory) -> Level:
    width, height = tags.number(256, 0), tags.number(257, 0)
    bands = tags.number(277, 1)
    if not (0 < width < 2**31 and 0 < height < 2**31 and 0 < bands < 2**16):
        raise NotUnderstood(f"its size is {width} x {height} x {bands}")
    dtype = _dtype(tags)
    codec = _codec(tags)
    photometric = tags.number(262, 1)
    if photometric not in _PLAIN:
        raise NotUnderstood("YCbCr colours" if photometric == 6 else f"colours of kind {photometric}")
    if tags.number(266, 1) != 1:
        raise NotUnderstood("bits in reverse order")
    if tags.number(32997, 1) != 1 or tags.number(32998, 1) != 1:
        raise NotUnderstood("a volume")
    planar = tags.number(284, 1)
    if planar not in (1, 2):
        raise NotUnderstood(f"bands arranged in way {planar}")
    strips = 322 not in tags and 323 not in tags
    block_height, block_width = _block(tags, height, width, strips=strips)
    offsets, counts = _places(file, tags, strips=strips)
    is_planar = planar == 2 and bands > 1
    shape = (bands if is_planar else 1, -(-height // block_height), -(-width // block_width))
    needed = math.prod(shape)
    if len(offsets) != needed or len(counts) != needed:
        raise NotUnderstood(f"it tells the places of {min(len(offsets), len(counts))} blocks and has {needed}")
    level = Level(
        height=height,
        width=width,
        block_height=block_height,
        block_width=block_width,
        dtype=dtype,
        codec=codec,
        predictor=_predictor(tags, codec),
        big_endian=file.order == ">",
        bands=bands,
        planar=is_planar,
        strips=strips,
        offsets=offsets.reshape(shape),
        counts=counts.reshape(shape),
    )
    if codec == "none":
        _check_uncompressed(level)
        level = _split(level)
    check_level(level)
    return level


def _dtype(tags: Directory) -> str:
    bits, kind = tags.number(258, 1), tags.number(339, 1)
    dtype = _DTYPES.get((kind, bits))
    if dtype is None:
        raise NotUnderstood(f"{_FORMATS.get(kind, f'kind {kind} of')} numbers of {bits} bits")
    return dtype


def _codec(tags: Directory) -> Codec:
    number = tags.number(259, 1)
    codec = _CODECS.get(number)
    if codec is None:
        raise NotUnderstood(f"{_OTHERS.get(number, f'number {number} as')} compression")
    return codec


def _predictor(tags: Directory, codec: Codec) -> Literal[1, 2, 3]:
    if codec == "none":  # libtiff knows the tag with compressions only
        return 1
    number = tags.number(317, 1)
    if number not in (1, 2, 3):
        raise NotUnderstood(f"predictor {number}")
    return number  # type: ignore[return-value]  # mypy does not narrow by `in`


def _block(tags: Directory, height: int, width: int, *, strips: bool) -> tuple[int, int]:
    """(height, width) of the blocks."""
    if strips:
        rows = tags.number(278, 2**32 - 1)
        block = min(rows, height), width  # the greatest number stands for the whole image
    else:
        block = tags.number(323, 0), tags.number(322, 0)
    if not (0 < block[0] < 2**31 and 0 < block[1] < 2**31):
        raise NotUnderstood(f"blocks of {block[1]} x {block[0]}")
    return block


def _places(file: Tiff, tags: Directory, *, strips: bool) -> tuple[Offsets, Offsets]:
    """Offsets and counts of the blocks, all of which lie in the file; both are 0 for those that are not stored.

    Of tiles, libtiff takes the tags of strips too, as an early specification had it.
    """
    named = (273, 279) if strips or (324 not in tags and 273 in tags) else (324, 325)
    offsets, counts = (tags.numbers(tag) for tag in named)
    if not len(counts):
        raise NotUnderstood("it does not tell the sizes of its blocks")
    if len(offsets) != len(counts):
        return offsets, counts
    if ((counts == 0) & (offsets != 0)).any() or ((counts != 0) & (offsets == 0)).any():
        raise NotUnderstood("some of its blocks have a place and no size, or a size and no place")
    end = np.uint64(file.bytes.size)
    if (counts > end).any() or (offsets > end - np.minimum(counts, end)).any():
        raise NotUnderstood("it is truncated: some of its blocks lie beyond its end")
    return offsets, counts


def _check_uncompressed(level: Level) -> None:
    """Refuse uncompressed blocks that are not whole: libtiff guesses then."""
    rows = np.full(level.blocks[0], level.block_height, dtype=np.uint64)
    rows[-1] = level.rows_of(level.blocks[0] - 1)
    needed = rows * np.uint64(level.block_width * level.samples * np.dtype(level.dtype).itemsize)
    if ((level.counts != 0) & (level.counts < needed[None, :, None])).any():
        raise NotUnderstood("its uncompressed blocks are smaller than their pixels")


def _split(level: Level) -> Level:
    """An image in one uncompressed strip as one in many: a window of it needs some rows only."""
    row = level.width * level.samples * np.dtype(level.dtype).itemsize
    rows = max(1, LARGEST_STRIP // row)
    if not level.strips or level.blocks != (1, 1) or rows >= level.height or not level.counts.all():
        return level
    starts = np.arange(0, level.height, rows, dtype=np.uint64)
    heights = np.minimum(np.uint64(level.height) - starts, np.uint64(rows))
    offsets = level.offsets + (starts * np.uint64(row))[None, :, None]
    counts = np.broadcast_to((heights * np.uint64(row))[None, :, None], offsets.shape).copy()
    return replace(level, block_height=rows, offsets=offsets, counts=counts)


def _nodata(text: str, dtype: str) -> float | None:
    """GDAL_NODATA as a number."""
    if not text:
        return None
    value = _float(text, "nodata")
    largest = float(np.finfo(np.float32).max)
    if dtype == "float32" and abs(abs(value) - largest) < 1e-10 * largest:  # as GDAL: written with a digit too few
        return math.copysign(largest, value)
    return value


_ITEM = re.compile(r"<Item\b([^<>]*)>([^<]*)</Item>")


def _item(metadata: str, role: str, default: float) -> float:
    """A number that GDAL's metadata gives the first band."""
    for attributes, text in _ITEM.findall(metadata):
        if f'role="{role}"' in attributes and 'sample="0"' in attributes:
            return _float(text, role)
    return default


def _tells_validity(metadata: str) -> bool:
    """True for a file whose last band is no data: `prismcube.raster.alpha` writes and reads such."""
    items = _ITEM.findall(metadata)
    return any('name="VALIDITY"' in attributes and text == "ALPHA" for attributes, text in items)


def _compression(file: Tiff, image: Directory) -> str:
    """The name of an image's compression, also of one that is not read here."""
    try:
        return _level(file, image).codec.upper()
    except NotUnderstood as error:
        return str(error).partition(" ")[0]


def _float(text: str, what: str) -> float:
    try:
        return float(text if len(text) < 64 and "_" not in text else "none")
    except ValueError:
        raise NotUnderstood(f"its {what} is no number") from None
