"""Cells: the pieces of the ground that a grid cuts an area into, one after the other.

    tiles(grid, area) -> _regions   the area in each CRS, its edges bent as they are there
                      -> _strips    which columns of which row it touches: counted first, then cut again
                      -> Cell       id and pixels

An area costs memory, the tiles don't: they are made one row at a time.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_whole
from prismcube.model.custom_cells import CustomCell, Points, area_on_globe, outline, points_in
from prismcube.model.globe import box_on_globe, polygons
from prismcube.model.grid import CRS84, Bounds, Grid, turns
from prismcube.model.layout import CustomGrid, GridSpec, RegularGrid, SingleCell
from prismcube.model.seam import map_ends, off_seam, shows_poles

TILE_LIMIT = 1_000_000
"""Tiles that an area is cut into at most, where a caller does not say."""

MAX_SIDE = 1_000_000
"""Pixels along a side of a single cell or a whole custom cell."""

BEND_PX = 0.01
"""How far an edge of an area may lie from where it really runs in a CRS, in pixels."""

NEAR_POLE = 90 - 1e-6
"""Degrees: what lies beyond is a pole on maps that show none."""

POLAR = "EPSG:3995 (north) and EPSG:3031 (south)"

TOUCH_PX = 1e-3
"""An area that reaches less than this into a cell, in pixels, does not touch it: it ends on the cell's edge."""

MAX_VERTICES = 500_000
"""Of a ring in a CRS, once its edges are bent."""


@dataclass(frozen=True)
class Cell:
    """A piece of ground, as pixels; its id is the same whatever area was asked for, except for single cells."""

    id: str
    grid: Grid

    @property
    def crs(self) -> str:
        return self.grid.crs

    def footprint(self) -> MultiPolygon:
        """Where it lies, in longitude and latitude; cut at the date line, closed over a pole."""
        return outline(self.grid.bounds, self.grid.crs)


def web_mercator_grid(zoom: int, *, size: int = 256) -> RegularGrid:
    """The tiles of `WebMercatorQuad` at a zoom level: cell `x/y` is tile z/x/y of the web's maps."""
    check_whole("zoom", zoom, least=0, most=30)
    half = math.pi * 6_378_137.0
    return RegularGrid(
        crs="EPSG:3857",
        resolution=2 * half / check_whole("size", size, least=1, most=4096) / 2**zoom,
        cell_width=size,
        cell_height=size,
        origin_x=-half,
        origin_y=half,
        columns=2**zoom,
        rows=2**zoom,
    )


def tiles(
    grid: GridSpec, area: BaseGeometry, *, cells: Sequence[CustomCell] = (), limit: int = TILE_LIMIT
) -> Iterator[Cell]:
    """The cells of a grid that an area in longitude and latitude touches, each once, made as they are asked for.

    `cells` are those of a custom grid; where several share a tile of their sub-grid, the first of them gives the id.
    Order: from north to south, then west to east; custom cells as given, those with a sub-grid by CRS.

    Every place of the area is in a tile, to `TOUCH_PX`. Edges of the area are straight in longitude and latitude.

    Raises InvalidInput, before the first tile, when there are more than `limit` or the area has no place in the CRS.
    """
    area = area_on_globe(area, "aoi")
    if isinstance(grid, SingleCell):
        return iter([_single(grid, area)])
    if isinstance(grid, RegularGrid):
        sources = [(_Lattice.of(grid), [("", _region(_inside(area, grid), grid.crs, grid.resolution))])]
    elif grid.sub_grid is None:
        touched = list(_touched(cells, area))
        _check_count(len(touched), limit)
        return _distinct(_whole(grid, cell) for cell in touched)
    else:
        sources = _sources(grid, area, cells)
    count = 0
    for lattice, regions in sources:
        _check_count(max((lattice.longest(region) for _, region in regions), default=0), limit)
        for _, _, first, last in _strips(lattice, regions):
            count += last - first + 1
            _check_count(count, limit)
    return (
        lattice.cell(prefix, column, row)
        for lattice, regions in sources
        for prefix, row, first, last in _strips(lattice, regions)
        for column in range(first, last + 1)
    )


def is_cell_of(spec: RegularGrid, pixels: Grid) -> bool:
    """Whether these are the pixels of a cell of a grid, as `tiles` makes them."""
    lattice, box = _Lattice.of(spec), pixels.bounds
    x, y = (box.west + box.east) / 2, (box.south + box.north) / 2
    if pixels.crs != spec.crs or not lattice.ends[0] < x < lattice.ends[1]:
        return False
    column, row = (x - spec.origin_x) / lattice.width, (spec.origin_y - y) / lattice.height
    return lattice.cell("", math.floor(column), math.floor(row)).grid == pixels


