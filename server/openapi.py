"""The OpenAPI 3.0 document: one path a kind of resource, self-contained, without references to other hosts.

A test holds every operation's parameters against the tuples the handlers accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prismcube.cube.mosaic import RULES
from prismcube.cube.reduce import REDUCERS
from prismcube.model.entities import RESAMPLINGS
from server.openapi_catalogue import catalogue_paths, catalogue_schemas
from server.problems import MEDIA_TYPE as PROBLEM
from server.routes import DOCUMENTS, PATH_PARAMETERS, PIXELS, Operation

TEXT = {"type": "string"}
WHOLE = {"type": "integer", "minimum": 1}

_DATETIME = "An instant or period (RFC 3339), limits inclusive, `..` for an open side; a date means the whole day."
_GROUP = "Time steps: `record`, `day`, `month`, `year`, `all`, or your own order of records: `A,B;C`."

PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "subset": ('Area and time by axis, such as `E(5236000:5236500),time("2020":"2021")`.', TEXT),
    "bbox": ("Four numbers in the axis order of `bbox-crs`; by default west,south,east,north in degrees.", TEXT),
    "bbox-crs": ("CRS of `bbox` as OGC URI.", TEXT),
    "crs": ("CRS of the answer as OGC URI; for EDR queries that of `coords`.", TEXT),
    "scale-factor": (
        "How many native pixels wide an output pixel is.",
        {"type": "number", "exclusiveMinimum": True, "minimum": 0},
    ),
    "scale-size": ("Size of the answer by axis, such as `E(200),N(100)`.", TEXT),
    "width": ("Columns of the answer; the height follows the area's shape.", WHOLE),
    "height": ("Rows of the answer; the width follows the area's shape.", WHOLE),
    "properties": ("Fields, separated by commas; by default all stored ones.", TEXT),
    "parameter-name": ("Fields, separated by commas; by default all.", TEXT),
    "parameter_names": ("Another spelling of `parameter-name`.", TEXT),
    "datetime": (_DATETIME, TEXT),
    "mask": ("`none`, the name of a rule of the collection, or a rule such as `SCL:4-7`.", TEXT),
    "group": (_GROUP, TEXT),
    "mosaic": ("How the records of a time step become one picture.", {"type": "string", "enum": list(RULES)}),
    "resampling": ("For every field, in place of its own.", {"type": "string", "enum": list(RESAMPLINGS)}),
    "coords": ("Well-known text; x (longitude) before y (latitude) whatever the CRS.", TEXT),
    "reducer": (f"One number a date: {', '.join(REDUCERS)}, separated by commas.", TEXT),
    "lang": ("Language of the answer, one of those that the server is configured for.", TEXT),
    "limit": ("Items on a page.", WHOLE),
    "q": (
        "Terms separated by commas, one of which name, title, description or keywords hold, whatever the case.",
        TEXT,
    ),
    "after": ("Cursor of a `next` link.", TEXT),
}
"""Description and schema of every query parameter but `f`."""


def openapi_document(*, base: str, metadata: Mapping[str, Any], example: str) -> dict[str, Any]:
    """The document; `example` is the name of a real collection."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": metadata["identification"]["title"],
            "description": metadata["identification"]["description"],
            "version": "0.1",
            "license": {"name": metadata.get("license", {}).get("name", "")},
        },
        "servers": [{"url": base}],
        "paths": {**_paths(example), **catalogue_paths()},
        "components": {"schemas": {"Problem": _PROBLEM, **catalogue_schemas()}},
    }


def _paths(example: str) -> dict[str, Any]:
    json = {"application/json": {"schema": {"type": "object"}}}
    pages = {
        "/": _get("Landing page", [], json, formats=("json", "html")),
        "/conformance": _get("Conformance classes", [], json, formats=("json", "html")),
        "/openapi": _get("This document", [], json, formats=("json",)),
    }
    return pages | {one.path: _operation(one, example) for one in (*DOCUMENTS, *PIXELS)}


def _operation(one: Operation, example: str) -> dict[str, Any]:
    pixels = {"204": {"description": "Nothing lies in this area and time"}}
    path = [
        _path_parameter(name, description, example if name == "collectionId" else value)
        for name, (_, description, value) in PATH_PARAMETERS.items()
        if f"{{{name}}}" in one.path
    ]
    return _get(
        one.summary,
        [*path, *_query(one.parameters, required=one.required)],
        _content(*one.media_types),
        formats=one.formats,
        missing=bool(path),
        more=pixels if one.may_be_empty else None,
    )


def _get(
    summary: str,
    parameters: list[dict[str, Any]],
    content: dict[str, Any],
    *,
    formats: Any,
    missing: bool = False,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    f = {
        "name": "f",
        "in": "query",
        "description": "Format of the answer; wins over the Accept header.",
        "schema": {"type": "string", "enum": list(formats)},
    }
    refusal = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[str, Any] = {
        "200": {"description": summary, "content": content},
        **(more or {}),
        "400": {"description": "A parameter is unknown or wrong; `parameter` names it", "content": refusal},
    }
    if missing:
        responses["404"] = {"description": "No such resource", "content": refusal}
    if more:
        responses["413"] = {"description": "More than the server allows; says what would fit", "content": refusal}
        responses["502"] = {"description": "A file of the archive could not be read", "content": refusal}
    return {"get": {"summary": summary, "parameters": [*parameters, f], "responses": responses}}


def _query(names: tuple[str, ...], *, required: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "description": PARAMETERS[name][0],
            "schema": PARAMETERS[name][1],
            **({"required": True} if name in required else {}),
        }
        for name in names
        if name != "f"
    ]


def _path_parameter(name: str, description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": TEXT,
        "example": example,
    }


def _content(*media_types: str) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    return {m: {"schema": {"type": "object"} if "json" in m else binary} for m in media_types}


_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "parameter": TEXT,
    },
}
