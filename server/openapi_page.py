"""What the API's page shows: the operations of the OpenAPI document, each with an address to try. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

NARROWING = ("datetime", "bbox")
"""Taken into an example although they are optional: a whole archive is a lot to ask for."""


def operations_by_tag(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """[{name, description, operations: [...]}] in the document's order."""
    found = {tag["name"]: {**tag, "operations": []} for tag in document["tags"]}
    for one in _operations(document):
        found[one["tag"]]["operations"].append(one)
    return [tag for tag in found.values() if tag["operations"]]


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation["responses"].get("200", {}).get("content", {})
            yield {
                "id": operation["operationId"],
                "tag": operation["tags"][0],
                "method": method,
                "path": path,
                "summary": operation["summary"],
                "parameters": [_parameter(one) for one in operation["parameters"]],
                "media_types": [media_type.partition(";")[0] for media_type in content],
                "statuses": list(operation["responses"]),
                "address": _address(document["servers"][0]["url"], path, operation) if method == "get" else "",
            }


def _parameter(one: Mapping[str, Any]) -> dict[str, Any]:
    schema = one["schema"]
    return {
        "name": one["name"],
        "place": one["in"],
        "required": one.get("required", False),
        "description": one.get("description", ""),
        "type": _type_of(schema),
        "example": _text(one["example"]) if "example" in one else "",
    }


def _type_of(schema: Mapping[str, Any]) -> str:
    """`integer from 1 to 1000, else 10`, `png or geotiff`, `4 to 6 numbers`."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"{schema['items'].get('type', 'value')}, …"
    words = [str(schema.get("type", "text"))]
    if "minimum" in schema:
        words.append(f"from {schema['minimum']}")
    if "maximum" in schema:
        words.append(f"to {schema['maximum']}")
    return " ".join(words) + (f", else {schema['default']}" if "default" in schema else "")


def _address(base: str, path: str, operation: Mapping[str, Any]) -> str:
    """An address that answers; empty when a value that it needs has no example."""
    query = {}
    for one in operation["parameters"]:
        wanted = one.get("required") or (one["name"] in NARROWING and not path.startswith("/catalogue"))
        if one["in"] == "path":
            if "example" not in one:
                return ""
            path = path.replace(f"{{{one['name']}}}", quote(_text(one["example"]), safe=""))
        elif wanted and "example" in one:
            query[one["name"]] = _text(one["example"])
        elif one.get("required"):
            return ""
    return base + path + (f"?{urlencode(query, safe=':,()/', quote_via=quote)}" if query else "")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
