"""Which part of a cell the sources of a date cover. Pure.

What collections span follows from it (`Dataset.part`): by whole cells they would grow when they are consolidated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from prismcube.errors import InvalidInput
from prismcube.model.entities import Dataset
from prismcube.model.grid import ALIGNED_PX, Bounds, Grid, turns

GROWN = 0.05
"""Share of a cell's sides by which it is grown in another CRS, where its edges are bent: nothing of it is left out."""

POINTS = 1000
"""Along a side of what is brought into the cell's CRS: what is bent between two of them is far below a pixel."""


class Part(NamedTuple):
    """Pixels of a cell: rows `[top, bottom)`, columns `[left, right)`."""

    top: int
    left: int
    bottom: int
    right: int

    def union(self, other: Part) -> Part:
        """The part around both."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        return Part(top, left, max(self.bottom, other.bottom), max(self.right, other.right))

    def bounds(self, grid: Grid) -> Bounds:
        """In the CRS of the cell."""
        west, north = grid.transform @ (self.left, self.top)
        east, south = grid.transform @ (self.right, self.bottom)
        return Bounds(west, south, east, north)


class Parts:
    """The parts of a cell that datasets cover; kept for each place, since the dates of one place share theirs."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._of: dict[tuple[str, Bounds], list[Part]] = {}

    def of(self, sources: Iterable[Dataset]) -> Part:
        """The whole pixels around all that they cover; all of the cell where that can't be told."""
        found: Part | None = None
        for crs, covered in {(one.grid.crs, one.covered) for one in sources}:
            if (crs, covered) not in self._of:
                self._of[crs, covered] = self._parts(crs, covered)
            for part in self._of[crs, covered]:
                found = part if found is None else found.union(part)
        return found or Part(0, 0, *self._grid.shape)

    def _parts(self, crs: str, covered: Bounds) -> list[Part]:
        grid = self._grid
        try:
            boxes = self._boxes(crs, covered)
        except InvalidInput:  # the cell, or what lies in it, has no place in the other CRS
            boxes = [grid.bounds]
        moved = [box.moved(turn) for box in boxes for turn in turns(grid.crs)]
        return [part for box in moved if (part := self._pixels(box)) is not None]

    def _boxes(self, crs: str, covered: Bounds) -> list[Bounds]:
        """What of a box lies in and around the cell, in the cell's CRS. Only that: far away it may have no place."""
        grid = self._grid
        near = _grown(grid.bounds.to_crs(grid.crs, crs))
        found = [(turn, near.moved(turn).intersection(covered)) for turn in turns(crs)]
        return [box.moved(-turn).to_crs(crs, grid.crs, points=POINTS) for turn, box in found if box is not None]

    def _pixels(self, box: Bounds) -> Part | None:
        """The whole pixels around a box, within the cell."""
        common = box.intersection(self._grid.bounds)
        if common is None:
            return None
        (dx, dy), x0, y0 = self._grid.resolution, self._grid.transform.c, self._grid.transform.f
        part = Part(
            top=math.floor((y0 - common.north) / dy + ALIGNED_PX),
            left=math.floor((common.west - x0) / dx + ALIGNED_PX),
            bottom=math.ceil((y0 - common.south) / dy - ALIGNED_PX),
            right=math.ceil((common.east - x0) / dx - ALIGNED_PX),
        )
        return part if part.top < part.bottom and part.left < part.right else None


def _grown(box: Bounds) -> Bounds:
    x, y = GROWN * (box.east - box.west), GROWN * (box.north - box.south)
    return Bounds(box.west - x, box.south - y, box.east + x, box.north + y)
