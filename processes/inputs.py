"""Inputs that several processes have."""

from __future__ import annotations

from typing import Any

from processes.process import Input
from processes.shared import text

_TEXT = text(500)

_RANGES: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": 100_000,
    "items": {
        "oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,15}(-[0-9]{1,15})?$"}]
    },
}

INSTANCES = Input(
    title="Instances",
    description="Whose datasets are meant, each as variable/instance; without them those of the collection.",
    schema={"type": "array", "minItems": 1, "maxItems": 1000, "uniqueItems": True, "items": _TEXT},
    example=["s2-reflectance/l2a"],
)

COLLECTION = Input(
    title="Collection",
    description="In place of instances: those of the fields of this collection, and its filter of records.",
    schema=_TEXT,
    example="s2-romania",
)

RECORDS = Input(
    title="Records",
    description="Ids of records, or ranges of them, both ends included.",
    schema=_RANGES,
    example=[3, "12-40"],
)

DATASETS = Input(
    title="Datasets",
    description="Ids of datasets, or ranges of them, both ends included.",
    schema=_RANGES,
    example=["12-40"],
)

FILTER = Input(
    title="Filter of records",
    description="Patterns of names and tags (`*`, `?`), a time or interval (RFC 3339), and a box in degrees that the "
    "datasets touch: west, south, east, north. All that is given must hold.",
    schema={
        "type": "object",
        "properties": {
            "name": _TEXT,
            "tags": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 500}},
            "datetime": {"type": "string", "maxLength": 100},
            "bbox": {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number"}},
        },
        "additionalProperties": False,
    },
    example={"tags": {"constellation": "sentinel-2"}, "datetime": "2020-01-01/2020-12-31"},
)

SIMULATE = Input(
    title="Simulate",
    description="True: only say what would change.",
    schema={"type": "boolean", "default": False},
    example=True,
)
