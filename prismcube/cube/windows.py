"""Windows of TIFF files by their stored layouts: the way from bytes to pixels, without GDAL.

Windows.begin ── pieces: one a block, of which a part is needed (pieces.py)
    kept blocks      -> BlockCache
    all others       -> Ranges.begin: remote files are asked at once
Pending.result ── Fetch.batches -> unpack, or decode.scatter_block one by one -> a view of the answer
Windows.begin_alike ── the same window of several images of one file, read as one
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube.blocks import BlockCache, BlockKey
from prismcube.cube.gate import Stop, never
from prismcube.cube.pieces import Piece, copy, pieces_of
from prismcube.errors import SourceError
from prismcube.storage.fetch import Batch
from prismcube.storage.ranges import Ranges, Traffic
from prismcube.storage.spans import Span
from prismcube.storage.uri import without_secret
from prismcube.tiff.decode import PARTIAL, DecodeError, decode_block, scatter_block
from prismcube.tiff.layout import Layout, Level, NotUnderstood, Window, check_level
from prismcube.tiff.unpack import Part, unpack, unpacks

Pixels = npt.NDArray[Any]

ROOM = 2**16
"""Bytes by which a stored block may be larger than twice its pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TiffSource:
    """One image of a file."""

    uri: str
    """Canonical."""
    layout: Layout
    etag: str
    """Of the version that `layout` describes; the file's own, as `store.stat` tells it, without sidecars."""
    image: str = ""
    """Which image of the file, as subdir; empty for its first."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Blocks so far."""

    decoded: int = 0
    kept: int = 0
    """Not decoded again."""
    empty: int = 0
    """Not stored."""


class Windows:
    """Reads windows; of any thread. One a process, made after the fork."""

    def __init__(self, ranges: Ranges, *, cache_bytes: int) -> None:
        self._ranges = ranges
        self._cache = BlockCache(cache_bytes)
        self._lock = threading.Lock()
        self._tally = Tally()

    @property
    def tally(self) -> Tally:
        """Blocks so far."""
        return self._tally

    @property
    def traffic(self) -> Traffic:
        """What has been read so far."""
        return self._ranges.traffic

    @property
    def cache(self) -> BlockCache:
        """The blocks that are kept."""
        return self._cache

    def begin(
        self, source: TiffSource, level: int, bands: Sequence[int], window: Window, *, keep: bool, stop: Stop = never
    ) -> Pending:
        """Ask for a window of a level's bands, counted from 1; returns at once, remote files are under way then.

        `keep`: its blocks may be wanted again soon, as those of maps and series; of large cubes they would drive out
        all others.

        Raises ValueError for a level, band or window that the layout does not have; nothing else.
        """
        return self.begin_alike((source,), level, bands, window, keep=keep, stop=stop)

    def begin_alike(
        self,
        sources: Sequence[TiffSource],
        level: int,
        bands: Sequence[int],
        window: Window,
        *,
        keep: bool,
        stop: Stop = never,
    ) -> Pending:
        """As `begin`, of several images of one version of a file whose levels have the same description.

        The result has the bands of the first image, then those of the second, and so on; it is there or fails as one.
        """
        levels = sources[0].layout.levels
        if not 0 <= level < len(levels):
            raise ValueError(f"there is no level {level}, only {len(levels)}")
        _check(levels[level], bands, window)
        images = [_Image(source, level) for source in sources]
        return Pending(self._ranges, self._cache, self._add, images, tuple(bands), window, keep, stop)

    def together(self) -> AbstractContextManager[None]:
        """What this thread begins within the block is asked for at its end, all windows of a remote file together."""
        return self._ranges.together()

    def _add(self, decoded: int, kept: int, empty: int) -> None:
        with self._lock:
            old = self._tally
            self._tally = Tally(decoded=old.decoded + decoded, kept=old.kept + kept, empty=old.empty + empty)


class _Image:
    """A level of one image of a file: where its blocks lie, and what they are called."""

    def __init__(self, source: TiffSource, number: int) -> None:
        self.source, self.level, self._number = source, source.layout.levels[number], number

    def key(self, piece: Piece) -> BlockKey:
        source = self.source
        place = (piece.plane, piece.block_row, piece.block_col)
        return BlockKey(source.uri, source.etag, source.image, self._number, *place)

    def stored(self, piece: Piece) -> Span | None:
        """Where the bytes are that the piece needs; None when nothing is stored. Raises SourceError."""
        level = self.level
        place = (piece.plane, piece.block_row, piece.block_col)
        length = int(level.counts[place])
        if length == 0:
            return None
        start = int(level.offsets[place])
        if level.codec == "none":
            needed = Span(start + piece.row * level.row_bytes, piece.height * level.row_bytes)
            if needed.end > start + length:
                raise self.broken(piece, f"ends after {length:,} bytes")
            return needed
        if length > 2 * level.rows_of(0) * level.row_bytes + ROOM:  # of strips a layout may tell any height
            raise self.broken(piece, f"has {length:,} bytes, more than it can need")
        return Span(start, length)

    def broken(self, piece: Piece, reason: str) -> SourceError:
        where = f"row {piece.block_row}, column {piece.block_col}"
        where += f", band {piece.plane + 1}" if self.level.planar else ""
        return SourceError(without_secret(self.source.uri), f"its block at {where} {reason}", cause="it is damaged")


