"""Fields of pixels as pygeoapi describes them: JSON Schema, a title and a unit."""

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
