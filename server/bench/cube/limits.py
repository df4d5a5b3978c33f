"""The sum of parts: what a case would take if nothing but decoding, warping and copying cost time.

    limit = (decoded MB / decode MB/s + warped MPix / warp MPix/s) / cores + output MB / copy MB/s

Decoding is to inflate and to undo the predictor.

Speeds are those of one thread, measured on blocks of the case itself, just before and just after each run of ours: a
machine that others share, or that slows down when it is warm, changes by half from one minute to the next. So each run
has a limit of its own, and its share of that; medians are told.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from prismcube.cube.kernels import compiled
from prismcube.model.grid import Grid
from server.bench.cube.blocks import Block, blocks_of
from server.bench.cube.cases import Case, Part
from server.bench.cube.placing import placed
from server.bench.cube.scenes import SceneFile, Size, scene_grid

SAMPLE = 100
"""Blocks that are decoded to measure."""
WARPED = 1024
"""Pixels a side that are warped to measure."""
COPIED = 64 * 2**20
"""Bytes copied to measure: more than any cache holds."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What a case needs at least, and what that costs on this machine."""

    blocks: int
    stored_bytes: int
    """Of the blocks, compressed."""
    decoded_bytes: int
    warped_pixels: int
    """Pixels of the output that are resampled, once for each plane."""
    output_bytes: int
    cores: int
    decode_rate: float
    """Bytes a second of one thread, by imagecodecs' deflate."""
    predictor_rate: float
    """Bytes a second of one thread at which imagecodecs undoes predictor 2: a block is not decoded before."""
    warp_rate: float
    """Pixels a second of one thread of our bilinear kernel."""
    copy_rate: float
    """Bytes a second of one thread."""

    @property
    def seconds(self) -> float:
        """The sum."""
        warp = self.warped_pixels / self.warp_rate
        work = self.decoded_bytes * (1 / self.decode_rate + 1 / self.predictor_rate) + warp
        return work / self.cores + self.output_bytes / self.copy_rate

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": self.seconds}


class LimitMeter:
    """Counts what a case needs, and measures this machine."""

    def __init__(self, case: Case, size: Size, folder: Path) -> None:
        needed = [
            (folder / one.name, block)
            for part in case.parts
            for one in part.files
            for block in _blocks(part, one, size, folder)
        ]
        sample = needed[:: max(1, len(needed) // SAMPLE)][:SAMPLE]
        self._needed, self._size, self._case = needed, size, case
        self._encoded = [_read(path, block) for path, block in sample]
        self._raw = [
            np.frombuffer(imagecodecs.deflate_decode(one), "<u2").reshape(size.block, size.block)
            for one in self._encoded
        ]
        self._warp = _warp()
        self._speeds: list[tuple[float, float, float, float]] = []

    def measure(self) -> None:
        """Measure all speeds once."""
        encoded, raw, size = self._encoded, self._raw, self._size
        total = len(raw) * size.block * size.block * 2
        room = bytearray(size.block * size.block * 2)
        source, copy = np.ones(COPIED, np.uint8), np.ones(COPIED, np.uint8)
        self._speeds.append(
            (
                total / _seconds(lambda: [imagecodecs.deflate_decode(one, out=room) for one in encoded]),
                total / _seconds(lambda: [imagecodecs.delta_decode(one, axis=-1) for one in raw]),
                WARPED**2 / _seconds(self._warp),
                COPIED / _seconds(lambda: np.copyto(copy, source)),
            )
        )

    def limit(self) -> Limit:
        """By the medians of what was measured."""
        if not self._speeds:
            self.measure()
        return self._limit([statistics.median(one) for one in zip(*self._speeds, strict=True)])

    def seconds(self) -> tuple[float, ...]:
        """Of the limit of each run, which `measure` was called before and after: the mean of both."""
        found = [self._limit(one).seconds for one in self._speeds]
        return tuple((before + after) / 2 for before, after in zip(found[::2], found[1::2], strict=True))

    def _limit(self, speeds: Sequence[float]) -> Limit:
        decode, predictor, warp, copied = speeds
        return Limit(
            blocks=len(self._needed),
            stored_bytes=sum(block.length for _, block in self._needed),
            decoded_bytes=len(self._needed) * self._size.block**2 * 2,
            warped_pixels=sum(_warped(part, self._size) for part in self._case.parts),
            output_bytes=self._case.output_bytes,
            cores=os.cpu_count() or 1,
            decode_rate=decode,
            predictor_rate=predictor,
            warp_rate=warp,
            copy_rate=copied,
        )


def _warp() -> Callable[[], None]:
    """Warps by our own bilinear kernel, on a window turned by two degrees without gaps."""
    kernel = compiled("bilinear", "uint16")
    source = np.random.default_rng(0).integers(1, 10_000, (WARPED + 100, WARPED + 100), np.uint16)
    out, valid = np.zeros((WARPED, WARPED), np.uint16), np.zeros((WARPED, WARPED), bool)
    at = np.array([0.0, WARPED])
    x, y = 50 + at[None, :] - 0.035 * at[:, None], 10 + at[:, None] + 0.035 * at[None, :]
    step = (0.5 / WARPED, 1 / WARPED)
    zero = np.uint16(0)

    def warp() -> None:
        valid[...] = False
        kernel(source, zero, True, x, y, step, step, out, valid, True, 0.0, np.uint16(1))

    warp()
    return warp


def _blocks(part: Part, one: SceneFile, size: Size, folder: Path) -> Sequence[Block]:
    grid = scene_grid(size, one.crs)
    offset = grid.pixel_offset(part.grid)
    if offset is not None:
        row, col = offset
        level, rows, cols = 0, slice(row, row + part.grid.height), slice(col, col + part.grid.width)
    else:
        where = placed(grid, part.grid, margin=1)
        if where.is_empty:
            return ()
        level, rows, cols = where.level, where.rows, where.cols
    return tuple(blocks_of(folder / one.name, level=level, rows=rows, cols=cols))


def _warped(part: Part, size: Size) -> int:
    """Pixels that some file has and that lie on no lattice of it."""
    total = 0.0
    for files in part.planes().values():
        grid: Grid = scene_grid(size, files[0].crs)
        if grid.pixel_offset(part.grid) is None:
            total += placed(grid, part.grid).share * part.grid.pixels
    return round(total)


def _read(path: Path, block: Block) -> bytes:
    with path.open("rb") as file:
        file.seek(block.start)
        return file.read(block.length)


def _seconds(work: Callable[[], object]) -> float:
    """Of this thread's CPU: what neighbours on a busy machine take does not count."""
    start = time.thread_time()
    work()
    return time.thread_time() - start
