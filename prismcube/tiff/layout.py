"""Where the blocks of a TIFF lie and how they are stored: all that reading pixels needs, without the header. Pure.

    Layout ─ Level (full resolution), Level (overview), ... ─ offsets and counts of blocks

Tiles and strips are both called blocks: a strip is a block as wide as the image.
Source: TIFF 6.0 (Adobe, 1992), sections 2, 8, 14, 15; BigTIFF (2007); OGC 19-008r4 (GeoTIFF 1.1); GDAL's GTiff driver
for GDAL_NODATA and for the order of overviews.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

Codec = Literal["none", "lzw", "deflate", "zstd"]
"""Compressions that are read here: TIFF tags 1, 5, 8 and 32946, 50000."""
CODECS: tuple[str, ...] = get_args(Codec)

Offsets = npt.NDArray[np.uint64]

VALIDITY_BAND = "compression, validity in a band of its own"
"""Why GDAL must read a file whose last band tells which pixels are valid; the name of its compression stands before."""


class NotUnderstood(Exception):
    """A file that is no TIFF, or one of a kind that must be read by GDAL; the message says which, in a few words."""


class Window(NamedTuple):
    """A rectangle of pixels; half-open."""

    row: int
    col: int
    height: int
    width: int

    @classmethod
    def between(cls, top: int, left: int, bottom: int, right: int) -> Window:
        """From rows and columns; empty when it would end before it begins."""
        return cls(top, left, max(bottom - top, 0), max(right - left, 0))

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Of an array that it is a window of."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def within(self, height: int, width: int) -> Window:
        """What of it lies within an image of that size."""
        bottom, right = min(self.row + self.height, height), min(self.col + self.width, width)
        return Window.between(max(self.row, 0), max(self.col, 0), bottom, right)


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """One resolution of an image: its own or that of an overview."""

    height: int
    width: int
    block_height: int
    block_width: int
    """As wide as the image when it is stored in strips."""
    dtype: str
    """numpy's name: one of `prismcube.model.formats.DTYPES`."""
    codec: Codec
    predictor: Literal[1, 2, 3]
    """1: none; 2: differences along rows; 3: differences of the bytes of floating-point numbers."""
    big_endian: bool
    """Of the samples, as of the file."""
    bands: int
    """Samples a pixel."""
    planar: bool
    """True: each band has blocks of its own; False: a block holds all bands, one pixel after the other."""
    strips: bool
    """True: the last block ends with the image; False: blocks are whole, padded beyond its edge."""
    offsets: Offsets
    """Of each block in the file, (planes, block rows, block columns); one plane unless `planar`."""
    counts: Offsets
    """Stored bytes of each block, of the shape of `offsets`; 0 where nothing is stored: every pixel is empty."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def blocks(self) -> tuple[int, int]:
        """(block rows, block columns)."""
        return -(-self.height // self.block_height), -(-self.width // self.block_width)

    @cached_property
    def samples(self) -> int:
        """Samples a pixel within one block."""
        return 1 if self.planar else self.bands

    @cached_property
    def row_bytes(self) -> int:
        """Of one row of a block, before the codec."""
        return self.block_width * self.samples * np.dtype(self.dtype).itemsize

    @property
    def block_bytes(self) -> int:
        """Of a block, before the codec; the last strip may have fewer."""
        return self.block_height * self.row_bytes

    def rows_of(self, block_row: int) -> int:
        """Rows that the blocks of a row of blocks hold: fewer in the last strip."""
        left = self.height - block_row * self.block_height
        return min(self.block_height, left) if self.strips else self.block_height

    @cached_property
    def description(self) -> tuple[Any, ...]:
        """All but the places of the blocks."""
        return tuple(getattr(self, name) for name in _DESCRIBING)

    def describes_like(self, other: Level) -> bool:
        """True when all but the places of the blocks is the same."""
        return self.description == other.description


LARGEST_BLOCK = 2**26
"""Decoded bytes of a block, at most: a thread holds several."""


def check_level(level: Level) -> None:
    """Refuse a level that can't be decoded, wherever it comes from. Raises NotUnderstood."""
    dtype = np.dtype(level.dtype)
    if level.predictor == 3 and dtype.kind != "f":
        raise NotUnderstood(f"predictor 3 with {level.dtype}")
    rows = min(level.block_height, level.height) if level.strips else level.block_height
    size = rows * level.row_bytes
    if size > LARGEST_BLOCK:
        raise NotUnderstood(f"blocks of {size / 1e6:,.0f} MB, more than the {LARGEST_BLOCK / 1e6:,.0f} MB of the limit")


_DESCRIBING = tuple(name for name in Level.__dataclass_fields__ if name not in ("offsets", "counts"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """One image of a file with its overviews."""

    levels: tuple[Level, ...]
    """Full resolution first, then overviews, each smaller than the one before."""
    nodata: float | None
    """GDAL_NODATA; what blocks that are not stored hold (0 without it)."""
    scale: float = 1.0
    offset: float = 0.0
    """Of the first band, as GDAL's metadata has it; the catalogue's mapping decides what values mean."""

    def fill(self) -> Any:
        """The value of pixels whose block is not stored: nodata as a number of the image's type, as GDAL makes it.

        Cut to the type's range and rounded, halves away from zero; 0 for NaN that the type has not.
        """
        dtype = np.dtype(self.levels[0].dtype)
        nodata = self.nodata if self.nodata is not None else 0.0
        if dtype.kind == "f":
            with np.errstate(over="ignore"):  # infinite beyond the type's range
                return dtype.type(nodata)
        if math.isnan(nodata):
            return dtype.type(0)
        limits = np.iinfo(dtype)
        cut = min(max(nodata, limits.min), limits.max)
        return dtype.type(math.trunc(cut + math.copysign(0.5, cut)) if abs(cut) < limits.max else int(cut))


@dataclass(frozen=True, kw_only=True, eq=False)
class Header:
    """What was found out about a file when its header was read."""

    layout: Layout | None
    """None: GDAL must read it."""
    reason: str = ""
    """Why, in a few words."""
    etag: str
    """Of the file then, without its sidecars (`FileStatus.etag`): of any other state nothing is known."""
