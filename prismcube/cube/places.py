"""Where files lie in the grid of an answer: seen from grids alone. Pure."""

from __future__ import annotations

from typing import NamedTuple

from prismcube.cube.levels import Scale, scale_of
from prismcube.model.grid import Bounds, Grid, parse_crs, turns


class Place(NamedTuple):
    """Where a file's grid lies in the output."""

    turn: float
    """See `ReadStep.turn`."""
    offset: tuple[int, int] | None
    """Of the output in the file, (row, col), when both are aligned."""
    pixels: int
    """Of the file, within the output's box."""
    scale: Scale
    """See `ReadStep.scale`."""


class Places:
    """The places of many files in one grid; kept for each grid, since the dates of one place share theirs."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._bounds: dict[str, Bounds] = {}
        self._of: dict[Grid, tuple[Place, ...]] = {}
        self._at: dict[tuple[Grid, float], Place] = {}

    def of(self, source: Grid) -> tuple[Place, ...]:
        """Where a file's grid lies in the output; nowhere when they don't touch."""
        if source not in self._of:
            places = (self.at(source, turn) for turn in self._turns(source.crs))
            self._of[source] = tuple(place for place in places if place.pixels)
        return self._of[source]

    def at(self, source: Grid, turn: float) -> Place:
        """Its place when the output is moved east by `turn`; of no pixels when they don't touch there.

        Raises InvalidInput for an output that has no place in the file's CRS.
        """
        found = self._at.get((source, turn))
        if found is None:
            found = self._at[source, turn] = self._place(source, turn)
        return found

    def _turns(self, crs: str) -> tuple[float, ...]:
        """By how much the output may be moved and mean the same place of a file; GDAL turns what it projects itself."""
        own = self._grid.crs
        return turns(own) if parse_crs(own).is_geographic and parse_crs(crs).is_geographic else (0.0,)

    def _place(self, source: Grid, turn: float) -> Place:
        target = self._grid.moved(turn) if turn else self._grid
        common = self._common(source, turn)
        if not common:
            return Place(turn, None, 0, (1.0, 1.0))
        offset = source.pixel_offset(target)
        scale = (1.0, 1.0) if offset is not None else scale_of(source, target, common[0])
        return Place(turn, offset, sum(source.window(one).pixels for one in common), scale)

    def _common(self, source: Grid, turn: float) -> list[Bounds]:
        """What of a file lies in the output's box, in the file's CRS; nothing when they don't touch."""
        grid = self._grid
        if source.crs not in self._bounds:
            self._bounds[source.crs] = grid.bounds.to_crs(grid.crs, source.crs)
        asked = self._bounds[source.crs]
        if parse_crs(grid.crs).is_geographic or not parse_crs(source.crs).is_geographic:
            boxes = [asked.moved(turn)]
        else:  # a projected output has no turn of its own, but the file may count as it likes
            boxes = [asked.moved(one) for one in turns(source.crs)]
        return [common for box in boxes if (common := box.intersection(source.bounds))]
