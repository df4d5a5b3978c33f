"""The part of the OpenAPI document that describes `/catalogue`; schemas come from the models of the documents."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from prismcube.model.entities import DatasetStatus
from providers.catalogue import handlers, operations
from providers.catalogue.filters import DESCRIPTIONS
from providers.catalogue.resource import Resource
from providers.catalogue.resources import RESOURCES
from providers.schemas import for_openapi
from server.examples_catalogue import CatalogueExamples
from server.merge_patch import merge_patch
from server.problems import MEDIA_TYPE as PROBLEM

JSON = "application/json"
HTML = "text/html"
LANGUAGE = "Language of the page, one of those that the server is configured for."
TEXT = {"type": "string"}
REFERENCE = "#/components/schemas/{model}"
STORED = "Stored"
"""Begins the names of schemas of what is read."""
CHANGE = "Change"
"""Ends the names of schemas of merge patches."""

ETAG = {"ETag": {"description": "Send it as If-Match to change only what you have seen.", "schema": TEXT}}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "ETag of what was read; 412 when it has changed since.",
    "schema": TEXT,
    "example": "*",
}
_REFUSALS = {
    "400": "A parameter or member is unknown or wrong; `parameter` names it",
    "403": "The catalogue is only read here",
    "404": "There is none, or something that it refers to is missing",
    "405": "Such an entity never changes",
    "409": "It exists already, something refers to it, or it can't change so; `detail` says which",
    "412": "It has changed since it was read",
    "415": "The body is not JSON",
}


def catalogue_paths(examples: CatalogueExamples) -> dict[str, Any]:
    """Every path under `/catalogue`."""
    grids = RESOURCES["grids"]
    paths: dict[str, Any] = {
        "/catalogue": {"get": _reading("The kinds of entities", [], _object(), refusals=("400",))},
        "/catalogue/containers/layouts": {
            "get": _reading(
                "Layouts in which a set of containers is written",
                _queries("containers", RESOURCES["containers"].filters, examples),
                _object(),
                refusals=("400", "404"),
            )
        },
        "/catalogue/grids/{id}/cells": {
            "get": _reading(
                "Cells of a grid",
                [_key(grids, examples), *_queries("grids", ("bbox",), examples), *_paging(examples)],
                {operations.GEOJSON: {"schema": {"type": "object"}}},
                refusals=("400", "404"),
            )
        },
        "/catalogue/layouts/tiles": {
            "post": _operation(
                "The tiles of a layout that an area touches, as a stream of features",
                [],
                {operations.SEQUENCE: {"schema": TEXT}},
                body=_reference(operations.Tiles),
                refusals=("400", "404", "415"),
            )
        },
    }
    for path, (model, _) in operations.OPERATIONS.items():
        refusals = ("400", "403", "404", "409", "415")
        summary = _summary(model)
        paths[f"/catalogue/{path}"] = {
            "post": _operation(summary, [], _object(), body=_reference(model), refusals=refusals)
        }
    for one in RESOURCES.values():
        paths |= _resource_paths(one, examples)
    return paths


def catalogue_schemas() -> dict[str, Any]:
    """The schemas of all documents, in the words of OpenAPI 3.0."""
    models: list[type[BaseModel]] = [one.model for one in RESOURCES.values()]
    models += [operations.DeleteMany, operations.Tiles, *(model for model, _ in operations.OPERATIONS.values())]
    _, document = models_json_schema([(one, "validation") for one in models], ref_template=REFERENCE)
    schemas = {name: for_openapi(schema) for name, schema in document["$defs"].items()}
    stored = {f"{STORED}{one.model.__name__}": _stored(schemas[one.model.__name__]) for one in RESOURCES.values()}
    changes = {
        f"{one.model.__name__}{CHANGE}": merge_patch(schemas[one.model.__name__], schemas)
        for one in RESOURCES.values()
        if one.changeable
    }
    return schemas | stored | changes


def _stored(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what is read: what was written, with what the server adds and without what it keeps elsewhere."""
    found = {name: value for name, value in schema.items() if name != "required"}
    return {**found, "additionalProperties": True, "properties": {"id": {}, **found["properties"]}, "required": ["id"]}


