"""Images that lie encoded in a file: the fields of their directories and the places of their blocks.

    Page ─ Part (full resolution), Part (overview), ... ─ fields, offsets and counts of blocks

Pages are what files are put together from without touching a pixel (`prismcube.tiff.assemble`). Fields are kept as they
are, whatever they say, so a file that another program wrote keeps all of them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prismcube.errors import SourceError
from prismcube.tiff.fields import SIZES, Tag
from prismcube.tiff.layout import NotUnderstood, Offsets

PLACES = frozenset({324, 325, 330})
"""TileOffsets, TileByteCounts, SubIFDs: they differ in each file."""
_STRIPS = frozenset({273, 279})
_ELSEWHERE = frozenset({34665, 34853, 400, 40965})
"""Exif, GPS, global parameters, interoperability: directories of their own, which are not carried over."""
_MOST_TAGS = 4096
_MOST_DIRECTORIES = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One level of an image."""

    height: int
    width: int
    block_height: int
    block_width: int
    planes: int
    """Bands that have blocks of their own: 1 when a block holds all bands."""
    tags: tuple[Tag, ...]
    """All fields but `PLACES`."""
    offsets: Offsets
    """Of each block in its file, plane by plane, each row by row."""
    counts: Offsets
    """Stored bytes of each; 0 where nothing is stored."""

    @property
    def tiles(self) -> int:
        """Blocks of a plane."""
        return -(-self.height // self.block_height) * -(-self.width // self.block_width)

    def tag(self, number: int) -> Tag | None:
        return next((one for one in self.tags if one.number == number), None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """One image with its overviews, of an open file."""

    file: int
    """Descriptor of the open file."""
    name: str
    """Of the file, for errors."""
    parts: tuple[Part, ...]
    """Full resolution first, then overviews, each half of the one before."""

    def text(self, number: int) -> str:
        """Value of a text field; empty when there is none."""
        found = self.parts[0].tag(number)
        return "" if found is None else found.values.rstrip(b"\0").decode("utf-8", errors="replace")


@contextmanager
def open_pages(path: Path) -> Iterator[tuple[Page, ...]]:
    """Every image of a tiled little-endian TIFF, in the order of its directories; the file is open meanwhile.

    Raises SourceError for a file that can't be read or is of another kind.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(str(path), error.strerror or str(error)) from error
    try:
        yield _Reader(file, str(path)).pages()
    except NotUnderstood as error:
        raise SourceError(str(path), str(error)) from error
    finally:
        os.close(file)


class _Reader:
    """Reads directories; what is asked for is never longer than the file."""

    def __init__(self, file: int, name: str) -> None:
        self._file = file
        self._name = name
        self._size = os.fstat(file).st_size
        self._seen: set[int] = set()

    def pages(self) -> tuple[Page, ...]:
        head = self._at(0, min(16, self._size))
        if head[:4] == b"II\x2a\0" and len(head) >= 8:
            self._big = False
            (at,) = struct.unpack_from("<L", head, 4)
        elif head[:8] == b"II\x2b\0\x08\0\0\0" and len(head) == 16:
            self._big = True
            (at,) = struct.unpack_from("<Q", head, 8)
        else:
            raise NotUnderstood("no little-endian TIFF")
        found: list[list[Part]] = []
        while at:
            tags, at = self._directory(at)
            if self._subfile(tags) & 1 and found:
                found[-1].append(self._part(tags))
                continue
            found.append([self._part(tags)])
            for place in _numbers(tags, 330):
                below, _ = self._directory(int(place))
                found[-1].append(self._part(below))
        return tuple(Page(file=self._file, name=self._name, parts=_descending(parts)) for parts in found)

    def _at(self, start: int, length: int) -> bytes:
        if start + length > self._size:
            raise NotUnderstood("a part of its header lies beyond its end")
        data = os.pread(self._file, length, start)
        if len(data) < length:
            raise NotUnderstood("it ended while its header was read")
        return data

    def _directory(self, at: int) -> tuple[dict[int, Tag], int]:
        if at in self._seen or len(self._seen) >= _MOST_DIRECTORIES:
            raise NotUnderstood("its directories go round in a circle")
        self._seen.add(at)
        head, entry, inline = (8, 20, 8) if self._big else (2, 12, 4)
        count = int.from_bytes(self._at(at, head), "little")
        if not 0 < count <= _MOST_TAGS:
            raise NotUnderstood(f"a directory has {count:,} fields")
        content = self._at(at + head, count * entry + inline)
        tags: dict[int, Tag] = {}
        for begin in range(0, count * entry, entry):
            number, kind, values = struct.unpack_from("<HHQ" if self._big else "<HHL", content, begin)
            if kind not in SIZES:
                raise NotUnderstood(f"field {number} is of type {kind}")
            length = values * SIZES[kind]
            value = content[begin + entry - inline : begin + entry]
            if length > inline:
                value = self._at(int.from_bytes(value, "little"), length)
            tags.setdefault(number, Tag(number, kind, value[:length]))
        return tags, int.from_bytes(content[count * entry :], "little")

    def _subfile(self, tags: dict[int, Tag]) -> int:
        kind = _number(tags, 254, 0)
        if kind & 4:
            raise NotUnderstood("it has masks")
        return kind

    def _part(self, tags: dict[int, Tag]) -> Part:
        self._subfile(tags)
        if tags.keys() & _STRIPS or not {256, 257, 322, 323, 324, 325} <= tags.keys():
            raise NotUnderstood("it is not tiled")
        planes = _number(tags, 277, 1) if _number(tags, 284, 1) == 2 else 1
        part = Part(
            height=_number(tags, 257, 0),
            width=_number(tags, 256, 0),
            block_height=_number(tags, 323, 0),
            block_width=_number(tags, 322, 0),
            planes=planes,
            tags=tuple(one for number, one in tags.items() if number not in PLACES | _ELSEWHERE),
            offsets=_numbers(tags, 324),
            counts=_numbers(tags, 325),
        )
        if not (part.height and part.width and part.block_height and part.block_width):
            raise NotUnderstood("an image without pixels")
        blocks = part.tiles * planes
        if len(part.offsets) != blocks or len(part.counts) != blocks:
            raise NotUnderstood(f"{len(part.offsets):,} and {len(part.counts):,} places for {blocks:,} blocks")
        stored = part.counts > 0
        size = np.uint64(self._size)
        if (part.offsets[stored] > size).any() or (part.counts[stored] > size - part.offsets[stored]).any():
            raise NotUnderstood("a block lies beyond its end")
        return part


def _numbers(tags: dict[int, Tag], number: int) -> Offsets:
    if number not in tags:
        return np.empty(0, dtype=np.uint64)
    with suppress(ValueError):
        return tags[number].numbers()
    raise NotUnderstood(f"field {number} is of type {tags[number].kind}")


def _number(tags: dict[int, Tag], number: int, default: int) -> int:
    found = _numbers(tags, number)
    return int(found[0]) if len(found) else default


def _descending(parts: list[Part]) -> tuple[Part, ...]:
    return (parts[0], *sorted(parts[1:], key=lambda one: -one.height * one.width))
