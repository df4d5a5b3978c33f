"""Fields of a TIFF and directories of them, to and from bytes: classic and BigTIFF, little endian. Pure.

Source: TIFF 6.0 (Adobe, 1992), section 2; BigTIFF (2007).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASSIC_LIMIT = 2**32 - 1
"""Offsets of a classic TIFF have 32 bits."""

SHORT, LONG, DOUBLE, ASCII, LONG8 = 3, 4, 12, 2, 16

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value by its type, as TIFF numbers them."""

_TYPES = {SHORT: "<u2", LONG: "<u4", DOUBLE: "<f8", LONG8: "<u8", 1: "u1", 13: "<u4", 18: "<u8"}


@dataclass(frozen=True)
class Tag:
    """A field of a directory."""

    number: int
    kind: int
    """Type of its values, as TIFF numbers them."""
    values: bytes
    """Little endian."""

    @property
    def count(self) -> int:
        return len(self.values) // SIZES[self.kind]

    def numbers(self) -> npt.NDArray[np.uint64]:
        """Its values, when they are whole and not negative. Raises ValueError for another type."""
        if self.kind not in _TYPES or self.kind == DOUBLE:
            raise ValueError(f"tag {self.number} has no whole numbers")
        return np.frombuffer(self.values, dtype=_TYPES[self.kind]).astype(np.uint64)


def short(number: int, *values: int) -> Tag:
    return _tag(number, SHORT, values)


def long(number: int, *values: int) -> Tag:
    return _tag(number, LONG, values)


def doubles(number: int, *values: float) -> Tag:
    return _tag(number, DOUBLE, values)


def text(number: int, value: str) -> Tag:
    """UTF-8, as GDAL writes it, closed by a zero byte."""
    return Tag(number, ASCII, value.encode() + b"\0")


def places(number: int, values: npt.NDArray[np.uint64], *, big: bool) -> Tag:
    """Offsets or sizes in the file: 32 bits each, 64 with `big`."""
    kind = LONG8 if big else LONG
    return Tag(number, kind, values.astype(_TYPES[kind]).tobytes())


def _tag(number: int, kind: int, values: Sequence[float]) -> Tag:
    return Tag(number, kind, np.asarray(values, dtype=_TYPES[kind]).tobytes())


def header(first: int, *, big: bool) -> bytes:
    """The 8 or 16 bytes at the beginning of a file; `first` is the offset of its first directory."""
    return struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHL", b"II", 42, first)


def header_bytes(*, big: bool) -> int:
    return 16 if big else 8


def directory_bytes(tags: Sequence[Tag], *, big: bool, far: Mapping[int, int] | frozenset[int] = frozenset()) -> int:
    """Of what `directory` writes, which begins at an even offset."""
    inline = 8 if big else 4
    long_ones = (len(one.values) for one in tags if len(one.values) > inline and one.number not in far)
    return _entries_bytes(len(tags), big=big) + sum(map(even, long_ones))


def _entries_bytes(count: int, *, big: bool) -> int:
    return even(8 + 20 * count + 8 if big else 2 + 12 * count + 4)


def directory(tags: Sequence[Tag], *, at: int, then: int = 0, big: bool, far: Mapping[int, int] | None = None) -> bytes:
    """A directory that lies at the even offset `at`; `then` is the offset of the next one, 0 for none.

    Values that don't fit into their entry follow the entries, those of the tags in `far` lie where it says.
    """
    inline = 8 if big else 4
    fixed = _entries_bytes(len(tags), big=big)
    entries, after, end = [struct.pack("<Q" if big else "<H", len(tags))], [], at + fixed
    for one in sorted(tags, key=lambda one: one.number):
        entry = struct.pack("<HHQ" if big else "<HHL", one.number, one.kind, one.count)
        if len(one.values) <= inline:
            entries.append(entry + one.values.ljust(inline, b"\0"))
        elif far and one.number in far:
            entries.append(entry + struct.pack("<Q" if big else "<L", far[one.number]))
        else:
            entries.append(entry + struct.pack("<Q" if big else "<L", end))
            after.append(one.values.ljust(even(len(one.values)), b"\0"))
            end += even(len(one.values))
    entries.append(struct.pack("<Q" if big else "<L", then))
    return b"".join(entries).ljust(fixed, b"\0") + b"".join(after)


def even(size: int) -> int:
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
            size = values * SIZES[kind]
            (place,) = struct.unpack_from("<L", content, entry + 8) if size > 4 else (entry + 8,)
            found.append(Tag(number, kind, content[place : place + size]))
    return found
