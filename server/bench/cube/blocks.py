"""Where the blocks of a TIFF lie, as GDAL tells it: what the limits decode, and what the server counts as header."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio


@dataclass(frozen=True)
class Block:
    """One block of a file."""

    start: int
    """First byte in the file."""
    length: int
    """Bytes."""


def blocks_of(path: Path, *, level: int, rows: slice, cols: slice) -> Iterator[Block]:
    """The blocks that hold these pixels: of the file for level 0, else of its overview number `level - 1`."""
    with opened_level(path, level) as source:
        height, width = source.block_shapes[0]
    with rasterio.open(path) as source:
        for row in range(rows.start // height, -(-rows.stop // height)):
            for col in range(cols.start // width, -(-cols.stop // width)):
                yield _block(source, level, row, col)


def opened_level(path: Path | str, level: int) -> Any:
    """The file, or one of its overviews as if it were a file."""
    return rasterio.open(path) if level == 0 else rasterio.open(path, OVERVIEW_LEVEL=level - 1)


def first_pixels(path: Path) -> int:
    """Where pixels begin, in bytes: before them COGs have nothing but the header.

    COGs begin with the first block of the smallest overview, files of many dates with that of some date.
    """
    with rasterio.open(path) as source:
        pages, levels = source.subdatasets or [path], 1 + len(source.overviews(1))
    found = []
    for page in pages:
        with rasterio.open(page) as source:
            found += [_block(source, level, 0, 0) for level in range(levels)]
    return min(one.start for one in found if one.length)


def _block(source: Any, level: int, row: int, col: int) -> Block:
    place, overview = f"{col}_{row}", level - 1 if level else None
    start, length = (
        int(source.get_tag_item(f"BLOCK_{what}_{place}", "TIFF", bidx=1, ovr=overview) or 0)
        for what in ("OFFSET", "SIZE")
    )
    return Block(start, length)
