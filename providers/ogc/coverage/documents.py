"""What describes a coverage: its domain, its fields, and both as clients of older drafts want them.

schema        JSON Schema of the fields (OGC API - Features part 5, OGC 23-058; Coverages 19-087, schema)
domain_set    axes, bounds and pixel size (CIS 1.1, OGC 09-146r8), for GDAL's OGCAPI driver among others
range_type    the fields as a SWE DataRecord (OGC 08-094r1)
"""

from __future__ import annotations

from typing import Any

from prismcube.errors import NotFound
from prismcube.model.collection import Collection, ComputedField, Field
from prismcube.model.formats import DataFormat
from prismcube.model.grid import crs_uri, is_north_first, parse_crs
from prismcube.model.period import format_instant
from providers.ogc.answer import Context, Request
from providers.ogc.params import Query

SCHEMA_MEDIA_TYPE = "application/schema+json"

MOST_TIMES = 10_000
"""Coordinates of the time axis that a domain set lists; beyond, it tells the first and the last."""

_SWE_TYPES = {
    "uint8": "UINT8", "int8": "INT8", "uint16": "UINT16", "int16": "INT16", "uint32": "UINT32", "int32": "INT32",
    "float32": "FLOAT32", "float64": "FLOAT64",
}  # fmt: skip
"""As GDAL's OGCAPI driver reads them."""


def schema(context: Context, request: Request, name: str) -> dict[str, Any]:
    """The fields of a collection as properties of a JSON Schema, in the order of the bands.

    Raises NotFound, UnknownParameter.
    """
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{request.base}/collections/{collection.name}/schema",
        "type": "object",
        "title": collection.title or collection.name,
        "description": collection.description,
        "properties": {one.name: _property(one, place) for place, one in enumerate(collection.fields, 1)},
        "additionalProperties": False,
    }


def _property(field: Field, place: int) -> dict[str, Any]:
    document: dict[str, Any] = {
        "title": field.description or field.name,
        "type": "number" if field.format.is_floating else "integer",
        "format": _format_name(field.format),
        "x-ogc-propertySeq": place,
        "x-ogc-definition": field.name,
    }
    if field.unit:
        document |= {"x-ogc-unit": field.unit, "x-ogc-unitLang": "UCUM"}
    if field.format.minimum is not None and field.format.maximum is not None:
        document |= {"minimum": field.format.minimum, "maximum": field.format.maximum}
    if field.format.nodata is not None and field.format.nodata == field.format.nodata:
        document["x-ogc-nilValues"] = [field.format.nodata]
    if isinstance(field, ComputedField):
        document["description"] = f"computed: {field.expression.text}"
    return document


def _format_name(format: DataFormat) -> str:
    """As OpenAPI's registry of formats has them: `uint16`, `float`, `double`."""
    return {"float32": "float", "float64": "double"}.get(format.dtype, format.dtype)


def domain_set(context: Context, request: Request, name: str) -> dict[str, Any]:
    """The native grid and the times of a collection.

    `axisLabels` are in the order of the CRS. So is `axis` for degrees, but x comes before y for metres: which is what
    GDAL's driver reads, and each axis has its label.

    Raises NotFound, also for a collection without data, and UnknownParameter.
    """
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    if collection.extent is None:
        raise NotFound("domain set of", name)
    native = collection.extent.native
    geographic = parse_crs(native.crs).is_geographic
    x, y = ("Lon", "Lat") if geographic else ("E", "N")
    unit = "deg" if geographic else parse_crs(native.crs).axis_info[0].unit_name
    (west, south, east, north), (dx, dy) = native.bounds.as_tuple(), native.resolution
    axes = [_axis(x, west, east, dx, unit), _axis(y, south, north, dy, unit)]
    north_first = is_north_first(native.crs)
    return {
        "type": "DomainSet",
        "generalGrid": {
            "type": "GeneralGridCoverage",
            "srsName": crs_uri(native.crs),
            "axisLabels": [*([y, x] if north_first else [x, y]), "time"],
            "axis": [*(reversed(axes) if north_first and geographic else axes), _time_axis(context, collection)],
            "gridLimits": {
                "type": "GridLimits",
                "axisLabels": ["i", "j"],
                "axis": [
                    {"type": "IndexAxis", "axisLabel": "i", "lowerBound": 0, "upperBound": native.width - 1},
                    {"type": "IndexAxis", "axisLabel": "j", "lowerBound": 0, "upperBound": native.height - 1},
                ],
            },
        },
    }


def _axis(label: str, low: float, high: float, resolution: float, unit: str) -> dict[str, Any]:
    return {
        "type": "RegularAxis",
        "axisLabel": label,
        "lowerBound": low,
        "upperBound": high,
        "resolution": resolution,
        "uomLabel": unit,
    }


def _time_axis(context: Context, collection: Collection) -> dict[str, Any]:
    times = context.catalogue.collections.times(collection, limit=MOST_TIMES + 1)
    if len(times) > MOST_TIMES and collection.extent is not None:
        ends = [format_instant(collection.extent.start), format_instant(collection.extent.end)]
        return {"type": "IrregularAxis", "axisLabel": "time", "lowerBound": ends[0], "upperBound": ends[1]}
    return {"type": "IrregularAxis", "axisLabel": "time", "coordinate": [format_instant(one) for one in times]}


def range_type(context: Context, request: Request, name: str) -> dict[str, Any]:
    """The stored fields, which a coverage has unless `properties` says otherwise. Raises NotFound, UnknownParameter."""
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    fields = collection.stored_fields or collection.fields
    return {"type": "DataRecord", "field": [_quantity(one) for one in fields]}


def _quantity(field: Field) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": "Quantity",
        "name": field.name,
        "description": field.description or field.name,
        "definition": _SWE_TYPES[field.format.dtype],
    }
    if field.unit:
        document["uom"] = {"type": "UnitReference", "code": field.unit}
    return document
