"""Files put together from encoded pages by copying bytes; nothing is decoded or compressed again.

    header │ GDAL's note │ directories of dates, then of overviews │ offsets and counts, date by date │ blocks

All sizes are known before the first byte is written. The chain of directories has one for each date, and each date's
overviews hang below it (SubIFDs), so GDAL opens one date by `GTIFF_DIR:<number>:<file>`, overviews included; blocks lie
as the interlacing pattern says. A file of one date is a COG (OGC 21-026): the blocks of its overviews come before those
of full resolution, the coarsest first; and where no dates will be added, its overviews follow in the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput
from prismcube.model.layout import InterlacingPattern
from prismcube.tiff.copy import copy_range, reserve, write_all
from prismcube.tiff.fields import CLASSIC_LIMIT, Tag, directory, directory_bytes, even, header, header_bytes, places
from prismcube.tiff.layout import Offsets
from prismcube.tiff.pages import Page
from prismcube.tiff.publish import publishing, writing_to

_FAR = frozenset({324, 325})
"""Offsets and counts lie behind all directories, so that the directories of many dates are read at once."""


def assemble(
    path: Path,
    pages: Sequence[Page],
    *,
    pattern: InterlacingPattern,
    chained: bool = False,
    big: bool = False,
    sync: bool = True,
) -> None:
    """Write `pages`, one date each, to `path` in this order. The files of the pages are open, and may be `path`.

    With `chained`, of one page only, overviews follow in the chain of directories, as in a COG of GDAL's.
    The file is a BigTIFF when it is larger than 4 GiB, or with `big`. See `publishing` for `sync`.

    Raises InvalidInput for pages that differ in size, blocks, overviews, bands, type or place; SourceError when a page
    is shorter than its directory says; and what `publishing` does.
    """
    check_alike(pages)
    if chained and len(pages) > 1:
        raise InvalidInput("chained", "overviews can follow in the chain in files of one date only")
    plan = plan_file(pages, pattern=pattern, chained=chained, big=big)
    with publishing(path, sync=sync) as file, writing_to(path):
        reserve(file, plan.size)
        write_all(file, plan.head, at=0)
        for copy in plan.copies():
            copy_range(copy.page.file, copy.begin, file, copy.to, copy.length, name=copy.page.name)


def check_alike(pages: Sequence[Page]) -> None:
    """Raises InvalidInput as `assemble` does."""
    if not pages:
        raise InvalidInput("dates", "a file needs at least one")
    first = _shape(pages[0])
    for page in pages[1:]:
        if (shape := _shape(page)) != first:
            what = next(name for name in first if shape[name] != first[name])
            raise InvalidInput("dates", f"{page.name} differs from {pages[0].name} in {what}")


def _shape(page: Page) -> dict[str, object]:
    found: dict[str, object] = {
        "size, blocks or overviews": [
            (one.height, one.width, one.block_height, one.block_width, one.planes) for one in page.parts
        ]
    }
    for what, numbers in _ALIKE.items():
        found[what] = [one.values if (one := page.parts[0].tag(number)) else b"" for number in numbers]
    return found


_ALIKE = {"bands": (277, 284), "type": (258, 339), "CRS": (34735, 34736, 34737), "place": (33550, 33922, 34264)}


@dataclass(frozen=True, kw_only=True)
class Copy:
    """Bytes of a page's file that go as they are to the new file."""

    page: Page
    begin: int
    to: int
    length: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FilePlan:
    """A file, known to the last byte but for what its blocks hold."""

    head: bytes
    """All before the first block."""
    size: int
    pages: Sequence[Page]
    page: npt.NDArray[np.int64]
    """Of each stored block, in the order of the file, which page it comes from."""
    begin: Offsets
    """Where it begins there."""
    length: Offsets

    def copies(self) -> list[Copy]:
        """Blocks that follow each other in both files go in one piece."""
        if not len(self.page):
            return []
        after = self.begin + self.length
        starts = (self.page[1:] != self.page[:-1]) | (self.begin[1:] != after[:-1])
        first = np.concatenate([[0], np.flatnonzero(starts) + 1])
        to = len(self.head) + np.concatenate([[0], np.cumsum(self.length.astype(np.int64))])
        ends = np.append(first[1:], len(self.page))
        return [
            Copy(page=self.pages[self.page[i]], begin=int(self.begin[i]), to=int(to[i]), length=int(to[j] - to[i]))
            for i, j in zip(first, ends, strict=True)
        ]


