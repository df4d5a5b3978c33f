"""Cubes in parts: a slice too large for memory is made in bands of rows, one after the other.

    rows_of(plan, ...) -> rows a part          the whole height when a slice fits
    parts(plan, rows)  -> [Slice, ...], ...    slice by slice, each from north to south; some computed together

A part is computed as a cube of its own, of one slice (`CubePlan.piece`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from prismcube.cube.engine import execute_jobs
from prismcube.cube.gate import Stop, never
from prismcube.cube.observer import NOBODY, Observer
from prismcube.cube.plan import MOST_AT_ONCE, CubePlan
from prismcube.cube.states import FileStates
from prismcube.model.cube import Slice, SliceStatus, together

PIXELS = 2048 * 2048
"""Of a part, at most: fewer would decode the blocks of large files over and over."""

KEPT_BYTES = 24 * 2**20
"""Of a part, at most: so much a client that is slow to take it keeps from others."""

BLOCK_ROWS = 256
"""Rows of a part are a multiple of this, as far as memory allows: blocks of files are mostly that high, or twice."""


def rows_of(plan: CubePlan, *, working_bytes: int) -> int:
    """How many rows a part may have, at least one, so that its computation needs no more than `working_bytes`."""
    height, width = plan.grid.shape
    by_memory = working_bytes * height // max(plan.slice_bytes, 1)
    rows = max(1, min(by_memory, PIXELS // width, KEPT_BYTES // (width * _kept_a_pixel(plan)), height))
    return rows if rows == height or rows < BLOCK_ROWS else rows - rows % BLOCK_ROWS


def parts(
    plan: CubePlan, rows: int, *, at_once: int, stop: Stop = never, observer: Observer = NOBODY
) -> Iterator[list[Slice]]:
    """Every row of every slice, once, in order: `rows` at a time but for the last of a slice, `at_once` together.

    `observer` hears of each file that is visited for a part, and of a slice when all its parts have been made.
    """
    places = [(index, row) for index in range(len(plan.slices)) for row in range(0, plan.grid.height, rows)]
    ends: list[tuple[SliceStatus, str]] = []
    told, states = _FilesOnly(observer), FileStates()
    for first in range(0, len(places), at_once):
        some = places[first : first + at_once]
        jobs = [(plan.piece(index, row, min(rows, plan.grid.height - row)), 0) for index, row in some]
        made = execute_jobs(jobs, at_once=at_once, keep=plan.is_small, stop=stop, observer=told, states=states)
        batch = []
        for (index, row), one in zip(some, made, strict=True):
            ends.append((one.status, one.message))
            if row + rows >= plan.grid.height:
                observer.slice_made(*together(ends))
                ends = []
            batch.append(replace(one, index=index, row=row))
        yield batch


def parts_at_once(plan: CubePlan, rows: int, *, working_bytes: int) -> int:
    """How many parts may be computed together, at least one, so that they need no more than `working_bytes`.

    Together they are no larger than a single one may be: they are kept until the client has taken them.
    """
    pixels = rows * plan.grid.width
    one = max(plan.slice_bytes * rows // plan.grid.height, 1)
    number = len(plan.slices) * -(-plan.grid.height // rows)
    return max(
        1,
        min(MOST_AT_ONCE, number, working_bytes // one, PIXELS // pixels, KEPT_BYTES // (pixels * _kept_a_pixel(plan))),
    )


def _kept_a_pixel(plan: CubePlan) -> int:
    """Bytes of the answer with its validity."""
    return sum(field.format.itemsize + 1 for field in plan.fields)


@dataclass(frozen=True)
class _FilesOnly:
    """Passes on what is read, but not that a part has been made, which is no slice."""

    observer: Observer

    def files_read(self, count: int, size: int) -> None:
        self.observer.files_read(count, size)

    def fell_back(self, reason: str) -> None:
        self.observer.fell_back(reason)

    def slice_made(self, status: SliceStatus, message: str) -> None:
        pass
