"""`/collections/{c}/map/tiles/{tms}/{z}/{row}/{col}`: OGC API - Tiles (OGC 20-057), drawn on request.

The same below `/collections/{c}/styles/{styleId}`, in that style.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Extent
from prismcube.model.grid import Bounds, Grid, parse_crs
from prismcube.model.tilematrix import WEB_MERCATOR, TileLimits, TileMatrix, TileMatrixSet
from providers.ogc import pictures
from providers.ogc.answer import Answer, Context, Request
from providers.ogc.params import Query

STYLED_PARAMETERS = pictures.PARAMETERS
PARAMETERS = (*STYLED_PARAMETERS, *pictures.PLAIN)
FORMATS = pictures.FORMATS
TILE_MATRIX_SET = WEB_MERCATOR

MARGIN = 0.05
"""How far tiles reach beyond the data, as part of the longer side: viewers ask for a little more than the extent."""


@dataclass(frozen=True)
class TilePlace:
    """A tile's address, as the URL has it: row before column."""

    tms: str
    z: str
    row: str
    col: str


def tile(
    context: Context, request: Request, name: str, tms: str, z: str, row: str, col: str, style: str | None = None
) -> Answer:
    """A map tile in the collection's default style, or in `style`; by default the latest valid pixel lies on top.

    It has the size that its tile matrix says, and is transparent where nothing lies. Raises NotFound for a tile
    outside the set or beyond the limits that the tileset tells, InvalidInput, BudgetExceeded, SourceError.
    """
    query = Query(request.query, known=PARAMETERS if style is None else STYLED_PARAMETERS, repeatable=("subset",))
    collection = context.collection(name)
    place = TilePlace(tms, z, row, col)
    tile_set = matrix_set(context, tms)
    matrix, at_row, at_col = _matrix_of(tile_set, place)
    grid = matrix.grid(tile_set.crs, at_row, at_col)
    native = collection.extent.native if collection.extent else None
    period = pictures.parse_time(query, native or grid)
    wanted = pictures.parse_picture(context, request, query, collection, style=style, period=period)
    pictures.check_size(context, grid, wanted.format)
    if collection.extent is None:
        return pictures.picture_answer(wanted, pictures.blank(grid))
    limits = tile_limits(collection.extent, tile_set, matrix)
    if limits is None or not limits.holds(at_row, at_col):
        raise NotFound("tile", f"{z}/{row}/{col}")
    resampling = _resampling(collection.extent.native, grid)
    rgba, _ = pictures.render(context, collection, wanted, grid, resampling=resampling)
    return pictures.picture_answer(wanted, rgba)


def matrix_set(context: Context, name: str) -> TileMatrixSet:
    """Raises NotFound."""
    found = context.matrix_sets.get(name)
    if found is None:
        raise NotFound("tile matrix set", name[:100])
    return found


def tile_limits(extent: Extent, tile_set: TileMatrixSet, matrix: TileMatrix) -> TileLimits | None:
    """The tiles of a level that there are of a collection: those that its data touch, and a small margin around them.

    None when there are none at all.
    """
    box = extent_in(extent, tile_set.crs)
    return None if box is None else matrix.touching(box)


@lru_cache(maxsize=1024)  # the levels of a set, and its tiles one after the other, ask for the same box
def extent_in(extent: Extent, crs: str) -> Bounds | None:
    """The box of a collection's data in another CRS, with the margin; None where they have no place there."""
    native = extent.native
    try:
        # In degrees the catalogue's own box: it keeps to -180..180, wherever the data count from.
        box = extent.bounds if parse_crs(crs).is_geographic else native.bounds.to_crs(native.crs, crs)
    except InvalidInput:
        return None
    margin = MARGIN * max(box.east - box.west, box.north - box.south)
    return Bounds(box.west - margin, box.south - margin, box.east + margin, box.north + margin)


def _matrix_of(tile_set: TileMatrixSet, place: TilePlace) -> tuple[TileMatrix, int, int]:
    """The level, row and column. Raises NotFound for a tile beyond it, InvalidInput for what is no number."""
    numbers = []
    for parameter, text in (("tileMatrix", place.z), ("tileRow", place.row), ("tileCol", place.col)):
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise InvalidInput(parameter, f"must be a whole number, got {text[:20]!r}")
        numbers.append(int(text))
    level, row, col = numbers
    matrix = tile_set.matrices.get(str(level))
    if matrix is None or not matrix.limits.holds(row, col):
        raise NotFound("tile", f"{level}/{row}/{col}")
    return matrix, row, col


def _resampling(native: Grid, grid: Grid) -> str | None:
    """Nearest when the tile's pixels are smaller than the stored ones: those are shown as they are, not blurred."""
    try:
        there = grid.bounds.to_crs(grid.crs, native.crs)
    except InvalidInput:  # half the world in one tile: far coarser
        return None
    return "nearest" if (there.east - there.west) / native.resolution[0] < grid.width else None
