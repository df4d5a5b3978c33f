"""The schemas of the API's answers, our own words for what the standards ask: nothing refers to another document.

They name what clients may rely on; members beside these are allowed, as the standards' own schemas allow them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prismcube.encode import covjson
from providers.ogc.items import MEDIA_TYPE as GEOJSON

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
OBJECT: dict[str, Any] = {"type": "object"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), **more}


def _object(description: str, /, *required: str, **properties: Any) -> dict[str, Any]:
    """An object with these members; `_` in their names stands for itself."""
    document: dict[str, Any] = {"type": "object", "description": description, "properties": properties}
    return document | ({"required": list(required)} if required else {})


_LINKS = _list(ref("Link"))
_BOX = _list(NUMBER, minItems=4, maxItems=6)

SCHEMAS: dict[str, dict[str, Any]] = {
    "Problem": _object(
        "Why a request was refused (RFC 9457)",
        "type",
        "title",
        "status",
        type={"type": "string", "format": "uri-reference"},
        title=TEXT,
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail=TEXT,
        instance={"type": "string", "format": "uri-reference"},
        parameter={"type": "string", "description": "The parameter or member that is wrong"},
        requestId={"type": "string", "description": "Id of the request in the server's log"},
        asked={"type": "integer", "description": "Of what the server allows so much: how much it would be (413)"},
        allowed={"type": "integer", "description": "The most that the server allows (413)"},
        process={"type": "string", "description": "Id of the process that can do it as a job (413)"},
        links=_list(ref("Link"), description="To this process (413)"),
    ),
    "Link": _object(
        "A link (RFC 8288)",
        "href",
        "rel",
        href=TEXT,
        rel=TEXT,
        type=TEXT,
        title=TEXT,
        templated={"type": "boolean"},
    ),
    "LandingPage": _object("What the server offers", "links", title=TEXT, description=TEXT, links=_LINKS),
    "Conformance": _object("Declared conformance classes", "conformsTo", conformsTo=_list(TEXT)),
    "Collections": _object(
        "A page of collections",
        "collections",
        "links",
        collections=_list(ref("Collection")),
        links=_LINKS,
        numberMatched={"type": "integer", "minimum": 0},
        numberReturned={"type": "integer", "minimum": 0},
    ),
    "Collection": _object(
        "A collection; one without data has no extent",
        "id",
        "links",
        id=TEXT,
        title=TEXT,
        description=TEXT,
        attribution=TEXT,
        license=TEXT,
        keywords=_list(TEXT),
        extent=ref("Extent"),
        crs=_list(TEXT),
        storageCrs=TEXT,
        itemType=TEXT,
        parameter_names={"type": "object", "additionalProperties": ref("Parameter")},
        data_queries=OBJECT,
        links=_LINKS,
    ),
    "Extent": _object(
        "Where and when a collection has data",
        spatial=_object("Boxes", "bbox", bbox=_list(_BOX, minItems=1), crs=TEXT, storageCrsBbox=_list(_BOX)),
        temporal=_object(
            "Periods; null is an open side",
            "interval",
            interval=_list(_list({**TEXT, "nullable": True}, minItems=2, maxItems=2), minItems=1),
            trs=TEXT,
        ),
    ),
    "Parameter": _object("A field, as CoverageJSON and EDR describe it", "type", type=TEXT, observedProperty=OBJECT),
    "Geometry": {
        **_object("A GeoJSON geometry (RFC 7946)", "type", type=TEXT, coordinates=_list({})),
        "nullable": True,
    },
    "Feature": _object(
        "A GeoJSON feature (RFC 7946)",
        "type",
        "geometry",
        "properties",
        type={"type": "string", "enum": ["Feature"]},
        id={"oneOf": [TEXT, {"type": "integer"}]},
        geometry=ref("Geometry"),
        properties={"type": "object", "nullable": True},
        links=_LINKS,
    ),
    "FeatureCollection": _object(
        "A page of GeoJSON features",
        "type",
        "features",
        type={"type": "string", "enum": ["FeatureCollection"]},
        features=_list(ref("Feature")),
        numberMatched={"type": "integer", "minimum": 0},
        numberReturned={"type": "integer", "minimum": 0},
        timeStamp={"type": "string", "format": "date-time"},
        links=_LINKS,
    ),
    "Coverage": _object(
        "A CoverageJSON coverage, or a collection of them",
        "type",
        type={"type": "string", "enum": ["Coverage", "CoverageCollection"]},
        domain=OBJECT,
        parameters=OBJECT,
        ranges=OBJECT,
        coverages=_list(OBJECT),
        referencing=_list(OBJECT),
    ),
    "TileSet": _object(
        "A tileset, or its TileJSON", title=TEXT, dataType=TEXT, crs={}, tileMatrixSetURI=TEXT, links=_LINKS
    ),
    "TileSets": _object("Tilesets", "tilesets", tilesets=_list(ref("TileSet")), links=_LINKS),
    "TileMatrixSets": _object("Tile matrix sets", "tileMatrixSets", tileMatrixSets=_list(OBJECT)),
    "TileMatrixSet": _object("A tile matrix set (OGC 17-083)", "tileMatrices", id=TEXT, tileMatrices=_list(OBJECT)),
    "JsonSchema": _object("A JSON Schema", type=TEXT, properties=OBJECT),
    "OpenApi": _object("An OpenAPI document", "openapi", "info", "paths", openapi=TEXT, info=OBJECT, paths=OBJECT),
}

_BY_PATH = {
    "/": "LandingPage",
    "/conformance": "Conformance",
    "/openapi": "OpenApi",
    "/collections": "Collections",
    "/collections/{collectionId}": "Collection",
    "/collections/{collectionId}/items/{itemId}": "Feature",
    "/collections/{collectionId}/schema": "JsonSchema",
    "/collections/{collectionId}/queryables": "JsonSchema",
    "/tileMatrixSets": "TileMatrixSets",
    "/tileMatrixSets/{tileMatrixSetId}": "TileMatrixSet",
    "/processes": "Processes",
    "/processes/{processID}": "Process",
    "/jobs": "Jobs",
    "/jobs/{jobID}": "StatusInfo",
    "/jobs/{jobID}/tasks": "Tasks",
    "/jobs/{jobID}/logs": "Logs",
    "/jobs/{jobID}/graph": "JobGraph",
}
"""The schema of a path's JSON, where the path tells it."""


def answer_schema(path: str, media_type: str) -> dict[str, Any]:
    """The schema of an answer; bytes for what is no JSON."""
    bare = media_type.partition(";")[0].strip()
    if bare == "text/html" or bare.startswith("text/"):
        return TEXT
    if path.endswith(("/results", "/results/{outputID}")):
        return {} if bare.endswith("json") else {"type": "string", "format": "binary"}
    if not bare.endswith("json"):
        return {"type": "string", "format": "binary"}
    if bare == covjson.MEDIA_TYPE:
        return ref("Coverage")
    if path in _BY_PATH:
        return ref(_BY_PATH[path])
    if path.endswith("/tiles"):
        return ref("TileSets")
    if path.endswith("/tiles/{tileMatrixSetId}"):
        return ref("TileSet")
    return ref("FeatureCollection") if bare == GEOJSON else OBJECT