class Pending:
    """A window that has been asked for: take its `result` once, or `cancel` it."""

    def __init__(
        self,
        ranges: Ranges,
        cache: BlockCache,
        tell: Callable[[int, int, int], None],
        images: Sequence[_Image],
        bands: tuple[int, ...],
        window: Window,
        keep: bool,
        stop: Stop,
    ) -> None:
        self._level, source = images[0].level, images[0].source
        self._shape = (len(images) * len(bands), window.height, window.width)
        self._bands = len(bands)
        self._samples = (0,) if self._level.planar else tuple(band - 1 for band in bands)
        self._cache, self._tell, self._stop = cache, tell, stop
        # Rows of blocks without a codec are read one by one: what would be kept is not a block.
        self._keeps = keep and self._level.codec != "none" and cache.size > 0
        self._failure: SourceError | None = None
        self._empty: list[tuple[int, _Image, Piece]] = []
        self._kept: list[tuple[int, Piece, Pixels]] = []
        self._wanted: list[tuple[int, _Image, Piece]] = []
        spans: list[Span] = []
        try:
            check_level(self._level)
            pieces = list(pieces_of(self._level, bands, window))
            for number, image in enumerate(images):
                for piece in pieces:
                    stored = image.stored(piece)
                    if stored is None:
                        self._empty.append((number, image, piece))
                    elif (block := cache.get(image.key(piece), piece.row + piece.height)) is not None:
                        self._kept.append((number, piece, block))
                    else:
                        self._wanted.append((number, image, piece))
                        spans.append(stored)
        except NotUnderstood as error:
            self._failure, spans = SourceError(without_secret(source.uri), f"has {error}"), []
        except SourceError as error:
            self._failure, spans = error, []
        # Without spans too: a local file that has changed is noticed even when all its blocks are kept.
        self._fetch = ranges.begin(source.uri, source.etag, spans)

    @property
    def asked(self) -> int:
        """Bytes of a remote file that are under way."""
        return self._fetch.asked

    def result(self, out: Pixels | None = None) -> Pixels:
        """The window, (bands, height, width), in the file's type; into `out`, any strides, if given.

        Waits for the bytes, and decodes them in this thread. Raises SourceError, FileChanged among them, and what
        `stop` raises.
        """
        if out is None:
            out = np.empty(self._shape, self._level.dtype)
        if out.shape != self._shape or out.dtype != np.dtype(self._level.dtype):
            raise ValueError(f"out is {out.dtype}{out.shape}, expected {self._level.dtype}{self._shape}")
        try:
            if self._failure is not None:
                raise self._failure
            for batch in self._fetch.batches(stop=self._stop):
                self._take(batch, out)
            for number, image, piece in self._empty:
                piece.view(self._of(number, out))[...] = image.source.layout.fill()
            for number, piece, block in self._kept:
                copy(piece, block, self._of(number, out))
        finally:
            self._fetch.cancel()
        self._tell(len(self._wanted), len(self._kept), len(self._empty))
        return out

    def cancel(self) -> None:
        """Nobody will take the result."""
        self._fetch.cancel()

    def _of(self, number: int, out: Pixels) -> Pixels:
        """The bands of one image."""
        return out[number * self._bands : (number + 1) * self._bands]

    def _take(self, batch: Batch, out: Pixels) -> None:
        level, members = self._level, batch.members
        if not self._keeps and unpacks(level):
            members = sorted(members, key=self._is_partial)
            parts = [self._part(*member) for member in members if not self._is_partial(member)]
            members = members[unpack(level, batch.data, parts, out, self._samples) :]
        for at, start, size in members:
            number, image, piece = self._wanted[at]
            self._decode(image, piece, batch.data[start : start + size], self._of(number, out))

    def _is_partial(self, member: tuple[int, int, int]) -> bool:
        """Whether so little of the block is wanted that to stop at its last row is faster."""
        piece = self._wanted[member[0]][2]
        level = self._level
        return level.codec == "deflate" and piece.row + piece.height <= PARTIAL * level.rows_of(0)

    def _part(self, at: int, start: int, size: int) -> Part:
        number, _, piece = self._wanted[at]
        first = number * self._bands + piece.first
        return Part(start, size, piece.row, piece.col, first, piece.at_row, piece.at_col, piece.height, piece.width)

    def _decode(self, image: _Image, piece: Piece, data: memoryview, out: Pixels) -> None:
        level = image.level
        try:
            if not self._keeps:
                row = 0 if level.codec == "none" else piece.row
                into = piece.view(out)
                scatter_block(level, data, into, row=row, col=piece.col, bands=piece.bands)
                return
            key, needed, rows = image.key(piece), piece.row + piece.height, level.rows_of(piece.block_row)
            if needed <= PARTIAL * rows and level.codec == "deflate" and not self._cache.holds(key):
                rows = needed  # the rest is decoded when somebody comes back for it
            block = decode_block(level, data, block_row=piece.block_row, rows=rows)
        except DecodeError as error:
            raise image.broken(piece, str(error)) from error
        self._cache.put(key, block)
        copy(piece, block, out)


def _check(level: Level, bands: Sequence[int], window: Window) -> None:
    inside = (
        window.height > 0
        and window.width > 0
        and 0 <= window.row <= level.height - window.height
        and 0 <= window.col <= level.width - window.width
    )
    if not inside:
        raise ValueError(f"{window} is not within {level.height} rows and {level.width} columns")
    if not bands or not all(1 <= band <= level.bands for band in bands):
        raise ValueError(f"there are bands 1 to {level.bands}, not {list(bands)}")