def _resource_paths(one: Resource[Any, Any], examples: CatalogueExamples) -> dict[str, Any]:
    document = {JSON: {"schema": {"$ref": REFERENCE.format(model=f"{STORED}{one.model.__name__}")}}}
    own = f"/catalogue/{one.name}"
    names_others = {"aoi", "layout"} & set(one.filters)  # those that must be there
    listed = _reading(
        f"{one.kind.capitalize()}s, a page at a time",
        [*_queries(one.name, one.filters, examples), *_paging(examples)],
        _object(),
        refusals=("400", "404") if names_others else ("400",),
    )
    paths: dict[str, Any] = {own: {"get": listed}}
    if one.creates:
        paths[own]["post"] = _operation(
            f"Store a new {one.kind}",
            [],
            _or_ids(document) if one.creates_many else document,
            body=_reference(one.model),
            many=one.creates_many,
            status="201",
            headers={**ETAG, "Location": {"schema": TEXT}},
            refusals=("400", "403", "404", "409", "415"),
        )
    paths[f"{own}/delete"] = {
        "post": _operation(
            _summary(operations.DeleteMany),
            [],
            _object(),
            body=_reference(operations.DeleteMany),
            refusals=("400", "403", "404", "409", "415"),
        )
    }
    key = _key(one, examples)
    single: dict[str, Any] = {
        "get": _reading(f"One {one.kind}", [key], document, headers=ETAG, refusals=("400", "404")),
        "delete": _operation(
            f"Remove the {one.kind}", [key, IF_MATCH], {}, status="204", refusals=("403", "404", "409", "412")
        ),
    }
    if one.changeable:
        refusals = ("400", "403", "404", "409", "412", "415")
        parameters = [key, IF_MATCH]
        single["put"] = _operation(
            f"Replace the {one.kind}", parameters, document, body=_reference(one.model), headers=ETAG, refusals=refusals
        )
        single["patch"] = _operation(
            f"Change some members of the {one.kind} (RFC 7396)",
            parameters,
            document,
            body={"$ref": REFERENCE.format(model=f"{one.model.__name__}{CHANGE}")},
            body_type=handlers.MERGE_PATCH,
            headers=ETAG,
            refusals=refusals,
        )
    paths[f"{own}/{{{_key_name(one)}}}"] = single
    return paths


def _reading(summary: str, parameters: list[dict[str, Any]], content: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What is read comes as a page as well."""
    form = {"type": "string", "enum": ["json", "html"]}
    own = [
        _query("f", "Format of the answer; wins over the Accept header.", form, None),
        _query("lang", LANGUAGE, TEXT, None),
    ]
    return _operation(summary, [*parameters, *own], {**content, HTML: {"schema": TEXT}}, **more)


def _operation(
    summary: str,
    parameters: list[dict[str, Any]],
    content: dict[str, Any],
    *,
    body: dict[str, Any] | None = None,
    body_type: str = JSON,
    many: bool = False,
    status: str = "200",
    headers: dict[str, Any] | None = None,
    refusals: tuple[str, ...] = (),
) -> dict[str, Any]:
    refusal = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    success: dict[str, Any] = {"description": summary}
    if content:
        success["content"] = content
    if headers:
        success["headers"] = headers
    responses = {status: success} | {code: {"description": _REFUSALS[code], "content": refusal} for code in refusals}
    operation: dict[str, Any] = {"summary": summary, "tags": ["catalogue"], "parameters": parameters}
    if body is not None:
        schema = {"oneOf": [body, {"type": "array", "items": body}]} if many else body
        operation["requestBody"] = {"required": True, "content": {body_type: {"schema": schema}}}
    return {**operation, "responses": responses}


def _or_ids(document: dict[str, Any]) -> dict[str, Any]:
    """What is answered where a list is stored too: the ids of the list."""
    ids = {"type": "array", "items": {"type": "integer"}}
    listed = {"type": "object", "required": ["ids"], "properties": {"ids": ids}, "additionalProperties": False}
    return {JSON: {"schema": {"anyOf": [document[JSON]["schema"], listed]}}}


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0].rstrip(".")


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _object() -> dict[str, Any]:
    return {JSON: {"schema": {"type": "object"}}}


def _queries(kind: str, names: tuple[str, ...], examples: CatalogueExamples) -> list[dict[str, Any]]:
    return [_query(name, DESCRIPTIONS[name], _schema(name), examples.parameter(name, kind)) for name in names]


def _schema(name: str) -> dict[str, Any]:
    match name:
        case "tags":
            return {"type": "array", "items": TEXT}
        case "bbox":
            return {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number"}}
        case "managed":
            return {"type": "boolean"}
        case "variable" | "instance" | "aoi":
            return {"type": "integer", "minimum": 0}
        case "status":
            return {"type": "string", "enum": [one.value for one in DatasetStatus]}
    return TEXT


def _paging(examples: CatalogueExamples) -> list[dict[str, Any]]:
    limit = {"type": "integer", "minimum": 1, "maximum": handlers.MOST, "default": handlers.DEFAULT_LIMIT}
    return [
        _query("limit", "Entities on a page.", limit, examples.parameter("limit", "")),
        _query("after", "Cursor of a `next` link.", TEXT, None),
    ]


def _query(name: str, description: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "in": "query", "description": description, "schema": schema}
    if name == "bbox":
        found |= {"style": "form", "explode": False}
    return found if example is None else {**found, "example": example}


def _key_name(one: Resource[Any, Any]) -> str:
    return "name" if one.by_name else "id"


def _key(one: Resource[Any, Any], examples: CatalogueExamples) -> dict[str, Any]:
    schema = TEXT if one.by_name else {"type": "integer"}
    found = {
        "name": _key_name(one),
        "in": "path",
        "required": True,
        "description": f"{'Name' if one.by_name else 'Id'} of the {one.kind}",
        "schema": schema,
    }
    example = examples.key(one.name)
    return found if example is None else {**found, "example": example}
