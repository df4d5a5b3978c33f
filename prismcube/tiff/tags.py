"""The directories of a TIFF file: chains of tags and their values, of TIFF and BigTIFF in both byte orders.

    Bytes ─ what `read` gives, a little ahead, and no more in all than a sound file could ask for
    Tiff ─ chain() ─> Directory ─ number(tag), numbers(tag), text(tag)

A file comes from strangers: every count is checked against the file's size before anything of that size is made, each
directory is visited once, and what is wrong becomes NotUnderstood.
Source: TIFF 6.0 section 2; BigTIFF (2007), as libtiff writes it.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from prismcube.tiff.fields import SIZES, Tag
from prismcube.tiff.layout import NotUnderstood, Offsets

Read = Callable[[int, int], bytes]
"""`read(start, length)`: bytes of the file, fewer where it ends."""

AHEAD = 8192
"""Bytes read at least: directories and their values lie near each other."""
KEPT = 16
"""Stretches of `AHEAD` bytes or more that are kept."""
MOST_TAGS = 1024
"""Of a directory; GDAL's files have about 25."""
MOST_DIRECTORIES = 20_000
MOST_BYTES = 2**28
"""Of all that is read of a file for its directories."""

_TYPES = {1: "u1", 2: "S1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
"""numpy's names of the types of values that are read: BYTE, ASCII, SHORT, LONG, ..., IFD, LONG8, SLONG8, IFD8."""


class Bytes:
    """The bytes of a file, read ahead a little and bounded in all."""

    def __init__(self, read: Read, size: int) -> None:
        self.size = size
        self._read = read
        self._left = min(4 * size, MOST_BYTES) + AHEAD
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def at(self, start: int, length: int) -> bytes:
        """Raises NotUnderstood where the file ends before, or too much was asked for in all."""
        self._left -= length
        if start < 0 or start + length > self.size:
            raise NotUnderstood("a part of its header lies beyond its end")
        if self._left < 0:
            raise NotUnderstood("its header is too large")
        for begin, data in self._kept.items():
            if begin <= start and start + length <= begin + len(data):
                return data[start - begin :][:length]
        data = self._read(start, min(max(length, AHEAD), self.size - start))
        if len(data) < length:
            raise NotUnderstood("it ended while its header was read")
        self._kept[start] = data
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return data[:length]


class Tiff:
    """The directories of a file."""

    def __init__(self, read: Read, size: int) -> None:
        """Raises NotUnderstood when it is no TIFF."""
        self.bytes = Bytes(read, size)
        start = self.bytes.at(0, min(16, size))
        marks = {b"II\x2a\x00": "<", b"MM\x00\x2a": ">", b"II\x2b\x00": "<", b"MM\x00\x2b": ">"}
        if start[:4] not in marks or len(start) < 8:
            raise NotUnderstood("no TIFF")
        self.order = marks[start[:4]]
        self.is_big = 43 in start[2:4]
        if self.is_big:
            if len(start) < 16 or struct.unpack(self.order + "HH", start[4:8]) != (8, 0):
                raise NotUnderstood("a BigTIFF of unknown kind")
            (self.first,) = struct.unpack(self.order + "Q", start[8:16])
        else:
            (self.first,) = struct.unpack(self.order + "I", start[4:8])
        self._visited: set[int] = set()

    def directory(self, place: int) -> Directory:
        """The directory at a place in the file. Raises NotUnderstood, also when it was asked for before."""
        if place in self._visited:
            raise NotUnderstood("its directories go round in a circle")
        if len(self._visited) >= MOST_DIRECTORIES:
            raise NotUnderstood(f"it has more than {MOST_DIRECTORIES:,} directories")
        self._visited.add(place)
        return Directory(self, place)

    def chain(self) -> Iterator[Directory]:
        """The directories that follow each other from the first one on. Raises NotUnderstood."""
        place = self.first
        while place:
            directory = self.directory(place)
            yield directory
            place = directory.next


class Directory:
    """The tags of one image."""

    def __init__(self, file: Tiff, place: int) -> None:
        self._file = file
        head, entry, tail = ("Q", "HHQ", "Q") if file.is_big else ("H", "HHI", "I")
        order, self._inline = file.order, 8 if file.is_big else 4
        size = struct.calcsize(order + head)
        (number,) = struct.unpack(order + head, file.bytes.at(place, size))
        if not 0 < number <= MOST_TAGS:
            raise NotUnderstood(f"a directory has {number:,} tags")
        one = struct.Struct(f"{order}{entry}{self._inline}s")
        data = file.bytes.at(place + size, number * one.size + self._inline)
        self._tags: dict[int, tuple[int, int, bytes]] = {}
        for tag, kind, count, value in one.iter_unpack(data[: number * one.size]):
            self._tags.setdefault(tag, (kind, count, value))  # the first one, as libtiff
        (self.next,) = struct.unpack(order + tail, data[number * one.size :])
        """Place of the next directory of the chain; 0 for the last one."""

    def __contains__(self, tag: int) -> bool:
        return tag in self._tags

    def fields(self) -> list[Tag]:
        """All tags as they are, whatever they say. Raises NotUnderstood for a type that no TIFF has."""
        found = []
        for tag, (kind, count, value) in self._tags.items():
            if kind not in SIZES:
                raise NotUnderstood(f"tag {tag} is of type {kind}")
            found.append(Tag(tag, kind, self._stored(count * SIZES[kind], value)))
        return found

    def _value(self, tag: int) -> tuple[str, bytes]:
        """Type and bytes of a tag's value."""
        kind, count, value = self._tags[tag]
        if kind not in _TYPES:
            raise NotUnderstood(f"tag {tag} is of type {kind}")
        dtype = _TYPES[kind]
        return dtype, self._stored(count * int(dtype[1:]), value)

    def _stored(self, length: int, value: bytes) -> bytes:
        """The bytes of a value: those of its entry, or where its entry says."""
        if length <= self._inline:
            return value[:length]
        (place,) = struct.unpack(self._file.order + ("Q" if self._file.is_big else "I"), value)
        return self._file.bytes.at(place, length)

    def numbers(self, tag: int) -> Offsets:
        """The whole numbers of a tag; none when it is missing. Raises NotUnderstood for any other value."""
        if tag not in self._tags:
            return np.empty(0, dtype=np.uint64)
        dtype, data = self._value(tag)
        if dtype[0] != "u":
            raise NotUnderstood(f"tag {tag} is of type {dtype}")
        return np.frombuffer(data, dtype=self._file.order + dtype).astype(np.uint64)

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag, all others of which must be the same. Raises NotUnderstood."""
        found = self.numbers(tag)
        if not len(found):
            return default
        if len(found) > 1 and (found != found[0]).any():
            raise NotUnderstood(f"tag {tag} differs between bands")
        return int(found[0])

    def text(self, tag: int) -> str:
        """Up to its first zero; empty when it is missing. Raises NotUnderstood."""
        if tag not in self._tags:
            return ""
        return self._value(tag)[1].partition(b"\0")[0].decode("utf-8", errors="replace")

    @cached_property
    def subfile(self) -> int:
        """NewSubfileType: bit 0 of overviews, 1 of pages, 2 of masks; told from the older SubfileType without it."""
        if 254 in self:
            return self.number(254, 0)
        return {2: 1, 3: 2}.get(self.number(255, 1), 0)
