"""Where a date has valid pixels: a small map of blocks, and the polygon on the ground that it stands for. Pure.

The map has at most 64 x 64 blocks a cell, so a footprint is right to a 64th of the cell's side.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiPolygon, Polygon, box

from prismcube.errors import InvalidInput
from prismcube.model.cells import Cell
from prismcube.model.custom_cells import area_on_globe
from prismcube.model.globe import polygons
from prismcube.model.grid import CRS84, Grid, transformer

BLOCKS = 64
"""Along a side, at most."""

POINTS = 32
"""Along the side of a cell, of edges in longitude and latitude."""

Mask = npt.NDArray[np.bool_]


@dataclass(eq=False)
class ValidMap:
    """Which blocks of a cell have a valid pixel."""

    side: int
    """Pixels of a block."""
    blocks: Mask
    """(block rows, block columns)."""

    @classmethod
    def empty(cls, grid: Grid) -> ValidMap:
        side = max(1, -(-max(grid.shape) // BLOCKS))
        return cls(side, np.zeros((-(-grid.height // side), -(-grid.width // side)), dtype=bool))

    def add(self, valid: Mask, *, row: int) -> None:
        """Rows of the cell, from `row` on, of any number."""
        columns = np.add.reduceat(valid, np.arange(0, valid.shape[1], self.side), axis=1, dtype=np.int32) > 0
        of = (row + np.arange(len(valid))) // self.side
        firsts = np.flatnonzero(np.diff(of, prepend=-1))
        self.blocks[of[firsts]] |= np.logical_or.reduceat(columns, firsts, axis=0)

    @property
    def is_empty(self) -> bool:
        return not self.blocks.any()

    def to_text(self) -> str:
        """Of some ten to some hundred characters; empty when all blocks have valid pixels."""
        if self.blocks.all():
            return ""
        return base64.b64encode(zlib.compress(np.packbits(self.blocks).tobytes(), 9)).decode()

    @classmethod
    def from_text(cls, grid: Grid, text: str) -> ValidMap:
        found = cls.empty(grid)
        if not text:
            found.blocks[...] = True
            return found
        bits = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
        found.blocks = np.unpackbits(bits, count=found.blocks.size).astype(bool).reshape(found.blocks.shape)
        return found

    def footprint(self, cell: Cell) -> MultiPolygon:
        """In longitude and latitude; of a cell at a pole or without an empty block, the cell itself."""
        if self.blocks.all():
            return cell.footprint()
        area = shapely.union_all([self._box(cell.grid, *run) for run in _runs(self.blocks)])
        step = max(cell.grid.shape) * max(cell.grid.resolution) / POINTS
        parts = [_on_globe(part, cell.crs, step) for part in shapely.get_parts(area)]
        if any(part is None for part in parts):
            return cell.footprint()
        return polygons(shapely.union_all([part for part in parts if part is not None]))

    def _box(self, grid: Grid, row: int, first: int, last: int) -> Polygon:
        """Blocks `first` to `last` of a row, within the cell."""
        left, right = first * self.side, min((last + 1) * self.side, grid.width)
        top, bottom = row * self.side, min((row + 1) * self.side, grid.height)
        (west, north), (east, south) = grid.transform @ (left, top), grid.transform @ (right, bottom)
        return box(west, south, east, north)


@lru_cache(maxsize=4096)
def footprint_of(cell: Cell, text: str) -> MultiPolygon:
    """The footprint of a map that was written as text; the dates of a cell mostly share few."""
    return ValidMap.from_text(cell.grid, text).footprint(cell)


def _runs(blocks: Mask) -> list[tuple[int, int, int]]:
    """(row, first, last) of blocks side by side."""
    found = []
    for row, line in enumerate(blocks):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        found += [(row, int(first), int(after) - 1) for first, after in edges.reshape(-1, 2)]
    return found


def _on_globe(part: Any, crs: str, step: float) -> MultiPolygon | None:
    """A polygon of a CRS in longitude and latitude; None when its edge goes round the Earth."""
    dense = shapely.segmentize(shapely.simplify(part, 0), step)
    rings: list[npt.NDArray[np.float64]] = []
    for ring in (dense.exterior, *dense.interiors):
        lon, lat = transformer(crs, CRS84).transform(*shapely.get_coordinates(ring).T)
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return None
        lon = np.unwrap(lon, period=360)
        if abs(lon[-1] - lon[0]) > 180:
            return None
        if rings:  # a hole lies on the side of its ring
            lon = lon + 360 * np.round((rings[0][:, 0].mean() - lon.mean()) / 360)
        rings.append(np.column_stack([lon, lat]))
    try:
        return area_on_globe(shapely.simplify(Polygon(rings[0], rings[1:]), 1e-9), "footprint")
    except InvalidInput:
        return None
