"""JSON Schemas in the words of other standards. Pure."""

from __future__ import annotations

from typing import Any


def for_openapi(schema: Any) -> Any:
    """JSON Schema 2020-12 in the words of OpenAPI 3.0, which knows no null type, no const and other limits."""
    if isinstance(schema, list):
        return [for_openapi(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: for_openapi(value) for name, value in schema.items()}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    for bound, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(bound), int | float) and not isinstance(found[bound], bool):
            found[plain], found[bound] = found[bound], True
    kinds = found.get("type")
    if isinstance(kinds, list):
        del found["type"]
        found["anyOf"] = [{"type": one} for one in kinds]
    options = found.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        others = [one for one in options if one != {"type": "null"}]
        del found["anyOf"]
        found |= {"nullable": True} | ({"anyOf": others} if len(others) != 1 else _wrapped(others[0]))
    if "$ref" in found and len(found) > 1:  # in 3.0, what stands beside a reference is ignored
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found


def _wrapped(one: dict[str, Any]) -> dict[str, Any]:
    return {"allOf": [one]} if "$ref" in one else one
