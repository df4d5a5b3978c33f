"""Layouts: how consolidated files lie on the ground, and how the blocks inside each file follow each other.

    Layout = a grid of cells (one file a cell and slab of records)  RegularGrid | SingleCell | CustomGrid
           + the inside of a file                                   blocks, overviews, InterlacingPattern

What the cells of a grid are for a given area is computed in `prismcube.model.cells`. Semantics of Geocube's layouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_number, check_slug, check_whole, members
from prismcube.model.grid import Grid, crs_name, parse_crs

MAX_CELL = 65_536
"""Pixels along a side of a cell."""

MAX_LATTICE = 2**40
"""Cells along a side of a grid with an end."""

DEFAULT_OVERVIEW = 256
"""Pixels along the longer side of the smallest overview, where a layout does not say."""

MAX_PATTERN = 500
"""Characters of an interlacing pattern."""

MAX_INDEX = 2**31
"""Of a record, band or zoom in a pattern."""


SMALLEST, LARGEST = 1e-9, 1e9
"""Units of a CRS, metres or degrees, of a pixel; a cell further out or larger lies on no Earth."""


@dataclass(frozen=True, kw_only=True)
class RegularGrid:
    """A lattice of equal cells in one CRS; cell (x, y) lies x cells east and y cells south of the origin."""

    crs: str
    """See `prismcube.model.grid.crs_name`; kept in that form."""
    resolution: float
    """Side of a pixel, in CRS units."""
    cell_width: int
    """Pixels."""
    cell_height: int
    """Pixels."""
    origin_x: float = 0.0
    """Of the upper left corner of cell (0, 0), in CRS units."""
    origin_y: float = 0.0
    """See `origin_x`."""
    columns: int | None = None
    """The lattice ends after so many cells east of the origin, and begins there; None: it has no end either way."""
    rows: int | None = None
    """As `columns`, southwards."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "crs", check_crs(self.crs))
        _check_positive("resolution", self.resolution)
        _check_cell(self)
        for name in ("columns", "rows"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), least=1, most=MAX_LATTICE)


@dataclass(frozen=True)
class SingleCell:
    """One cell around the whole area; its edges are at multiples of the resolution."""

    crs: str
    """See `prismcube.model.grid.crs_name`; kept in that form."""
    resolution: float
    """Side of a pixel, in CRS units."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "crs", check_crs(self.crs))
        _check_positive("resolution", self.resolution)


@dataclass(frozen=True, kw_only=True)
class SubGrid:
    """A lattice of equal cells inside the cells of a custom grid, in each cell's own CRS."""

    cell_width: int
    """Pixels."""
    cell_height: int
    """Pixels."""
    origin_x: float = 0.0
    """Of the upper left corner of cell (0, 0), in units of each CRS."""
    origin_y: float = 0.0
    """See `origin_x`."""

    def __post_init__(self) -> None:
        _check_cell(self)


@dataclass(frozen=True)
class CustomGrid:
    """The cells of a grid that the catalogue keeps by name, each with its own CRS, such as MGRS."""

    name: str
    resolution: float
    """Side of a pixel, in units of each cell's CRS."""
    sub_grid: SubGrid | None = None
    """None: each cell is one tile, its edges at multiples of the resolution."""

    def __post_init__(self) -> None:
        check_slug("grid.name", self.name)
        _check_positive("resolution", self.resolution)


GridSpec = RegularGrid | SingleCell | CustomGrid

_KINDS: dict[str, type[GridSpec]] = {"regular": RegularGrid, "single-cell": SingleCell, "custom": CustomGrid}


def grid_to_json(grid: GridSpec) -> dict[str, Any]:
    """A member that is None is left out."""
    kind = next(name for name, one in _KINDS.items() if isinstance(grid, one))
    return {"kind": kind} | {name: value for name, value in asdict(grid).items() if value is not None}


