"""Areas in documents."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import shapely
from shapely.errors import GEOSException
from shapely.geometry import MultiPolygon, Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.globe import on_globe

MOST_VERTICES = 20_000
"""Of an area in a document."""


def read(document: Mapping[str, Any], parameter: str = "geometry") -> MultiPolygon:
    """A valid area on the globe from GeoJSON. Raises InvalidInput(parameter, ...)."""
    if document.get("type") not in ("Polygon", "MultiPolygon"):
        raise InvalidInput(
            parameter, f"must be a GeoJSON Polygon or MultiPolygon, got {str(document.get('type'))[:40]!r}"
        )
    try:
        found: BaseGeometry = shape(dict(document))
        vertices = int(shapely.get_num_coordinates(found))
    except (GEOSException, ValueError, TypeError, OverflowError, AttributeError, IndexError, KeyError) as error:
        raise InvalidInput(parameter, "its coordinates are not those of a polygon (RFC 7946, 3.1)") from error
    if vertices > MOST_VERTICES:
        raise InvalidInput(parameter, f"has {vertices:,} vertices, at most {MOST_VERTICES:,} are allowed")
    if found.is_empty or not all(math.isfinite(value) for value in found.bounds):
        raise InvalidInput(parameter, "must have coordinates, all of them finite")
    if not found.is_valid:
        raise InvalidInput(parameter, f"is not a valid area: {shapely.is_valid_reason(found)[:80]}")
    try:
        placed = on_globe(shapely.force_2d(found))
    except InvalidInput as error:
        raise InvalidInput(parameter, error.reason) from error
    if isinstance(placed, Polygon):
        placed = MultiPolygon([placed])
    if not isinstance(placed, MultiPolygon) or placed.is_empty:
        raise InvalidInput(parameter, "has no area on the globe")
    return placed


def write(one: BaseGeometry) -> dict[str, Any]:
    """A geometry as GeoJSON."""
    return {"type": one.geom_type, "coordinates": mapping(one)["coordinates"]}
