"""The OpenAPI 3.0 document: one path a kind of resource, self-contained, without references to other hosts.

It lists no collections, so its size does not depend on how many there are: `collectionId` and the like are free text
with an example that works (`server.examples`). What is fixed by the code (formats, rules) is given as `enum`.

A test holds every operation's parameters against the tuples the handlers accept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from prismcube.cube.mosaic import RULES
from prismcube.cube.reduce import REDUCERS
from prismcube.model.distance import METRES
from prismcube.model.entities import RESAMPLINGS
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel
from providers.ogc import edr, listing, processes
from providers.ogc.answer import Limits
from server.examples import Examples
from server.openapi_catalogue import catalogue_paths, catalogue_schemas
from server.openapi_processes import SCHEMAS as PROCESS_SCHEMAS
from server.openapi_processes import process_paths
from server.openapi_schemas import NUMBER, SCHEMAS, TEXT, answer_schema, ref
from server.operation import HTML, Operation
from server.problems import MEDIA_TYPE as PROBLEM
from server.routes import DOCUMENTS, PATH_PARAMETERS, PIXELS

MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.0"
API_VERSION = "0.1"
"""Of the API, not of the software."""

WHOLE = {"type": "integer", "minimum": 1}
BOX = {"type": "array", "minItems": 4, "maxItems": 6, "items": NUMBER}
"""So the standards define it (OGC 17-069r4, /req/core/fc-bbox-definition); six numbers are for data with a height."""
COUNT = {"type": "integer", "minimum": 0}
LISTED = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}

_DATETIME = "An instant or period (RFC 3339), limits inclusive, `..` for an open side; a date means the whole day."
_GROUP = "Time steps: `record`, `day`, `month`, `year`, `all`, or your own order of records: `A,B;C`."

PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "subset": ('Area and time by axis, such as `E(5236000:5236500),time("2020":"2021")`.', TEXT),
    "bbox": ("Four numbers in the axis order of `bbox-crs`; by default west,south,east,north in degrees.", BOX),
    "subset-crs": ("CRS of the spatial axes of `subset`, as OGC URI; without such an axis it has no effect.", TEXT),
    "scale-axes": ("How many native pixels an output pixel is wide and high, such as `E(2),N(4)`.", TEXT),
    "scaleSize": ("Older spelling of `scale-size`.", TEXT),
    "estimate": ("`true`: what the answer would cost; nothing is read.", {"type": "boolean", "default": False}),
    "bbox-crs": ("CRS of `bbox` as OGC URI; without `bbox` it has no effect.", TEXT),
    "crs": ("CRS of the answer as OGC URI; for EDR queries that of `coords`.", TEXT),
    "scale-factor": (
        "How many native pixels wide an output pixel is.",
        {"type": "number", "exclusiveMinimum": True, "minimum": 0},
    ),
    "scale-size": ("Size of the answer by axis, such as `E(200),N(100)`.", TEXT),
    "resolution": ("Pixel size by axis of the answer's CRS, such as `E(20),N(20)`; empty: the native one.", TEXT),
    "exclude-properties": ("Fields to leave out, separated by commas; all others are there.", TEXT),
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
    "within": ("Radius: how far from the point, a positive number.", {"type": "number"}),
    "within-units": ("Unit of `within`.", {"type": "string", "enum": list(METRES)}),
    "corridor-width": ("Whole width of the corridor, half of it on each side of the line.", {"type": "number"}),
    "width-units": ("Unit of `corridor-width`.", {"type": "string", "enum": list(METRES)}),
    "resolution-x": ("Places along x, the first and last on the edges of the box; 0: all there are.", COUNT),
    "resolution-y": ("Places along y, the first and last on the edges of the box; 0: all there are.", COUNT),
    "reducer": (f"One number a date: {', '.join(REDUCERS)}, separated by commas; `none`: all the pixels.", TEXT),
    "transparent": ("Whether the map is transparent where nothing lies.", {"type": "boolean"}),
    "bgcolor": ("Colour where nothing lies, such as `0xFFFFFF` or `white`.", TEXT),
    "center": ("Two numbers in the axis order of `center-crs`; by default longitude,latitude.", TEXT),
    "center-crs": ("CRS of `center` as OGC URI.", TEXT),
    "scale-denominator": (
        "Metres on the ground for one on a display with pixels of 0.28 mm.",
        {"type": "number", "exclusiveMinimum": True, "minimum": 0},
    ),
    "lang": ("Language of the answer, one of those that the server is configured for.", TEXT),
    "limit": ("Items on a page.", WHOLE),
    "q": (
        "Terms separated by commas, one of which name, title, description or keywords hold, whatever the case.",
        TEXT,
    ),
    "after": ("Cursor of a `next` link.", TEXT),
    "before": ("Cursor of a `prev` link.", TEXT),
    "name": ("Name of the item; `*` and `?` stand for any characters, and for one.", TEXT),
    "sortby": ("`datetime`, `name`, `id`, separated by commas, each with `-` before it when it falls.", TEXT),
    "type": ("Kinds of jobs, separated by commas; all are of the kind `process`.", LISTED),
    "processID": ("Only jobs of these processes, separated by commas.", LISTED),
    "status": (
        "Only jobs of these statuses, separated by commas.",
        {**LISTED, "items": {"type": "string", "enum": [one.value for one in Status]}},
    ),
    "minDuration": (
        "Only jobs that have run for so many seconds at least, from their start to their end or now.",
        COUNT,
    ),
    "maxDuration": ("Only jobs that have run for so many seconds at most.", COUNT),
    "state": (
        "Only tasks in these states, separated by commas. "
        + " ".join(f"`{state}`: {state.meaning}" for state in TaskState),
        {**LISTED, "items": {"type": "string", "enum": [one.value for one in TaskState]}},
    ),
    "stage": ("Only tasks of this stage.", TEXT),
    "level": ("The least level of lines that are given.", {"type": "string", "enum": [one.value for one in LogLevel]}),
    "newest": ("`true`: the last lines in place of the first ones.", {"type": "boolean", "default": False}),
    "force": ("`true`: also what has not ended, wherever it runs.", {"type": "boolean", "default": False}),
    "skipGeometry": ("`true`: without footprints.", {"type": "boolean", "default": False}),
}
"""Description and schema of every query parameter but `f`."""

TAGS = {
    "API": "What the server is",
    "Collections": "What there is: OGC API - Common part 2",
    "Features": "Time steps and their footprints: OGC API - Features",
    "Coverages": "Pixels: OGC API - Coverages",
    "EDR": "Series and cubes by place: OGC API - Environmental Data Retrieval",
    "Maps": "Pictures: OGC API - Maps",
    "Tiles": "Pictures by tile: OGC API - Tiles",
    "Styles": "In which ways there are pictures: OGC API - Styles",
    "Processes": "What can be run: OGC API - Processes",
    "Jobs": "What runs and has run",
    "catalogue": "The entities behind the collections, to read and to change",
}

OWN = (
    Operation(path="/", handler=dict, summary="Landing page", tag="API"),
    Operation(path="/conformance", handler=dict, summary="Conformance classes", tag="API"),
    Operation(
        path="/openapi",
        handler=dict,
        summary="This document",
        tag="API",
        media_types=(MEDIA_TYPE,),
        formats={"json": MEDIA_TYPE, "html": HTML},
    ),
)
"""The documents that the server answers without a handler (server.pages)."""

HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "Of this answer; send it as If-None-Match to learn whether it has changed", "schema": TEXT},
    "Cache-Control": {"description": "How long the answer may be kept", "schema": TEXT},
    "Vary": {"description": "Headers of the request that the answer depends on", "schema": TEXT},
    "Content-Crs": {"description": "CRS of the answer, as URI in angle brackets", "schema": TEXT},
    "Content-Bbox": {"description": "Corners of the answer in the axis order of its CRS", "schema": TEXT},
}
_PIXEL_HEADERS = ("Content-Crs", "Content-Bbox")

SECURITY: dict[str, dict[str, Any]] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as password, any name"},
}
"""Ways to say who one is; asked for only where the server's `access` settings name keys."""

