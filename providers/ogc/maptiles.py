"""`/collections/{c}/map/tiles/{tms}/{z}/{row}/{col}`: OGC API - Tiles (OGC 20-057), drawn on request."""

from __future__ import annotations

from dataclasses import dataclass

import morecantile
import numpy as np

from prismcube.encode import png
from prismcube.errors import InvalidInput, NotFound
from prismcube.model.grid import Bounds, Grid
from prismcube.render.picture import paint, style_for
from providers.ogc.answer import Answer, Context, Keep, Request
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from providers.ogc.selection import Selection, all_slices, select

PARAMETERS = ("f", "datetime")
FORMATS = {"png": png.MEDIA_TYPE}
TILE_MATRIX_SET = "WebMercatorQuad"
TILE_PIXELS = 256

_TMS = morecantile.tms.get(TILE_MATRIX_SET)


@dataclass(frozen=True)
class TilePlace:
    """A tile's address, as the URL has it: row before column."""

    tms: str
    z: str
    row: str
    col: str


def tile(context: Context, request: Request, name: str, tms: str, z: str, row: str, col: str) -> Answer:
    """A 256-pixel map tile in the collection's default style; the latest valid pixel lies on top.

    Transparent where nothing lies. Raises NotFound for a tile outside the set, InvalidInput, SourceError.
    """
    query = Query(request.query, known=PARAMETERS)
    choose_format(query.text("f"), request.accept, FORMATS)
    collection = context.collection(name)
    grid = tile_grid(TilePlace(tms, z, row, col))
    style = style_for(collection, None)
    if collection.extent is None or not _touches(collection.extent.native, grid):
        return _blank(grid)
    wanted = Selection(
        fields=style.fields,
        grid=grid,
        period=query.period(),
        group="all",
        mosaic="last",
        resampling="nearest" if _finer(collection.extent.native, grid) else None,
    )
    plan = select(context, collection, wanted)
    if not plan.slices:
        return _blank(grid)
    picture = paint(style, plan.header, all_slices(context, plan)[0])
    return Answer(png.encode_png(picture), png.MEDIA_TYPE, keep=Keep.SHORT)


def tile_grid(place: TilePlace) -> Grid:
    """The grid of a tile.

    Raises NotFound for an unknown set or a tile beyond it, InvalidInput for what is no number.
    """
    if place.tms != TILE_MATRIX_SET:
        raise NotFound("tile matrix set", place.tms)
    numbers = []
    for parameter, text in (("tileMatrix", place.z), ("tileRow", place.row), ("tileCol", place.col)):
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise InvalidInput(parameter, f"must be a whole number, got {text[:20]!r}")
        numbers.append(int(text))
    level, y, x = numbers
    if level > _TMS.maxzoom or y >= 2**level or x >= 2**level:
        raise NotFound("tile", f"{level}/{y}/{x}")
    bounds = _TMS.xy_bounds(morecantile.Tile(x, y, level))
    return Grid.from_bounds("EPSG:3857", Bounds(*bounds), width=TILE_PIXELS, height=TILE_PIXELS)


def _touches(native: Grid, grid: Grid) -> bool:
    return native.bounds.to_crs(native.crs, grid.crs).intersection(grid.bounds) is not None


def _finer(native: Grid, grid: Grid) -> bool:
    """True when the tile's pixels are smaller than the stored ones: those are shown as they are, not blurred."""
    there = grid.bounds.to_crs(grid.crs, native.crs)
    return (there.east - there.west) / native.resolution[0] < grid.width


def _blank(grid: Grid) -> Answer:
    return Answer(png.encode_png(np.zeros((4, *grid.shape), dtype=np.uint8)), png.MEDIA_TYPE, keep=Keep.SHORT)