def plan_file(
    pages: Sequence[Page], *, pattern: InterlacingPattern, chained: bool = False, big: bool = False
) -> FilePlan:
    """Where everything of a file of these pages lies; they are alike (see `check_alike`)."""
    parts = [part for page in pages for part in page.parts]
    zooms = len(pages[0].parts)
    order = _order(pages, pattern)
    counts = np.concatenate([part.counts for part in parts])
    begins = np.concatenate([part.offsets for part in parts])
    order = order[counts[order] > 0]
    length = counts[order]
    stored = int(length.sum())
    for is_big in (big, True):
        note = _note()
        begin = even(header_bytes(big=is_big) + len(note))
        size = _Heads(pages, chained=chained, big=is_big).size(begin)
        if is_big or size + stored <= CLASSIC_LIMIT:
            break
    offsets = np.zeros(len(counts), dtype=np.uint64)
    offsets[order] = size + np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.uint64) if len(order) else 0
    ends = np.cumsum([len(part.counts) for part in parts])[:-1]
    moved = [replace(part, offsets=one) for part, one in zip(parts, np.split(offsets, ends), strict=True)]
    new = [replace(page, parts=tuple(moved[i * zooms : (i + 1) * zooms])) for i, page in enumerate(pages)]
    head = (header(begin, big=is_big) + note).ljust(begin, b"\0") + _Heads(new, chained=chained, big=is_big).encode(
        begin
    )
    owner = np.repeat(np.arange(len(pages)), [sum(len(one.counts) for one in page.parts) for page in pages])
    return FilePlan(head=head, size=size + stored, pages=pages, page=owner[order], begin=begins[order], length=length)


def _note() -> bytes:
    """GDAL's note on how a file is laid out, before the first directory."""
    text = b"LAYOUT=IFDS_BEFORE_DATA\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
    return b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(text) + text


def _order(pages: Sequence[Page], pattern: InterlacingPattern) -> npt.NDArray[np.int64]:
    """Index of each block, as they follow each other: of all pages, their levels, planes and tiles in that nesting."""
    shape = pages[0].parts
    tiles = [part.tiles for part in shape]
    zooms = np.concatenate([[0], np.cumsum([part.tiles * part.planes for part in shape])])
    blocks = pattern.order(records=len(pages), bands=shape[0].planes, tiles=tiles)
    found = np.fromiter(
        (one.record * zooms[-1] + zooms[one.zoom] + one.band * tiles[one.zoom] + one.tile for one in blocks),
        dtype=np.int64,
        count=len(pages) * int(zooms[-1]),
    )
    if len(pages) == 1:  # a COG: the coarsest overview first, within each level as the pattern says
        level = np.searchsorted(zooms, found, side="right")
        found = found[np.argsort(-level, kind="stable")]
    return found


_Place = tuple[int, int]
"""(page, level)."""


class _Heads:
    """The directories of a file and, behind them, the offsets and counts of its blocks."""

    def __init__(self, pages: Sequence[Page], *, chained: bool, big: bool) -> None:
        self._big = big
        self._chained = chained
        # Directories of dates follow each other, then those of overviews, date by date.
        dates = [(page, 0) for page in range(len(pages))]
        below = [(page, level) for page in range(len(pages)) for level in range(1, len(pages[page].parts))]
        self._sequence: list[_Place] = dates + below
        self._chain = len(self._sequence) if chained else len(dates)
        self._tags = {(page, level): self._fields(pages[page], level) for page, level in self._sequence}

    def _fields(self, page: Page, level: int) -> dict[int, Tag]:
        part = page.parts[level]
        found = {one.number: one for one in part.tags}
        found[324] = places(324, part.offsets, big=self._big)
        found[325] = places(325, part.counts, big=bool((part.counts > CLASSIC_LIMIT).any()))
        if level == 0 and not self._chained and len(page.parts) > 1:
            found[330] = places(330, np.zeros(len(page.parts) - 1, dtype=np.uint64), big=self._big)
        return found

    def size(self, begin: int) -> int:
        """Where the first block lies when the first directory lies at `begin`."""
        return self._far(begin)[1]

    def _directories(self, begin: int) -> tuple[dict[_Place, int], int]:
        """(where each lies, end of the last)."""
        found, at = {}, begin
        for place in self._sequence:
            found[place] = at
            at += directory_bytes(list(self._tags[place].values()), big=self._big, far=_FAR)
        return found, at

    def _far(self, begin: int) -> tuple[dict[_Place, dict[int, int]], int]:
        """(where the offsets and counts of each lie when they don't fit into the directory, end of all)."""
        _, at = self._directories(begin)
        found: dict[_Place, dict[int, int]] = {}
        for place in sorted(self._sequence):
            found[place] = {}
            for number in sorted(_FAR):
                size = len(self._tags[place][number].values)
                if size > (8 if self._big else 4):
                    found[place][number] = at
                    at += even(size)
        return found, at

    def encode(self, begin: int) -> bytes:
        directories, _ = self._directories(begin)
        far, _ = self._far(begin)
        found = []
        for index, place in enumerate(self._sequence):
            tags = dict(self._tags[place])
            if 330 in tags:
                below = [directories[place[0], level + 1] for level in range(tags[330].count)]
                tags[330] = places(330, np.array(below, dtype=np.uint64), big=self._big)
            then = directories[self._sequence[index + 1]] if index + 1 < self._chain else 0
            at = directories[place]
            found.append(directory(list(tags.values()), at=at, then=then, big=self._big, far=far[place]))
        for place in sorted(self._sequence):
            values = [self._tags[place][number].values for number in far[place]]
            found += [one.ljust(even(len(one)), b"\0") for one in values]
        return b"".join(found)


def encode_at_end(page: Page, *, begin: int) -> tuple[bytes, bytes]:
    """(header, directories) of a file of one date whose blocks lie before its directories, which lie at `begin`."""
    is_big = begin + _Heads([page], chained=True, big=True).size(0) > CLASSIC_LIMIT
    return header(begin, big=is_big), _Heads([page], chained=True, big=is_big).encode(begin)
