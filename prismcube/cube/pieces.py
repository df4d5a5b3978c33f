"""A window of a level taken apart: one piece for each block that it touches. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy.typing as npt

from prismcube.tiff.layout import Level, Window

Pixels = npt.NDArray[Any]


class Piece(NamedTuple):
    """The part of one block that is needed, and where it goes."""

    plane: int
    block_row: int
    block_col: int
    row: int
    """First row within the block."""
    col: int
    height: int
    width: int
    at_row: int
    """First row within the window."""
    at_col: int
    first: int
    """First band of the window that it goes to."""
    bands: tuple[int, ...]
    """Samples of the block, counted from 0."""

    def view(self, out: Pixels) -> Pixels:
        """Its part of the window, (bands, height, width)."""
        return out[
            self.first : self.first + len(self.bands),
            self.at_row : self.at_row + self.height,
            self.at_col : self.at_col + self.width,
        ]


def pieces_of(level: Level, bands: Sequence[int], window: Window) -> Iterator[Piece]:
    """The parts of blocks that make up a window, in the order of blocks; each pixel of each band once."""
    if level.planar:
        planes: list[tuple[int, int, tuple[int, ...]]] = [(band - 1, number, (0,)) for number, band in enumerate(bands)]
    else:
        planes = [(0, 0, tuple(band - 1 for band in bands))]
    down = _cuts(window.row, window.height, level.block_height)
    right = _cuts(window.col, window.width, level.block_width)
    for plane, first, samples in planes:
        for block_row, row, height, at_row in down:
            for block_col, col, width, at_col in right:
                yield Piece(plane, block_row, block_col, row, col, height, width, at_row, at_col, first, samples)


def _cuts(start: int, length: int, block: int) -> list[tuple[int, int, int, int]]:
    """Along one axis: block, first pixel in it, how many, first pixel in the window."""
    cuts = []
    at = start
    while at < start + length:
        number, within = divmod(at, block)
        count = min(block - within, start + length - at)
        cuts.append((number, within, count, at - start))
        at += count
    return cuts


def copy(piece: Piece, block: Pixels, out: Pixels) -> None:
    """Put a piece of a decoded block, (rows, block width, samples), into a window."""
    part = block[piece.row : piece.row + piece.height, piece.col : piece.col + piece.width]
    for band, into in zip(piece.bands, piece.view(out), strict=True):
        into[...] = part[..., band]
