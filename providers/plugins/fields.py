"""Fields of a collection as pygeoapi describes them: JSON Schema, a title and a unit."""

from __future__ import annotations

from typing import Any

from prismcube.model.collection import Collection

Fields = dict[str, dict[str, Any]]


def pixel_fields(collection: Collection) -> Fields:
    """Of coverages and series: numbers, with their unit under the name that pygeoapi's EDR part reads."""
    return {
        one.name: {
            "type": "number" if one.format.is_floating else "integer",
            "title": one.description or one.name,
            "x-ogc-unit": one.unit,
        }
        for one in collection.fields
    }


def item_fields(collection: Collection) -> Fields:
    """Of items: their name and time, and the tags that every one of them has."""
    own: Fields = {"name": {"type": "string"}, "datetime": {"type": "string", "format": "date-time"}}
    return own | {key: {"type": "string"} for key in collection.record_tags if key not in own}
