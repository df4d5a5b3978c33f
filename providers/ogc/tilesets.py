"""The tilesets of a collection, and what a client must know of each: OGC 20-057, OGC 17-083r4 and TileJSON 3.0.

/collections/{c}[/styles/{styleId}]/map/tiles            which there are
/collections/{c}[/styles/{styleId}]/map/tiles/{tms}      one of them; f=tilejson for clients of the web's maps
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Collection, Extent
from prismcube.model.grid import CRS84, Bounds, crs_uri
from prismcube.model.tilematrix import WEB_MERCATOR, TileLimits, TileMatrix, TileMatrixSet
from providers.ogc.answer import JSON, REL, Answer, Context, Request, json_answer, link
from providers.ogc.looks import DEFAULT, Look, look_named, look_of_fields
from providers.ogc.maptiles import extent_in, matrix_set, tile_limits
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from providers.ogc.pictures import MEDIA_TYPES
from providers.ogc.tilematrixsets import set_address, set_uri

HTML = "text/html"
TILEJSON = "application/vnd.mapbox.tilejson+json"
"""What the Accept header may say; the answer goes as plain JSON, since that is what its clients look for."""
TILESET_FORMATS = {"json": JSON, "html": HTML, "tilejson": TILEJSON}

Matrices = list[tuple[TileMatrix, TileLimits]]


def tilesets(context: Context, request: Request, name: str, style: str | None = None) -> dict[str, Any]:
    """The tilesets of a collection, one for each tile matrix set that its data have a place in.

    Raises NotFound, UnknownParameter.
    """
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    _look(context, collection, style)
    here = tiles_address(request.base, collection, style)
    found = []
    for _, one in sorted(context.matrix_sets.items(), key=_web_first):
        if collection.extent and _matrices(collection.extent, one):
            found.append(_summary(collection, one, request.base, here))
    links = [link(here, "self", JSON, "This document"), link(f"{here}?f=html", "alternate", HTML, "As HTML")]
    return {"tilesets": found, "links": links}


def tileset(
    context: Context, request: Request, name: str, tms: str, style: str | None = None
) -> dict[str, Any] | Answer:
    """The metadata of a tileset. Raises NotFound, also when no data has a place in it, and InvalidInput."""
    query = Query(request.query, known=("f", "lang"))
    format = choose_format(query.text("f"), request.accept, TILESET_FORMATS)
    collection = context.collection(name)
    one = matrix_set(context, tms)
    look = _look(context, collection, style)
    matrices = _matrices(collection.extent, one) if collection.extent else []
    if collection.extent is None or not matrices:
        raise NotFound(f"tileset of {collection.name}", tms)
    here = tiles_address(request.base, collection, style)
    if format == "tilejson":
        return json_answer(_tilejson(collection, collection.extent, one, matrices, here))
    return {
        **_summary(collection, one, request.base, here),
        "description": collection.description,
        **({"attribution": collection.attribution} if collection.attribution else {}),
        **({"license": collection.license} if collection.license else {}),
        **({"keywords": list(collection.keywords)} if collection.keywords else {}),
        "mediaTypes": list(MEDIA_TYPES),
        "tileMatrixSetLimits": [_limits(matrix, limits) for matrix, limits in matrices],
        "boundingBox": _bounding_box(collection.extent),
        "centerPoint": _center(collection.extent, one, matrices),
        "layers": [_layer(collection, collection.extent, request.base)],
        "style": _style(look, collection, request.base),
        "links": _links(collection, one, request.base, here),
    }


def tiles_address(base: str, collection: Collection, style: str | None) -> str:
    """The address of a collection's tilesets, in a style or in the default one."""
    where = f"{base}/collections/{quote(collection.name)}"
    return f"{where}/map/tiles" if style is None else f"{where}/styles/{quote(style)}/map/tiles"


def _look(context: Context, collection: Collection, style: str | None) -> Look:
    if style is not None:
        return look_named(context, collection, style)
    try:
        return look_of_fields(context, collection, None)
    except InvalidInput as error:
        raise NotFound("map of", collection.name) from error


def _web_first(item: tuple[str, TileMatrixSet]) -> tuple[bool, str]:
    return item[0] != WEB_MERCATOR, item[0]


def _matrices(extent: Extent, one: TileMatrixSet) -> Matrices:
    """The levels that the data lie in, with the tiles there are."""
    found = ((matrix, tile_limits(extent, one, matrix)) for matrix in one.matrices.values())
    return [(matrix, limits) for matrix, limits in found if limits]


