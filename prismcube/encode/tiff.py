"""The layout of an uncompressed TIFF, known to the last byte before the first pixel (TIFF 6.0; BigTIFF). Pure.

    header and directory │ slice 0, rows 0..R: field 0, field 1, ... │ slice 0, rows R..: ... │ slice 1 ... │ tail

A band is a (slice, field). Bands are separate planes of strips; strips may lie in the file in any order, so the file
can be written in the order in which pixels are computed. The directory comes first: what reads from a stream finds it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASSIC_LIMIT = 2**32 - 1
"""Offsets of a classic TIFF have 32 bits."""

STRIP_BYTES = 1 << 20
"""About how large a strip is."""

_SHORT, _LONG, _DOUBLE, _ASCII, _LONG8 = 3, 4, 12, 2, 16
_SIZES = {_ASCII: 1, _SHORT: 2, _LONG: 4, _DOUBLE: 8, _LONG8: 8}
_TYPES = {_SHORT: "<u2", _LONG: "<u4", _DOUBLE: "<f8", _LONG8: "<u8"}


@dataclass(frozen=True)
class Tag:
    """A field of the directory."""

    number: int
    kind: int
    """Type of its values, as TIFF numbers them."""
    values: bytes
    """Little endian."""

    @property
    def count(self) -> int:
        return len(self.values) // _SIZES[self.kind]


def short(number: int, *values: int) -> Tag:
    return _tag(number, _SHORT, values)


def long(number: int, *values: int) -> Tag:
    return _tag(number, _LONG, values)


def doubles(number: int, *values: float) -> Tag:
    return _tag(number, _DOUBLE, values)


def text(number: int, value: str) -> Tag:
    """UTF-8, as GDAL writes it, closed by a zero byte."""
    return Tag(number, _ASCII, value.encode() + b"\0")


def _tag(number: int, kind: int, values: Sequence[float] | npt.NDArray[np.uint64]) -> Tag:
    return Tag(number, kind, np.asarray(values, dtype=_TYPES[kind]).tobytes())


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where each strip of a cube lies."""

    width: int
    height: int
    slices: int
    fields: int
    itemsize: int
    """Bytes a value."""
    rows: int
    """Of a part: as many as are computed at once."""
    tail: int = 0
    """Bytes after the last pixel."""

    @property
    def bands(self) -> int:
        return self.slices * self.fields

    @property
    def rows_per_strip(self) -> int:
        """The largest divisor of `rows` whose strip is about `STRIP_BYTES`; parts are made of whole strips."""
        most = max(1, STRIP_BYTES // (self.width * self.itemsize))
        return next(rows for rows in range(min(most, self.rows), 0, -1) if self.rows % rows == 0)

    @property
    def pixel_bytes(self) -> int:
        return self.bands * self.height * self.width * self.itemsize

    def strips(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """(offsets, sizes) in bytes of every strip, from the first pixel on, in the order of TIFF: band by band."""
        row_bytes = self.width * self.itemsize
        first = np.arange(0, self.height, self.rows_per_strip, dtype=np.uint64)
        heights = np.minimum(self.rows_per_strip, self.height - first.astype(np.int64)).astype(np.uint64)
        part = first // np.uint64(self.rows)
        part_height = np.minimum(np.uint64(self.rows), np.uint64(self.height) - part * np.uint64(self.rows))
        within = part * np.uint64(self.rows * row_bytes * self.fields)
        within += (first - part * np.uint64(self.rows)) * np.uint64(row_bytes)
        field = np.arange(self.fields, dtype=np.uint64)[:, None] * (part_height * np.uint64(row_bytes))[None, :]
        slice_bytes = np.uint64(self.height * row_bytes * self.fields)
        begin = np.arange(self.slices, dtype=np.uint64)[:, None, None] * slice_bytes
        offsets = begin + field[None, :, :] + within[None, None, :]
        sizes = np.broadcast_to(heights * np.uint64(row_bytes), (self.bands, len(first)))
        return offsets.reshape(-1), np.ascontiguousarray(sizes).reshape(-1)

    def head(self, tags: Sequence[Tag]) -> bytes:
        """Header and directory, with `tags` beside those of the layout; the first pixel follows at once."""
        offsets, sizes = self.strips()
        for big in (False, True):
            kind = _LONG8 if big else _LONG
            known = [
                *tags,
                long(256, self.width),
                long(257, self.height),
                short(258, *[8 * self.itemsize] * self.bands),
                short(259, 1),  # no compression
                short(262, 1),  # black is zero
                Tag(273, kind, offsets.astype(_TYPES[kind]).tobytes()),
                short(277, self.bands),
                long(278, self.rows_per_strip),
                Tag(279, kind, sizes.astype(_TYPES[kind]).tobytes()),
                short(284, 2),  # each band a plane of its own
            ]
            if self.bands > 1:
                known.append(short(338, *[0] * (self.bands - 1)))
            known.sort(key=lambda one: one.number)
            begin = _directory_bytes(known, big=big)
            if big or begin + self.pixel_bytes + self.tail <= CLASSIC_LIMIT:
                break
        moved = (offsets + np.uint64(begin)).astype(_TYPES[kind]).tobytes()
        return _directory([Tag(273, kind, moved) if one.number == 273 else one for one in known], big=big)


def _directory_bytes(tags: Sequence[Tag], *, big: bool) -> int:
    inline = 8 if big else 4
    fixed = 16 + 8 + 20 * len(tags) + 8 if big else 8 + 2 + 12 * len(tags) + 4
    return _even(fixed) + sum(_even(len(one.values)) for one in tags if len(one.values) > inline)


def _directory(tags: Sequence[Tag], *, big: bool) -> bytes:
    """TIFF 6.0, section 2; values that don't fit into their entry follow the directory."""
    inline = 8 if big else 4
    fixed = _even(16 + 8 + 20 * len(tags) + 8 if big else 8 + 2 + 12 * len(tags) + 4)
    head = (
        struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags))
        if big
        else struct.pack("<2sHLH", b"II", 42, 8, len(tags))
    )
    entries, after = [], []
    at = fixed
    for one in tags:
        entry = struct.pack("<HHQ" if big else "<HHL", one.number, one.kind, one.count)
        if len(one.values) <= inline:
            entries.append(entry + one.values.ljust(inline, b"\0"))
        else:
            entries.append(entry + struct.pack("<Q" if big else "<L", at))
            after.append(one.values.ljust(_even(len(one.values)), b"\0"))
            at += _even(len(one.values))
    end = bytes(8 if big else 4)  # no further directory
    return (head + b"".join(entries) + end).ljust(fixed, b"\0") + b"".join(after)


def _even(size: int) -> int:
    """Values begin at a word boundary."""
    return size + size % 2


def read_tags(content: bytes, numbers: frozenset[int]) -> list[Tag]:
    """Those of these numbers from the first directory of a classic little-endian TIFF, as GDAL writes it."""
    (at,) = struct.unpack_from("<L", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    found = []
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        number, kind, values = struct.unpack_from("<HHL", content, entry)
        if number in numbers:
            size = values * _SIZES[kind]
            (place,) = struct.unpack_from("<L", content, entry + 8) if size > 4 else (entry + 8,)
            found.append(Tag(number, kind, content[place : place + size]))
    return found