_REFUSALS = {
    "204": ("Empty", "Nothing lies in this area and time"),
    "304": ("NotModified", "The answer is the one whose ETag was sent"),
    "400": ("BadRequest", "A parameter is unknown or wrong; `parameter` names it"),
    "401": ("Unauthorized", "A key or token is needed, or the one that was sent is not accepted"),
    "403": ("Forbidden", "The key or token does not allow this"),
    "404": ("NotFound", "No such resource, or none that the caller may know of"),
    "413": ("TooLarge", "More than the server allows; says what would fit"),
    "409": ("Conflict", "It can't be done in the state that this is in, or somebody else holds it"),
    "415": ("NotJson", "The body is not JSON"),
    "416": ("NoSuchRange", "The file has no such part"),
    "422": ("JobFailed", "The job failed, so there are no results; says why"),
    "414": ("AddressTooLong", "The address has too many bytes"),
    "429": ("TooManyRequests", "Too many requests of one caller; Retry-After says when to ask again"),
    "500": ("ServerError", "A defect of the server; its log has the details"),
    "502": ("BadArchive", "A file of the archive could not be read"),
    "503": ("Unavailable", "The server is busy, or can't reach its catalogue; ask again later"),
    "507": ("NoRoom", "The server has no room to write the answer"),
}
"""Name and meaning by status."""