def grid_from_json(document: object) -> GridSpec:
    """The inverse of `grid_to_json`. Raises InvalidInput."""
    kind = document.get("kind") if isinstance(document, dict) else None
    size, origin = {"cell_width", "cell_height"}, {"origin_x", "origin_y"}
    if kind == "regular":
        required, optional = {"kind", "crs", "resolution"} | size, origin | {"columns", "rows"}
    elif kind == "single-cell":
        required, optional = {"kind", "crs", "resolution"}, set()
    elif kind == "custom":
        required, optional = {"kind", "name", "resolution"}, {"sub_grid"}
    else:
        raise InvalidInput("grid.kind", f"must be one of {', '.join(_KINDS)}, got {str(kind)[:60]!r}")
    given = members(document, "grid", required=required, optional=optional)
    if given.get("sub_grid") is not None:
        given["sub_grid"] = SubGrid(**members(given["sub_grid"], "sub_grid", required=size, optional=origin))
    return _KINDS[given.pop("kind")](**given)


class Axis(StrEnum):
    """What the blocks of a file are counted along."""

    RECORD = "R"
    BAND = "B"
    ZOOM = "Z"  # 0 is full resolution, each next one half of it
    TILE = "T"  # the blocks of one zoom, row by row


_NAMES = {Axis.RECORD: "record", Axis.BAND: "band", Axis.ZOOM: "zoom", Axis.TILE: "tile"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A block of a file. All 0-based."""

    record: int
    band: int
    zoom: int
    tile: int
    """Row by row within the zoom."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """An axis and which of its indices are run through: those listed, else `[start, stop)`."""

    axis: Axis
    values: tuple[int, ...] = ()
    """In the order of writing; empty: the range counts."""
    start: int = 0
    stop: int | None = None
    """None: to the last."""

    def __post_init__(self) -> None:
        what = _NAMES[self.axis]
        limited = bool(self.values) or self.start != 0 or self.stop is not None
        if self.axis is Axis.TILE and limited:
            raise _invalid("tiles can't be chosen: their number differs between zooms; write T alone")
        for value in (*self.values, self.start, *(() if self.stop is None else (self.stop,))):
            if not 0 <= value < MAX_INDEX:
                raise _invalid(f"{what} {value} must be 0 to {MAX_INDEX - 1:,}")
        if len(set(self.values)) != len(self.values):
            raise _invalid(f"{self} lists a {what} twice")
        if self.stop is not None and self.start >= self.stop:
            raise _invalid(f"{self.axis}={self.start}:{self.stop} is empty; the end is not included")

    def __str__(self) -> str:
        if self.values:
            return f"{self.axis}={','.join(map(str, self.values))}"
        if self.stop is not None:
            return f"{self.axis}={self.start}:{self.stop}"
        return f"{self.axis}={self.start}:" if self.start else self.axis.value

    def indices(self, count: int) -> Sequence[int]:
        """Those that exist when the axis has `count`, in the order of writing."""
        if self.values:
            return [value for value in self.values if value < count]
        return range(self.start, count if self.stop is None else min(self.stop, count))

    @classmethod
    def parse(cls, text: str) -> Loop:
        key, has_choice, choice = text.partition("=")
        if key not in list(Axis):
            raise _invalid(f"{key!r} is no axis; write R (records), B (bands), Z (zooms) or T (tiles)")
        axis = Axis(key)
        if not has_choice:
            return cls(axis=axis)
        first, is_range, last = choice.partition(":")
        if not is_range:
            return cls(axis=axis, values=tuple(_index(axis, value) for value in choice.split(",")))
        start = _index(axis, first) if first else 0
        stop = _index(axis, last) if last else None
        return cls(axis=axis, values=(start,)) if stop == start + 1 else cls(axis=axis, start=start, stop=stop)


@dataclass(frozen=True)
class InterlacingPattern:
    """The order of the blocks of a file: chained parts, each four nested loops, the outermost first.

    Invariant: every (record, band, zoom, tile) is in exactly one part, however many there are of each.
    """

    parts: tuple[tuple[Loop, ...], ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            text, axes = ">".join(map(str, part)), [loop.axis for loop in part]
            for axis in Axis:
                if axes.count(axis) != 1:
                    fault = "lacks" if axis not in axes else "has twice the axis"
                    raise _invalid(f"{text!r} {fault} {axis.value} ({_NAMES[axis]}); each part has R, B, Z and T once")
            if axes.index(Axis.TILE) < axes.index(Axis.ZOOM):
                raise _invalid(f"{text!r} has T before Z; a tile belongs to a zoom, which must come first")
        self._check_cover()

    def _check_cover(self) -> None:
        """Each part is a box in records x bands x zooms: count them where one begins or ends, and beyond the last."""
        axes = (Axis.RECORD, Axis.BAND, Axis.ZOOM)
        corners = [sorted({0}.union(*(_corners(part, axis) for part in self.parts))) for axis in axes]
        covers = np.zeros([len(one) for one in corners], dtype=np.int64)
        for part in self.parts:
            loops = {loop.axis: loop for loop in part}
            chosen = [loops[axis].indices(corner[-1] + 1) for axis, corner in zip(axes, corners, strict=True)]
            covers[np.ix_(*([i in one for i in corner] for one, corner in zip(chosen, corners, strict=True)))] += 1
        if (covers == 1).all():
            return
        where = np.argwhere(covers != 1)[0]
        place = ", ".join(f"{_NAMES[axis]} {corners[i][where[i]]}" for i, axis in enumerate(axes))
        if covers[tuple(where)]:
            raise _invalid(f"{place} is in {covers[tuple(where)]} parts; each block is written once")
        raise _invalid(f"{place} is in no part; leave the end of the last range open, as in B=3:")

    @classmethod
    def parse(cls, text: object) -> InterlacingPattern:
        """A pattern such as `Z=0>T>R>B;Z=1:>R>T>B`, or the name of one of `PRESETS`. Raises InvalidInput."""
        if not isinstance(text, str) or len(text) > MAX_PATTERN:
            raise _invalid(f"must be text of at most {MAX_PATTERN} characters")
        plain = PRESETS.get(text, text).replace(" ", "")
        return cls(tuple(tuple(map(Loop.parse, part.split(">"))) for part in plain.split(";")))

    def __str__(self) -> str:
        """The shortest text that is parsed to the same."""
        return ";".join(">".join(map(str, part)) for part in self.parts)

    def order(self, *, records: int, bands: int, tiles: Sequence[int]) -> Iterator[Block]:
        """Every block of a file once, as they follow each other; `tiles` has the number of tiles of each zoom."""
        counts = {Axis.RECORD: records, Axis.BAND: bands, Axis.ZOOM: len(tiles)}
        for part in self.parts:
            yield from _nested(part, counts, tiles, {})


MUCOG = "Z=0>T>R>B;Z=1:>R>T>B"
"""All records of a block lie together at full resolution; each record's picture does in overviews."""

COG = "R>Z>T>B"
"""Each record lies together, as in a file of its own."""

PRESETS = {"MUCOG": MUCOG, "COG": COG}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How consolidated files are cut, and how each is written."""

    name: str
    grid: GridSpec
    """Its cells: the pixels of each file."""
    max_records: int
    """In one file; more go to another file of the same cell."""
    block_width: int = 256
    """Pixels of a TIFF tile; a multiple of 16 (TIFF 6.0, section 15)."""
    block_height: int = 256
    """See `block_width`."""
    overviews_min_size: int = -1
    """Longer side of the smallest overview, in pixels; 0: no overviews, which consolidation refuses, -1:
    `DEFAULT_OVERVIEW`."""
    interlacing_pattern: InterlacingPattern = field(default_factory=lambda: InterlacingPattern.parse(MUCOG))

    def __post_init__(self) -> None:
        check_slug("name", self.name)
        check_whole("max_records", self.max_records, least=1, most=MAX_INDEX - 1)
        for name in ("block_width", "block_height"):
            if check_whole(name, getattr(self, name), least=16, most=MAX_CELL) % 16:
                raise InvalidInput(name, f"must be a multiple of 16, got {getattr(self, name)}")
        check_whole("overviews_min_size", self.overviews_min_size, least=-1, most=MAX_CELL)

    def overview_factors(self, cell: Grid) -> tuple[int, ...]:
        """By how much each overview of a cell is coarser: 2, 4, ... until neither side is longer than asked."""
        if self.overviews_min_size == 0:
            return ()
        smallest = DEFAULT_OVERVIEW if self.overviews_min_size == -1 else self.overviews_min_size
        factors = [1]
        while -(-max(cell.width, cell.height) // factors[-1]) > smallest:
            factors.append(2 * factors[-1])
        return tuple(factors[1:])

    def tiles(self, cell: Grid) -> tuple[int, ...]:
        """How many blocks each zoom of a cell has, full resolution first; one band of one record."""
        return tuple(
            -(-cell.width // (factor * self.block_width)) * -(-cell.height // (factor * self.block_height))
            for factor in (1, *self.overview_factors(cell))
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "grid": grid_to_json(self.grid),
            "max_records": self.max_records,
            "block_width": self.block_width,
            "block_height": self.block_height,
            "overviews_min_size": self.overviews_min_size,
            "interlacing_pattern": str(self.interlacing_pattern),
        }

    @classmethod
    def from_json(cls, document: object) -> Layout:
        optional = {"block_width", "block_height", "overviews_min_size", "interlacing_pattern"}
        given = members(document, "layout", required={"name", "grid", "max_records"}, optional=optional)
        pattern = InterlacingPattern.parse(given.get("interlacing_pattern", MUCOG))
        return cls(**given | {"grid": grid_from_json(given["grid"]), "interlacing_pattern": pattern})


def check_crs(text: object) -> str:
    """The CRS's short name, when it is one of a flat map or of longitudes and latitudes. Raises InvalidInput."""
    if not isinstance(text, str):
        raise InvalidInput("crs", f"must be text such as 'EPSG:3035', got {str(text)[:60]!r}")
    if not (parse_crs(text).is_projected or parse_crs(text).is_geographic):
        raise InvalidInput("crs", f"{text[:60]!r} is neither projected nor geographic")
    return crs_name(text)


def _check_positive(parameter: str, value: object) -> None:
    if not SMALLEST <= check_number(parameter, value) <= LARGEST:
        raise InvalidInput(parameter, f"must be positive, {SMALLEST:g} to {LARGEST:g} units of the CRS, got {value}")


def _check_cell(grid: RegularGrid | SubGrid) -> None:
    for name in ("cell_width", "cell_height"):
        check_whole(name, getattr(grid, name), least=1, most=MAX_CELL)
    for name in ("origin_x", "origin_y"):
        if not abs(check_number(name, getattr(grid, name))) <= LARGEST:
            raise InvalidInput(name, f"must be at most {LARGEST:g} units of the CRS from its origin")


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput("interlacing_pattern", reason)


def _index(axis: Axis, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise _invalid(
            f"{text!r} is no number of a {_NAMES[axis]}; write values as {axis}=0,2 or a range as {axis}=0:3"
        )
    return int(text)


def _corners(part: tuple[Loop, ...], axis: Axis) -> set[int]:
    loop = next(loop for loop in part if loop.axis is axis)
    ends = {loop.start, *(() if loop.stop is None else (loop.stop,))}
    return ends.union(*({value, value + 1} for value in loop.values)) if loop.values else ends


def _nested(
    loops: tuple[Loop, ...], counts: dict[Axis, int], tiles: Sequence[int], at: dict[Axis, int]
) -> Iterator[Block]:
    if not loops:
        yield Block(record=at[Axis.RECORD], band=at[Axis.BAND], zoom=at[Axis.ZOOM], tile=at[Axis.TILE])
        return
    first, rest = loops[0], loops[1:]
    count = tiles[at[Axis.ZOOM]] if first.axis is Axis.TILE else counts[first.axis]
    for index in first.indices(count):
        at[first.axis] = index
        yield from _nested(rest, counts, tiles, at)
