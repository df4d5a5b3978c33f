"""The schema of a merge patch (RFC 7396) from the schema of what it changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]


def merge_patch(schema: Schema, known: Mapping[str, Schema]) -> dict[str, Any]:
    """Objects may lack any member; null gives back a member's default, so those without one take none.

    Whatever is no object is replaced as a whole. `known` are the schemas that references name.
    """
    found = _resolved(schema, known)
    if "properties" in found and found.get("additionalProperties") is False:
        required = found.get("required", ())
        members = {
            name: merge_patch(member, known) if name in required else _nullable(merge_patch(member, known))
            for name, member in found["properties"].items()
        }
        return {**{name: value for name, value in found.items() if name != "required"}, "properties": members}
    if isinstance(found.get("additionalProperties"), Mapping):
        return {**found, "additionalProperties": _nullable(found["additionalProperties"])}
    if "discriminator" in found:  # whichever it is, some of its members
        return {"type": "object", **({"description": found["description"]} if "description" in found else {})}
    return found


def _resolved(schema: Schema, known: Mapping[str, Schema]) -> dict[str, Any]:
    """Without the reference that it is, or that stands alone under `allOf`."""
    found = dict(schema)
    if len(found.get("allOf", ())) == 1:
        [inner] = found.pop("allOf")
        found = {**inner, **found}
    if "$ref" in found:
        named = known[found.pop("$ref").rpartition("/")[2]]
        return {**_resolved(named, known), **found}
    return found


def _nullable(schema: Schema) -> dict[str, Any]:
    found = {name: value for name, value in schema.items() if name != "default"}
    if "enum" in found and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]  # else it would still exclude null (OpenAPI 3.0.3)
    return {**found, "nullable": True}