def _summary(collection: Collection, one: TileMatrixSet, base: str, here: str) -> dict[str, Any]:
    """What the list tells of a tileset."""
    return {
        "title": f"{collection.title or collection.name} ({one.title})",
        "dataType": "map",
        "crs": one.crs_uri,
        "tileMatrixSetURI": set_uri(one, base),
        "links": [
            link(f"{here}/{one.id}", "self", JSON, "Metadata of the tileset"),
            link(set_address(one, base), f"{REL}tiling-scheme", JSON, one.title),
        ],
    }


def _links(collection: Collection, one: TileMatrixSet, base: str, here: str) -> list[dict[str, Any]]:
    where = f"{here}/{one.id}"
    tiles = [
        {
            **link(f"{where}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f={kind.partition('/')[2]}", "item", kind, "Tiles"),
            "templated": True,
        }
        for kind in MEDIA_TYPES
    ]
    web = [link(f"{where}?f=tilejson", "alternate", JSON, "As TileJSON")] if one.id == WEB_MERCATOR else []
    return [
        link(where, "self", JSON, "This document"),
        link(f"{where}?f=html", "alternate", HTML, "As HTML"),
        *web,
        *tiles,
        link(set_address(one, base), f"{REL}tiling-scheme", JSON, one.title),
        link(
            f"{base}/collections/{quote(collection.name)}", f"{REL}geodata", JSON, collection.title or collection.name
        ),
    ]


def _limits(matrix: TileMatrix, limits: TileLimits) -> dict[str, Any]:
    return {
        "tileMatrix": matrix.id,
        "minTileRow": limits.first_row,
        "maxTileRow": limits.last_row,
        "minTileCol": limits.first_col,
        "maxTileCol": limits.last_col,
    }


def _bounding_box(extent: Extent) -> dict[str, Any]:
    box = extent.bounds
    return {
        "lowerLeft": [box.west, box.south],
        "upperRight": [box.east, box.north],
        "crs": crs_uri(CRS84),
        "orderedAxes": ["Lon", "Lat"],
    }


def _center(extent: Extent, one: TileMatrixSet, matrices: Matrices) -> dict[str, Any]:
    """The middle of the data, at the level whose tile would hold them whole."""
    box = extent_in(extent, one.crs)
    assert box is not None  # noqa: S101  # there are levels
    matrix = _fitting(box, matrices)
    x, y = (box.west + box.east) / 2, (box.south + box.north) / 2
    return {
        "coordinates": list(one.in_axis_order(x, y)),
        "crs": one.crs_uri,
        "tileMatrix": matrix.id,
        "scaleDenominator": matrix.scale_denominator,
        "cellSize": matrix.cell_size,
    }


def _fitting(box: Bounds, matrices: Matrices) -> TileMatrix:
    """The finest level at which a tile is as large as the box; the coarsest when none is."""
    fitting = matrices[0][0]
    for matrix, _ in matrices:
        if (
            matrix.tile_width * matrix.cell_size >= box.east - box.west
            and matrix.tile_height * matrix.cell_size >= box.north - box.south
        ):
            fitting = matrix
    return fitting


def _layer(collection: Collection, extent: Extent, base: str) -> dict[str, Any]:
    where = f"{base}/collections/{quote(collection.name)}"
    return {
        "id": collection.name,
        "title": collection.title or collection.name,
        "dataType": "map",
        "crs": crs_uri(extent.native.crs),
        "boundingBox": _bounding_box(extent),
        "links": [link(where, f"{REL}geodata", JSON, collection.title or collection.name)],
    }


def _style(look: Look, collection: Collection, base: str) -> dict[str, Any]:
    where = f"{base}/collections/{quote(collection.name)}/styles/{quote(look.style.name)}"
    title = look.style.title or ("Default" if look.style.name == DEFAULT else look.style.name)
    return {"id": look.style.name, "title": title, "links": [link(where, "describedby", JSON, title)]}


def _tilejson(
    collection: Collection, extent: Extent, one: TileMatrixSet, matrices: Matrices, here: str
) -> dict[str, Any]:
    """TileJSON 3.0.0, which knows one tile matrix set only. Raises InvalidInput for others."""
    if one.id != WEB_MERCATOR:
        raise InvalidInput("f", f"TileJSON describes {WEB_MERCATOR} only; ask for f=json")
    box = extent.bounds
    center_zoom = int(_center(extent, one, matrices)["tileMatrix"])
    return {
        "tilejson": "3.0.0",
        "name": collection.title or collection.name,
        "description": collection.description,
        "attribution": collection.attribution,
        "scheme": "xyz",
        "tiles": [f"{here}/{one.id}/{{z}}/{{y}}/{{x}}?f=png"],
        "minzoom": int(matrices[0][0].id),
        "maxzoom": int(matrices[-1][0].id),
        "bounds": list(box.as_tuple()),
        "center": [(box.west + box.east) / 2, (box.south + box.north) / 2, center_zoom],
    }
