"""A date while it is written: rows go in, blocks of all levels come out, in a file in the order they are ready.

    rows ─> a row of blocks ─┬─ cut, predict, compress ─> the file
                             └─ half as many rows of the next level ─> when a row of blocks is full: the same again

Memory is a few rows of blocks, whatever the size of the image. A finished draft is a TIFF of its own, directories at
its end; `prismcube.tiff.assemble` makes COGs and MUCOGs of drafts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.tiff.assemble import encode_at_end
from prismcube.tiff.copy import write_all, write_many
from prismcube.tiff.encode import encode_blocks
from prismcube.tiff.fields import even
from prismcube.tiff.image import Image
from prismcube.tiff.pages import Page, Part
from prismcube.tiff.publish import publishing, writing_to
from prismcube.tiff.reduce import reduce_into

AHEAD = 8
"""Rows of blocks that are encoded, or wait for it, while the next ones are given."""

_BEGIN = 16
"""Bytes before the first block: room for either header."""


@dataclass(eq=False)
class _Gathered:
    """A row of blocks of an overview until all its rows are there."""

    rows: npt.NDArray[Any]
    missing: int
    """Rows of blocks of the level above that are yet to come."""


class Draft:
    """Takes the pixels of one date, band by band or in turns, each band from top to bottom.

    With `pool` blocks are encoded there, in parallel; don't give rows from a thread of the same pool then, for they
    would wait for themselves. Without, they are encoded before `write` returns.
    """

    def __init__(self, file: int, image: Image, *, path: Path, pool: Executor | None = None) -> None:
        """`file` is the descriptor of an empty file, which stays open; errors call it `path`."""
        self._file = file
        self._path = path
        self.image = image
        self._pool = pool
        self._levels = image.levels
        self._blocks = [image.blocks(level) for level in range(len(self._levels))]
        self._offsets = [np.zeros((image.bands, *one), dtype=np.uint64) for one in self._blocks]
        self._counts = [np.zeros((image.bands, *one), dtype=np.uint64) for one in self._blocks]
        self._given = [0] * image.bands
        self._waiting: list[npt.NDArray[Any] | None] = [None] * image.bands
        self._gathered: dict[tuple[int, int, int], _Gathered] = {}
        self._lock = threading.Lock()
        self._end = _BEGIN
        self._under_way: deque[Future[None]] = deque()

    def write(self, rows: npt.NDArray[Any], *, band: int = 1) -> None:
        """The next rows (any number, width) of a 1-based band, of the image's type; they are free again afterwards.

        Raises ValueError for rows that don't fit, and what `writing_to` does.
        """
        image, index = self.image, band - 1
        if not 0 <= index < image.bands:
            raise ValueError(f"band {band} of {image.bands}")
        if rows.ndim != 2 or rows.shape[1] != image.width or rows.dtype.newbyteorder("=") != image.dtype:
            raise ValueError(f"rows of {image.width} {image.dtype} were expected, got {rows.shape} {rows.dtype}")
        if self._given[index] + len(rows) > image.height:
            raise ValueError(f"band {band} has {image.height} rows, {self._given[index] + len(rows)} were given")
        while len(rows):
            waiting, have = self._waiting[index], self._given[index] % image.block_height
            first = self._given[index] - have
            full = min(image.block_height, image.height - first)
            taken = rows[: full - have]
            rows = rows[len(taken) :]
            self._given[index] += len(taken)
            if len(taken) == full and self._pool is None:
                self._process(index, 0, first // image.block_height, _native(taken))
                continue
            if waiting is None:
                waiting = self._waiting[index] = np.empty((full, image.width), dtype=image.dtype)
            waiting[have : have + len(taken)] = taken
            if have + len(taken) == full:
                self._waiting[index] = None
                self._submit(index, first // image.block_height, waiting)

    def describe(self, *, descriptions: Sequence[str], band_metadata: Sequence[Mapping[str, str]]) -> None:
        """What may be known of bands only when their pixels are, in place of what the image had; before the end.

        Raises InvalidInput when it is not one of each a band.
        """
        self.image = replace(self.image, descriptions=tuple(descriptions), band_metadata=tuple(band_metadata))

    def finish(self) -> Page:
        """All rows have been given: wait until their blocks are in the file.

        Raises ValueError when rows are missing, and what `writing_to` does.
        """
        for band, given in enumerate(self._given, start=1):
            if given != self.image.height:
                raise ValueError(f"band {band} has {self.image.height} rows, {given} were given")
        while self._under_way:
            self._under_way.popleft().result()
        return Page(file=self._file, name=str(self._path), parts=tuple(map(self._part, range(len(self._levels)))))

    def stop(self) -> None:
        """Nothing writes to the file any more when this returns."""
        while self._under_way:
            future = self._under_way.pop()
            if not future.cancel():
                future.exception()

    @property
    def end(self) -> int:
        """Bytes of the file so far."""
        return self._end

    def _part(self, level: int) -> Part:
        size, image = self._levels[level], self.image
        return Part(
            height=size.height,
            width=size.width,
            block_height=image.block_height,
            block_width=image.block_width,
            planes=image.bands,
            tags=tuple(image.tags(level)),
            offsets=self._offsets[level].reshape(-1),
            counts=self._counts[level].reshape(-1),
        )

    def _submit(self, band: int, block_row: int, rows: npt.NDArray[Any]) -> None:
        if self._pool is None:
            self._process(band, 0, block_row, rows)
            return
        while len(self._under_way) >= AHEAD:
            self._under_way.popleft().result()
        self._under_way.append(self._pool.submit(self._process, band, 0, block_row, rows))

    def _process(self, band: int, level: int, block_row: int, rows: npt.NDArray[Any]) -> None:
        """Encode a row of blocks, and those of overviews that it completes."""
        while True:
            above = self._reduce(band, level, block_row, rows) if level + 1 < len(self._levels) else None
            self._store(band, level, block_row, encode_blocks(rows, self.image))
            if above is None:
                return
            level, block_row, rows = level + 1, block_row // 2, above

    def _reduce(self, band: int, level: int, block_row: int, rows: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """The row of blocks of the next level when `rows` were the last it waited for."""
        key, size, side = (band, level + 1, block_row // 2), self._levels[level + 1], self.image.block_height
        with self._lock:
            if (gathered := self._gathered.get(key)) is None:
                height = min(side, size.height - key[2] * side)
                missing = min(2, self._blocks[level][0] - 2 * key[2])
                gathered = _Gathered(np.empty((height, size.width), dtype=rows.dtype), missing)
                self._gathered[key] = gathered
        first = block_row % 2 * (side // 2)
        out = gathered.rows[first : first + -(-len(rows) // 2)]
        reduce_into(out, rows, format=self.image.format, reduction=self.image.reduction_of(band))
        with self._lock:
            gathered.missing -= 1
            if gathered.missing:
                return None
            del self._gathered[key]
        return gathered.rows

    def _store(self, band: int, level: int, block_row: int, blocks: list[bytes]) -> None:
        counts = np.array([len(one) for one in blocks], dtype=np.uint64)
        with self._lock:
            at = self._end
            self._end += int(counts.sum())
        self._counts[level][band, block_row] = counts
        offsets = at + np.cumsum(counts) - counts
        self._offsets[level][band, block_row] = np.where(counts > 0, offsets, 0)
        with writing_to(self._path):
            write_many(self._file, blocks, at=at)


def _native(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("="))


@contextmanager
def writing_draft(path: Path, image: Image, *, pool: Executor | None = None) -> Iterator[Draft]:
    """A draft in a file of its own, which appears at `path` when the block ends well. It may not survive a power cut.

    Raises ValueError when rows are missing at the end, StorageFull and SourceError as `publishing` does.
    """
    with publishing(path, sync=False) as file, drafting(file, image, path=path, pool=pool) as draft:
        yield draft
        page = draft.finish()
        begin = even(draft.end)
        start, directories = encode_at_end(page, begin=begin)
        with writing_to(path):
            write_all(file, directories, at=begin)
            write_all(file, start, at=0)


@contextmanager
def drafting(file: int, image: Image, *, path: Path, pool: Executor | None = None) -> Iterator[Draft]:
    """A draft that stops when the block does."""
    draft = Draft(file, image, path=path, pool=pool)
    try:
        yield draft
    finally:
        draft.stop()