def openapi_document(
    *, base: str, metadata: Mapping[str, Any], examples: Examples, limits: Limits, language: str
) -> dict[str, Any]:
    """The document; `metadata` is pygeoapi's section of that name, in one language; `lang` takes `language`."""
    identification, license = metadata["identification"], metadata.get("license") or {}
    contact = {"name": (metadata.get("contact") or {}).get("name")}
    return {
        "openapi": "3.0.3",
        "info": {
            "title": identification["title"],
            "description": identification["description"],
            "version": API_VERSION,
            "license": {"name": license.get("name") or "See each collection"},
            **({"contact": contact} if contact["name"] else {}),
        },
        "servers": [{"url": base}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        # Nobody has to say who he is where the server asks nobody; where it does, one of these is enough.
        "security": [{}, *({name: []} for name in SECURITY)],
        "paths": _speaking(
            language, _merged(_paths(examples, limits), _process_paths(examples, limits), _catalogue(examples))
        ),
        "components": {
            "schemas": {**SCHEMAS, **PROCESS_SCHEMAS, **catalogue_schemas()},
            "responses": _responses(),
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


def _speaking(language: str, paths: dict[str, Any]) -> dict[str, Any]:
    """The paths, with the example of every `lang`."""
    for methods in paths.values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "lang":
                    parameter["example"] = language
    return paths


def _paths(examples: Examples, limits: Limits) -> dict[str, Any]:
    return {one.path: {"get": _operation(one, examples, limits)} for one in (*OWN, *DOCUMENTS, *PIXELS)}


def _process_paths(examples: Examples, limits: Limits) -> dict[str, Any]:
    """What is not only read of processes and jobs."""
    return process_paths(
        parameters=lambda one: _parameters(one, examples, limits),
        refusals=lambda statuses: {
            status: {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"} for status in statuses
        },
    )


def _merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """The methods of each path, from all parts."""
    found: dict[str, Any] = {}
    for part in parts:
        for path, methods in part.items():
            found.setdefault(path, {}).update(methods)
    return found


def _parameters(one: Operation, examples: Examples, limits: Limits) -> list[dict[str, Any]]:
    in_path = [
        _path_parameter(name, description, examples.path(name) or value)
        for name, (_, description, value) in PATH_PARAMETERS.items()
        if f"{{{name}}}" in one.path
    ]
    return [*in_path, *(_query_parameter(name, one, examples, limits) for name in one.parameters)]


def _operation(one: Operation, examples: Examples, limits: Limits) -> dict[str, Any]:
    is_document = one not in PIXELS
    in_path = "{" in one.path
    media_types = dict.fromkeys([*one.media_types, *one.formats.values()])
    headers = ["ETag", "Cache-Control", "Vary"] if is_document else ["ETag", "Cache-Control", *_PIXEL_HEADERS]
    responses: dict[str, Any] = {
        "200": {
            "description": one.summary,
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
            "content": {found: {"schema": answer_schema(one.path, found)} for found in media_types},
        },
    }
    refusals = ["304", *(["204"] if one.may_be_empty else []), "400", "401", "403"]
    refusals += ["404"] if in_path else []
    refusals += ["416"] if one.handler is processes.output else []
    refusals += ["422", "502"] if one.handler in (processes.results, processes.output) else []
    refusals += ["414", "429", "500", "503"] if is_document else ["413", "414", "429", "500", "502", "503", "507"]
    responses |= {status: {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"} for status in refusals}
    return {
        "operationId": one.operation_id or operation_id(one.path),
        "summary": one.summary,
        "tags": [one.tag],
        "parameters": _parameters(one, examples, limits),
        "responses": responses,
    }


def _catalogue(examples: Examples) -> dict[str, Any]:
    """The paths under `/catalogue`, with what holds for every operation."""
    everywhere = {
        status: {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"}
        for status in ("401", "403", "413", "414", "429", "500", "503")
    }
    return {
        path: {
            method: {
                "operationId": operation_id(path, method),
                **operation,
                "responses": {**everywhere, **operation["responses"]},
            }
            for method, operation in methods.items()
        }
        for path, methods in catalogue_paths(examples.catalogue).items()
    }


def operation_id(path: str, method: str = "get") -> str:
    """A name made of the path: `/collections/{collectionId}/items` is `getCollectionsCollectionIdItems`."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", path) if part] or ["LandingPage"]
    return method + "".join(part[0].upper() + part[1:] for part in parts)


def _query_parameter(name: str, one: Operation, examples: Examples, limits: Limits) -> dict[str, Any]:
    if name == "f":
        description = "Format of the answer; wins over the Accept header. Media types are taken as well."
        schema: Mapping[str, Any] = {"type": "string", "enum": list(one.formats)}
    else:
        description, schema = PARAMETERS[name]
    if name == "limit":
        # More than the most is no error (OGC 17-069r4, /req/core/fc-limit-response-1) but the longest page.
        schema = {**schema, **_page_lengths(one, limits)}
    found = {
        "name": name,
        "in": "query",
        "description": description,
        "required": name in one.required,
        "style": "form",
        "explode": False,
        "schema": schema,
    }
    example = examples.parameter(name, one.path)
    return found if example is None else {**found, "example": example}


def _page_lengths(one: Operation, limits: Limits) -> dict[str, int]:
    if one.handler is listing.collections_document:
        return {"maximum": max(limits.items, listing.PAGE), "default": listing.PAGE}
    whole = one.handler is edr.locations  # every place at once, as far as a page goes
    return {"maximum": limits.items, "default": limits.items if whole else limits.default_items}


def _path_parameter(name: str, description: str, example: str) -> dict[str, Any]:
    found = {"name": name, "in": "path", "required": True, "description": description, "schema": TEXT}
    return {**found, "example": example} if example else found


def _responses() -> dict[str, Any]:
    """Every answer that is no success, as a component."""
    content = {PROBLEM: {"schema": ref("Problem")}, HTML: {"schema": TEXT}}
    return {
        name: {"description": text} | ({"content": content} if status >= "400" else {})
        for status, (name, text) in _REFUSALS.items()
    }