@dataclass(frozen=True)
class _Region:
    """An area in a CRS."""

    geometry: BaseGeometry
    reach: float
    """By how much cells are grown to be touched by it, in CRS units; negative: they are shrunk."""


@dataclass(frozen=True)
class _Lattice:
    grid: RegularGrid
    width: float
    """Of a cell, in CRS units."""
    height: float
    """See `width`."""
    ends: tuple[float, float] = (-math.inf, math.inf)
    """Where the map begins and ends: beyond lies the same ground as at the other side."""

    @classmethod
    def of(cls, grid: RegularGrid) -> _Lattice:
        width, height = grid.cell_width * grid.resolution, grid.cell_height * grid.resolution
        return cls(grid, width, height, map_ends(grid.crs) or (-math.inf, math.inf))

    def cell(self, prefix: str, column: int, row: int) -> Cell:
        """With the pixels that reach onto the map: of a cell across its end those on one side."""
        west, north = self.grid.origin_x + column * self.width, self.grid.origin_y - row * self.height
        resolution = self.grid.resolution
        begin, end = ((one - west) / resolution for one in self.ends)
        first = max(0, math.floor(begin + TOUCH_PX)) if begin > 0 else 0
        after = math.ceil(end - TOUCH_PX) if end < self.grid.cell_width else self.grid.cell_width
        transform = Affine(resolution, 0, west + first * resolution, 0, -resolution, north)
        return Cell(f"{prefix}{column}/{row}", Grid(self.grid.crs, transform, self.grid.cell_height, after - first))

    def longest(self, region: _Region) -> int:
        """Cells along the longest side of any part: what hangs together touches at least so many."""
        spans = [
            span
            for west, south, east, north in _parts(region.geometry)
            for span in (self.columns_of(west, east, region.reach), self.rows_of(south, north, region.reach))
        ]
        return max((last - first + 1 for first, last in spans), default=0)

    def columns_of(self, west: float, east: float, reach: float) -> tuple[int, int]:
        """First and last column that `[west, east]` touches."""
        x0, touch = self.grid.origin_x, TOUCH_PX * self.grid.resolution
        first, last = _span((west - x0) / self.width, (east - x0) / self.width, reach / self.width, self.grid.columns)
        begin, end = ((one - x0) / self.width for one in (self.ends[0] + touch, self.ends[1] - touch))
        if math.isfinite(begin):  # what an edge is bent by may reach over the map's end
            first, last = max(first, math.floor(begin)), min(last, math.floor(end))
        return first, last

    def rows_of(self, south: float, north: float, reach: float) -> tuple[int, int]:
        """First and last row that `[south, north]` touches."""
        y0 = self.grid.origin_y
        return _span((y0 - north) / self.height, (y0 - south) / self.height, reach / self.height, self.grid.rows)


def _span(low: float, high: float, reach: float, count: int | None) -> tuple[int, int]:
    first, last = math.ceil(low - reach) - 1, math.floor(high + reach)
    if first > last:  # less than the reach of both sides: it is where its middle is
        first = last = math.floor((low + high) / 2)
    return (first, last) if count is None else (max(first, 0), min(last, count - 1))


Strip = tuple[int, int, int, int]
"""Row, position of the source, first and last column."""


def _strips(lattice: _Lattice, regions: Sequence[tuple[str, _Region]]) -> Iterator[tuple[str, int, int, int]]:
    """(prefix, row, first column, last column), by row; a place that several regions touch goes to the first."""
    merged = heapq.merge(*(_rows(lattice, region, position) for position, (_, region) in enumerate(regions)))
    taken: list[tuple[int, int]] = []
    current: int | None = None
    for row, position, first, last in merged:
        if row != current:
            current, taken = row, []
        for begin, end in _without(first, last, taken):
            yield regions[position][0], row, begin, end
        if len(regions) > 1:  # a region has no column twice itself
            taken.append((first, last))


