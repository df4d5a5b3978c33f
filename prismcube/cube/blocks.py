"""Decoded blocks that are kept for whoever asks next: a map's tiles need the same ones again and again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy.typing as npt

Pixels = npt.NDArray[Any]


class BlockKey(NamedTuple):
    """One block of one version of a file."""

    uri: str
    etag: str
    image: str
    """Which image of the file."""
    level: int
    plane: int
    row: int
    col: int


class BlockCache:
    """First rows of blocks, (rows, block width, samples), those used last; at most `size` bytes. Of any thread."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._held = 0
        self._blocks: OrderedDict[BlockKey, Pixels] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are kept now."""
        return self._held

    def get(self, key: BlockKey, rows: int) -> Pixels | None:
        """A block with at least so many of its rows; not to be written to."""
        if key not in self._blocks:
            return None
        with self._lock:
            block = self._blocks.get(key)
            if block is None or len(block) < rows:
                return None
            self._blocks.move_to_end(key)
            return block

    def holds(self, key: BlockKey) -> bool:
        """True when some of its rows are kept."""
        return key in self._blocks

    def put(self, key: BlockKey, block: Pixels) -> None:
        """Keep a block, unless more of it is kept already or it alone would be too much."""
        if block.nbytes > self.size:
            return
        block.flags.writeable = False
        with self._lock:
            before = self._blocks.get(key)
            if before is not None and len(before) >= len(block):
                return
            self._held += block.nbytes - (before.nbytes if before is not None else 0)
            self._blocks[key] = block
            self._blocks.move_to_end(key)
            while self._held > self.size:
                self._held -= self._blocks.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._blocks.clear()
            self._held = 0
