"""Images that lie encoded in a file: the fields of their directories and the places of their blocks.

    Page ─ Part (full resolution), Part (overview), ... ─ fields, offsets and counts of blocks

Pages are what files are put together from without touching a pixel (`prismcube.tiff.assemble`). Fields are kept as they
are, whatever they say, so a file that another program wrote keeps all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prismcube.errors import SourceError
from prismcube.tiff.fields import Tag
from prismcube.tiff.layout import NotUnderstood, Offsets
from prismcube.tiff.tags import Directory, Tiff

PLACES = frozenset({324, 325, 330})
"""TileOffsets, TileByteCounts, SubIFDs: they differ in each file."""
_ELSEWHERE = frozenset({34665, 34853, 400, 40965})
"""Exif, GPS, global parameters, interoperability: directories of their own, which are not carried over."""


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
        try:
            pages = _read(file, str(path))
        except NotUnderstood as error:
            raise SourceError(str(path), str(error)) from error
        except OSError as error:
            raise SourceError(str(path), error.strerror or str(error)) from error
        yield pages
    finally:
        os.close(file)


def _read(file: int, name: str) -> tuple[Page, ...]:
    size = os.fstat(file).st_size
    tiff = Tiff(lambda start, length: os.pread(file, length, start), size)
    if tiff.order != "<":
        raise NotUnderstood("it is big-endian")
    found: list[list[Part]] = []
    for one in tiff.chain():
        if one.subfile & 1 and found:
            found[-1].append(_part(one, size))
            continue
        below = [tiff.directory(int(place)) for place in one.numbers(330)]
        found.append([_part(each, size) for each in (one, *below)])
    if not found:
        raise NotUnderstood("it has no image")
    return tuple(Page(file=file, name=name, parts=_descending(parts)) for parts in found)


def _part(tags: Directory, size: int) -> Part:
    """Raises NotUnderstood when blocks of it lie beyond the `size` bytes of the file."""
    if tags.subfile & 4:
        raise NotUnderstood("it has masks")
    if not all(number in tags for number in (322, 323, 324, 325)):
        raise NotUnderstood("it is not tiled")
    part = Part(
        height=tags.number(257, 0),
        width=tags.number(256, 0),
        block_height=tags.number(323, 0),
        block_width=tags.number(322, 0),
        planes=tags.number(277, 1) if tags.number(284, 1) == 2 else 1,
        tags=tuple(one for one in tags.fields() if one.number not in PLACES | _ELSEWHERE),
        offsets=tags.numbers(324),
        counts=tags.numbers(325),
    )
    if not (part.height and part.width and part.block_height and part.block_width and part.planes):
        raise NotUnderstood("an image without pixels")
    blocks = part.tiles * part.planes
    if len(part.offsets) != blocks or len(part.counts) != blocks:
        raise NotUnderstood(f"it tells the places of {len(part.offsets):,} blocks and has {blocks:,}")
    stored, end = part.counts > 0, np.uint64(size)
    if (part.offsets[stored] > end).any() or (part.counts[stored] > end - part.offsets[stored]).any():
        raise NotUnderstood("a block lies beyond its end")
    return part


def _descending(parts: list[Part]) -> tuple[Part, ...]:
    return (parts[0], *sorted(parts[1:], key=lambda one: -one.height * one.width))
