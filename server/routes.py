"""Every address of the OGC API, as one table: routing, the OpenAPI document and its tests read it.

    Operation           one address: handler, what it takes, what it answers with
    PIXELS              answered by pixel threads (server.native)
    DOCUMENTS           answered by page threads (server.pages), as JSON or as a page

`server.routes_processes` has those of processes and jobs, also the ones that are not only read:

    ACTIONS             change something; answered by page threads
    SUBMISSIONS         wait for what others do, without holding a thread (server.submissions)

A new address is one line here, its handler one function of (Context, Request, **path).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.ogc import (
    collections,
    coverage,
    edr,
    items,
    listing,
    maps,
    maptiles,
    pictures,
    queryables,
    styles,
    tilematrixsets,
    tilesets,
)
from server.operation import HTML, Operation, document
from server.routes_processes import PROCESS_DOCUMENTS, PROCESS_FILES

C = "/collections/{collectionId}"
STYLE = f"{C}/styles/{{styleId}}"
TILE = "{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"


def _edr(
    path: str, handler: Callable[..., Any], parameters: tuple[str, ...], required: tuple[str, ...], summary: str
) -> Operation:
    return Operation(
        path=f"{C}/{path}",
        handler=handler,
        summary=summary,
        tag="EDR",
        parameters=parameters,
        required=required,
        media_types=edr.MEDIA_TYPES,
        formats=edr.FORMATS,
        may_be_empty=True,
    )


def _picture(path: str, handler: Callable[..., Any], summary: str, **more: Any) -> Operation:
    types, formats = pictures.MEDIA_TYPES, pictures.FORMATS
    return Operation(path=path, handler=handler, summary=summary, media_types=types, formats=formats, **more)


PIXELS = (
    Operation(
        path=f"{C}/coverage",
        handler=coverage.coverage,
        summary="Pixels",
        tag="Coverages",
        parameters=coverage.PARAMETERS,
        media_types=tuple(dict.fromkeys(coverage.FORMATS.values())),
        formats=coverage.FORMATS,
        may_be_empty=True,
    ),
    *(
        _edr(kind, handler, parameters, required, summary)
        for kind, handler, parameters, required, summary in (
            ("position", edr.position, edr.POSITION_PARAMETERS, ("coords",), "Series of the pixels at points"),
            ("area", edr.area, edr.AREA_PARAMETERS, ("coords",), "Cube or series of a polygon"),
            (
                "radius",
                edr.radius,
                edr.RADIUS_PARAMETERS,
                ("coords", "within", "within-units"),
                "Cube or series of what lies near a point",
            ),
            ("cube", edr.cube, edr.CUBE_PARAMETERS, ("bbox",), "Cube or series of a box"),
            ("trajectory", edr.trajectory, edr.TRAJECTORY_PARAMETERS, ("coords",), "Pixels along a line"),
            (
                "corridor",
                edr.corridor,
                edr.CORRIDOR_PARAMETERS,
                ("coords", "corridor-width", "width-units"),
                "Cube or series of what lies near a line",
            ),
            ("locations/{locationId}", edr.location, edr.LOCATION_PARAMETERS, (), "Series or cube of a place"),
        )
    ),
    _picture(
        f"{C}/map",
        maps.map_picture,
        "A map in the default style, or of the fields named",
        tag="Maps",
        parameters=maps.PARAMETERS,
        operation_id="maps.collection.getMap",
        may_be_empty=True,
    ),
    _picture(
        f"{STYLE}/map",
        maps.map_picture,
        "A map in a style",
        tag="Maps",
        parameters=maps.STYLED_PARAMETERS,
        operation_id="maps.collection.style.getMap",
        may_be_empty=True,
    ),
    _picture(
        f"{C}/map/tiles/{TILE}",
        maptiles.tile,
        "A map tile in the default style, or of the fields named",
        tag="Tiles",
        parameters=maptiles.PARAMETERS,
        operation_id="tiles.collection.map.getTile",
    ),
    _picture(
        f"{STYLE}/map/tiles/{TILE}",
        maptiles.tile,
        "A map tile in a style",
        tag="Tiles",
        parameters=maptiles.STYLED_PARAMETERS,
        operation_id="tiles.collection.style.map.getTile",
    ),
    *PROCESS_FILES,
)

DOCUMENTS = (
    document(
        f"{C}/schema",
        coverage.schema,
        "document.html",
        "The fields, as a JSON Schema",
        tag="Coverages",
        media_types=(coverage.SCHEMA_MEDIA_TYPE,),
        formats={"json": coverage.SCHEMA_MEDIA_TYPE, "html": HTML},
    ),
    document(
        f"{C}/coverage/domainset",
        coverage.domain_set,
        "document.html",
        "Axes, bounds and pixel size",
        tag="Coverages",
    ),
    document(
        f"{C}/coverage/rangetype",
        coverage.range_type,
        "document.html",
        "The fields, as a SWE DataRecord",
        tag="Coverages",
    ),
    document(
        "/collections",
        listing.collections_document,
        "collections/index.html",
        "Collections, by name",
        is_kept=True,
        tag="Collections",
        parameters=listing.PARAMETERS,
    ),
    document(
        C,
        collections.collection_document,
        "collections/collection.html",
        "One collection",
        is_kept=True,
        tag="Collections",
    ),
    document(
        f"{C}/items",
        items.items,
        "items/index.html",
        "Time steps and their footprints",
        tag="Features",
        parameters=items.PARAMETERS,
        media_types=(items.MEDIA_TYPE,),
        formats={"json": items.MEDIA_TYPE, "geojson": items.MEDIA_TYPE, "html": HTML},
    ),
    document(
        f"{C}/items/{{itemId}}",
        items.item,
        "items/item.html",
        "One time step",
        tag="Features",
        parameters=items.ITEM_PARAMETERS,
        media_types=(items.MEDIA_TYPE,),
        formats={"json": items.MEDIA_TYPE, "geojson": items.MEDIA_TYPE, "html": HTML},
    ),
    document(
        f"{C}/queryables",
        queryables.queryables,
        "document.html",
        "Properties that items are filtered by",
        tag="Features",
        media_types=(queryables.MEDIA_TYPE,),
        formats={"json": queryables.MEDIA_TYPE, "html": HTML},
    ),
    document(
        f"{C}/locations",
        edr.locations,
        "features.html",
        "Places with data of their own",
        tag="EDR",
        parameters=edr.LOCATIONS_PARAMETERS,
        media_types=(edr.LOCATIONS_FORMATS["geojson"],),
        formats=edr.LOCATIONS_FORMATS,
    ),
    document(
        f"{C}/styles",
        styles.styles,
        "styles/index.html",
        "In which ways a collection is drawn",
        tag="Styles",
    ),
    document(
        STYLE,
        styles.style,
        "styles/style.html",
        "One style",
        tag="Styles",
    ),
    *(
        one
        for where, kind in ((C, "collection"), (STYLE, "collection.style"))
        for one in (
            document(
                f"{where}/map/tiles",
                tilesets.tilesets,
                "tiles/tilesets.html",
                "Tilesets of a collection" if where == C else "Tilesets of a style",
                tag="Tiles",
                operation_id=f"tiles.{kind}.map.getTileSetsList",
            ),
            document(
                f"{where}/map/tiles/{{tileMatrixSetId}}",
                tilesets.tileset,
                "tiles/tileset.html",
                "One tileset" if where == C else "One tileset of a style",
                tag="Tiles",
                formats=tilesets.TILESET_FORMATS,
                operation_id=f"tiles.{kind}.map.getTileSet",
            ),
        )
    ),
    document(
        "/tileMatrixSets",
        tilematrixsets.tile_matrix_sets,
        "tiles/matrix_sets.html",
        "Tile matrix sets that tiles can be asked in",
        tag="Tiles",
        operation_id="tiles.getTileMatrixSetsList",
    ),
    document(
        "/tileMatrixSets/{tileMatrixSetId}",
        tilematrixsets.tile_matrix_set,
        "tiles/matrix_set.html",
        "One tile matrix set",
        tag="Tiles",
        operation_id="tiles.getTileMatrixSet",
    ),
    *PROCESS_DOCUMENTS,
)

PATH_PARAMETERS: Mapping[str, tuple[str, str, str]] = {
    "collectionId": ("name", "Name of the collection", "name"),
    "itemId": ("key", "Item", "1"),
    "locationId": ("key", "Location", "1"),
    "styleId": ("style", "Style", "default"),
    "tileMatrixSetId": ("tms", "Tile matrix set", maptiles.TILE_MATRIX_SET),
    "tileMatrix": ("z", "Level", "12"),
    "tileRow": ("row", "Row, from the north", "1455"),
    "tileCol": ("col", "Column, from the west", "2335"),
    "processID": ("process", "Id of the process", "echo"),
    "jobID": ("job", "Id of the job", ""),
    "outputID": ("output", "Name of an output", "stringOutput"),
}
"""Of each name in a path: the handler's parameter, description, example; empty where none would work."""


def by_handler(path: str, brackets: str = "{}") -> str:
    """The path with the handler's names in place of the standards': `{name}`, or `<name>` for Flask."""
    for standard, (own, _, _) in PATH_PARAMETERS.items():
        path = path.replace(f"{{{standard}}}", f"{brackets[0]}{own}{brackets[1]}")
    return path