def _without(first: int, last: int, taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of `[first, last]` outside all of those taken."""
    for begin, end in sorted(taken):
        if first <= last and begin <= last and end >= first:
            if first < begin:
                yield first, begin - 1
            first = end + 1
    if first <= last:
        yield first, last


def _rows(lattice: _Lattice, region: _Region, position: int) -> Iterator[Strip]:
    """Which columns of each row the region touches, north to south, west to east; each column once.

    The area is halved until its pieces lie in one row. A piece hangs together, so it touches all columns from its
    westernmost to its easternmost point: no cell is ever tested.
    """
    if region.geometry.is_empty:
        return
    _, south, _, north = region.geometry.bounds
    pending = [(region.geometry, *lattice.rows_of(south, north, region.reach))]
    while pending:
        geometry, first, last = pending.pop()
        if geometry.is_empty or first > last:
            continue
        if first == last:
            yield from ((first, position, begin, end) for begin, end in _columns(lattice, geometry, region.reach))
            continue
        middle = (first + last) // 2
        edge = lattice.grid.origin_y - (middle + 1) * lattice.height
        west, south, east, north = geometry.bounds
        above = shapely.intersection(geometry, box(west - 1, min(edge - region.reach, north), east + 1, north))
        below = shapely.intersection(geometry, box(west - 1, south, east + 1, max(edge + region.reach, south)))
        pending += [(below, middle + 1, last), (above, first, middle)]


def _columns(lattice: _Lattice, geometry: BaseGeometry, reach: float) -> Iterator[tuple[int, int]]:
    """First and last column that the parts of a geometry in one row touch, west to east; each column once."""
    done: int | None = None
    for begin, end in sorted(lattice.columns_of(west, east, reach) for west, _, east, _ in _parts(geometry)):
        fresh = begin if done is None else max(begin, done + 1)
        if fresh <= end:
            yield fresh, end
            done = end


def _parts(geometry: BaseGeometry) -> list[tuple[float, float, float, float]]:
    """The bounds of each part that hangs together."""
    parts = shapely.get_parts(shapely.get_parts(geometry))  # twice: a collection may hold multipolygons
    return [tuple(bounds) for bounds in shapely.bounds(parts[~shapely.is_empty(parts)]).tolist()]


def _region(area: BaseGeometry, crs: str, resolution: float) -> _Region:
    """An area of longitudes and latitudes in a CRS. Raises InvalidInput when it has no place there."""
    if not area.is_empty and max(-area.bounds[1], area.bounds[3]) > NEAR_POLE and not shows_poles(crs):
        raise InvalidInput("aoi", f"reaches a pole, which {crs[:60]} does not show; {POLAR} do")
    around = [_bent_polygon(part, crs, BEND_PX * resolution) for part in shapely.get_parts(off_seam(area, crs))]
    geometry = shapely.union_all([shapely.make_valid(polygon) for polygon, _ in around])
    bend = max((bend for _, bend in around), default=0.0)
    return _Region(geometry, 2 * bend - TOUCH_PX * resolution)


def _bent_polygon(polygon: Any, crs: str, tolerance: float) -> tuple[Polygon, float]:
    """The polygon in a CRS and by how much its edges may be off there."""
    rings = [_bent(shapely.get_coordinates(ring), crs, tolerance) for ring in (polygon.exterior, *polygon.interiors)]
    return Polygon(rings[0][0], [ring for ring, _ in rings[1:]]), max(bend for _, bend in rings)


def _bent(ring: Points, crs: str, tolerance: float) -> tuple[Points, float]:
    """A ring in a CRS, with points put in until edges run within `tolerance`; and the largest distance that is left."""
    while True:
        image = points_in(ring, crs)
        start, step = image[:-1], np.diff(image, axis=0)
        length = np.maximum((step**2).sum(axis=1), np.finfo(float).tiny)
        off = np.zeros(len(start))
        for part in (0.25, 0.5, 0.75):
            away = points_in(ring[:-1] + part * np.diff(ring, axis=0), crs) - start
            along = np.clip((away * step).sum(axis=1) / length, 0, 1)
            off = np.maximum(off, np.hypot(*(away - along[:, None] * step).T))
        if off.max(initial=0) <= tolerance:
            return image, float(off.max(initial=0))
        pieces = np.clip(np.ceil(np.sqrt(off / tolerance)), 1, 64).astype(int)  # the error falls with the square
        if pieces.sum() > MAX_VERTICES:
            raise InvalidInput(
                "aoi", f"has edges too long for the resolution in {crs[:60]}, or that cross where it ends"
            )
        edge = np.repeat(np.arange(len(pieces)), pieces)
        part_of = (np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[edge]
        ring = np.vstack([ring[edge] + part_of[:, None] * np.diff(ring, axis=0)[edge], ring[-1:]])


def _inside(area: BaseGeometry, grid: RegularGrid) -> BaseGeometry:
    """The part of an area near a grid that has an end; so the poles needn't have a place in its CRS."""
    if grid.columns is None or grid.rows is None:
        return area
    lattice = _Lattice.of(grid)
    east, south = grid.origin_x + grid.columns * lattice.width, grid.origin_y - grid.rows * lattice.height
    try:
        near = box_on_globe(*Bounds(grid.origin_x, south, east, grid.origin_y).to_crs(grid.crs, CRS84).as_tuple())
    except InvalidInput:  # it lies around a pole: no such box
        return area
    return polygons(shapely.intersection(area, shapely.buffer(near, 1e-6, join_style="mitre")))


def _sources(
    grid: CustomGrid, area: BaseGeometry, cells: Sequence[CustomCell]
) -> list[tuple[_Lattice, list[tuple[str, _Region]]]]:
    """The touched custom cells by CRS, each with its part of the area."""
    by_crs: dict[str, list[tuple[str, _Region]]] = {}
    for one in _touched(cells, area):
        near: BaseGeometry = one.footprint
        if one.bounds is not None:  # its edges run straight in its CRS, where it is cut out again
            near = shapely.buffer(near, 0.01)
        region = _region(polygons(shapely.intersection(area, near)), one.crs, grid.resolution)
        if one.bounds is not None:
            inside = shapely.intersection(region.geometry, box(*one.bounds.as_tuple()))
            region = _Region(inside, region.reach)
        by_crs.setdefault(one.crs, []).append((f"{one.id}/", region))
    return [(_Lattice.of(_sub_grid(grid, crs)), regions) for crs, regions in by_crs.items()]


def _sub_grid(grid: CustomGrid, crs: str) -> RegularGrid:
    return RegularGrid(crs=crs, resolution=grid.resolution, **vars(grid.sub_grid))


def _touched(cells: Sequence[CustomCell], area: BaseGeometry) -> Iterator[CustomCell]:
    """Those that have some ground in common with an area."""
    shapely.prepare(area)
    footprints = np.array([one.footprint for one in cells], dtype=object)
    for position in np.flatnonzero(shapely.intersects(area, footprints) & ~shapely.touches(area, footprints)).tolist():
        yield cells[position]


def _whole(grid: CustomGrid, one: CustomCell) -> Cell:
    """A custom cell as one tile."""
    if one.bounds is None:
        region = _region(one.footprint, one.crs, grid.resolution)
    else:
        region = _Region(box(*one.bounds.as_tuple()), -TOUCH_PX * grid.resolution)
    return Cell(one.id, _around(region, one.crs, grid.resolution))


def _distinct(found: Iterable[Cell]) -> Iterator[Cell]:
    seen: set[Grid] = set()
    for one in found:
        if one.grid not in seen:
            seen.add(one.grid)
            yield one


def _single(grid: SingleCell, area: BaseGeometry) -> Cell:
    pixels = _around(_side_by_side(_region(area, grid.crs, grid.resolution), grid.crs), grid.crs, grid.resolution)
    column, row = round(pixels.bounds.west / grid.resolution), round(-pixels.bounds.north / grid.resolution)
    return Cell(f"{column}/{row}/{pixels.width}/{pixels.height}", pixels)


def _side_by_side(region: _Region, crs: str) -> _Region:
    """Of longitudes: an area across the date line counts on beyond it, so that one box around it is narrow."""
    turn = max(turns(crs))
    if not turn:
        return region
    parts = sorted(_parts(region.geometry))
    reach = np.maximum.accumulate([east for _, _, east, _ in parts])
    gaps = np.array([west for west, *_ in parts[1:]]) - reach[:-1]
    if not len(gaps) or gaps.max() <= parts[0][0] + turn - reach[-1]:
        return region
    edge = reach[int(gaps.argmax())]
    moved = [box(*part) if part[0] > edge else translate(box(*part), xoff=turn) for part in parts]
    return _Region(shapely.union_all(moved), region.reach)


def _around(region: _Region, crs: str, resolution: float) -> Grid:
    """The pixels around a region, their edges at multiples of the resolution."""
    west, south, east, north = (value / resolution for value in region.geometry.bounds)
    first, last = _span(west, east, region.reach / resolution, None)
    top, bottom = _span(-north, -south, region.reach / resolution, None)
    width, height = last - first + 1, bottom - top + 1
    if max(width, height) > MAX_SIDE:
        raise InvalidInput("aoi", f"makes a cell of {width:,} x {height:,} pixels, at most {MAX_SIDE:,} a side allowed")
    return Grid(crs, Affine(resolution, 0, first * resolution, 0, -resolution, -top * resolution), height, width)


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise InvalidInput("aoi", f"is cut into more than {limit:,} tiles; take a smaller area or larger cells")
