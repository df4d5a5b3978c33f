"""`/collections/{c}/queryables`: the properties that items are filtered by (OGC API - Features part 3, 19-079r2).

Every tag of a record is a property, and every property a parameter of `/items`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from prismcube.catalogue.items import SAMPLE
from providers.ogc.answer import Context, Request
from providers.ogc.item_query import PARAMETERS
from providers.ogc.params import Query

MEDIA_TYPE = "application/schema+json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def queryables(context: Context, request: Request, name: str) -> dict[str, Any]:
    """A JSON Schema of the properties. Raises NotFound, UnknownParameter."""
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    keys = context.catalogue.records.keys(collection)
    tags = {
        key: {
            "title": key,
            "type": "string",
            "description": "A tag; `*` and `?` stand for any characters, and for one.",
        }
        for key in keys
        if key not in PARAMETERS
    }
    return {
        "$schema": DIALECT,
        "$id": f"{request.base}/collections/{quote(collection.name)}/queryables",
        "type": "object",
        "title": collection.title or collection.name,
        "description": f"Tags are those of the first and last {SAMPLE} items; others may be asked for as well.",
        "properties": {
            "geometry": {
                "title": "Footprint",
                "format": "geometry-multipolygon",
                "x-ogc-role": "primary-geometry",
                "description": "Ask by `bbox`.",
            },
            "datetime": {
                "title": "Time",
                "type": "string",
                "format": "date-time",
                "x-ogc-role": "primary-instant",
                "description": "An instant or a period.",
            },
            "name": {
                "title": "Name",
                "type": "string",
                "description": "`*` and `?` stand for any characters, and for one.",
            },
            **tags,
        },
        "additionalProperties": True,
    }
