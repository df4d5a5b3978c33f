"""Footprints in the CRS that a client asks for, as GeoJSON (OGC 18-058r1, 6.3: axes in the order of the CRS)."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, box, mapping
from shapely.geometry.base import BaseGeometry

from prismcube.model.globe import polygons
from prismcube.model.grid import CRS84, is_north_first, parse_crs, transformer

FARTHEST_METRES = 5e7
"""The Earth's circumference, and what projections add to their eastings."""


def geometry_document(footprint: MultiPolygon, *, crs: str) -> dict[str, Any] | None:
    """A footprint in longitude and latitude as GeoJSON of another CRS, a single polygon as one.

    What lies beyond the area that the CRS is made for is cut off where it has no place there; None: all of it is.
    """
    moved = footprint if crs == CRS84 else _moved(footprint, crs)
    if moved is None:
        return None
    shape: BaseGeometry = moved.geoms[0] if len(moved.geoms) == 1 else moved
    return mapping(shape)


def _moved(footprint: MultiPolygon, crs: str) -> MultiPolygon | None:
    found = _transformed(footprint, crs)
    if not _is_somewhere(found, crs):
        area = parse_crs(crs).area_of_use
        if area is None or area.west > area.east:
            return None
        within = polygons(shapely.intersection(footprint, box(*area.bounds)))
        found = _transformed(within, crs)
        if within.is_empty or not _is_somewhere(found, crs):
            return None
    return found


def _transformed(footprint: MultiPolygon, crs: str) -> MultiPolygon:
    to_crs, swap = transformer(CRS84, crs), is_north_first(crs)

    def move(xy: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        x, y = to_crs.transform(xy[:, 0], xy[:, 1])
        return np.column_stack((y, x) if swap else (x, y))

    return shapely.transform(footprint, move)


def _is_somewhere(footprint: MultiPolygon, crs: str) -> bool:
    """True when all of it lies within a turn round the Earth; what lies at a pole of a Mercator is much farther."""
    scale = parse_crs(crs).axis_info[0].unit_conversion_factor  # metres, or radians
    return bool((np.abs(shapely.get_coordinates(footprint)) * scale <= FARTHEST_METRES).all())
