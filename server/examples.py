"""Examples for the OpenAPI document that work on this very server: a collection that holds data, and what lies in it.

A handful of statements however large the catalogue is; nothing of the archive is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import morecantile
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection, Extent
from prismcube.model.entities import Record
from prismcube.model.footprint import footprint
from prismcube.model.grid import CRS84, crs_uri, parse_crs
from prismcube.model.pattern import Pattern
from prismcube.model.period import format_instant
from providers.ogc.answer import Context
from server.examples_catalogue import CatalogueExamples, find_catalogue_examples

LOOKED_AT = 20
"""Collections that are looked at for one that holds data, at most."""
TILE_MATRIX_SET = "WebMercatorQuad"
_TMS = morecantile.tms.get(TILE_MATRIX_SET)
_METRES_A_DEGREE = 111_320.0
_SHARE = 0.2
"""Side of the example's box, as part of the extent's."""


@dataclass(frozen=True)
class Examples:
    """Values that fit together: each alone, and all with the same time and place, answer with data."""

    paths: tuple[tuple[str, str], ...]
    """Path parameters and their values."""
    query: tuple[tuple[str, Any], ...] = ()
    """Query parameters and their values, which hold for every operation that takes them..."""
    coords: tuple[tuple[str, str], ...] = ()
    """...but `coords`: its value by the last part of the path."""
    catalogue: CatalogueExamples = field(default_factory=CatalogueExamples)
    """Those of `/catalogue`."""

    def path(self, name: str) -> str | None:
        return dict(self.paths).get(name)

    def parameter(self, name: str, path: str) -> Any:
        """The value of a query parameter in the operation of a path, None when there is no good one."""
        if name == "coords":
            return dict(self.coords).get(path.rpartition("/")[2])
        if name == "subset" and "/map/tiles/" in path:  # a tile has its place; only its time can be chosen
            return f'datetime("{dict(self.query)["datetime"]}")' if self.query else None
        if name == "crs":
            # Of a coverage, the CRS of the answer; of an EDR query, that of `coords`.
            return dict(self.query).get("crs" if path.endswith("/coverage") else "bbox-crs")
        if name == "properties" and path.endswith("/items"):
            return "name"  # of an item, not of a pixel
        return dict(self.query).get(name)


NONE = Examples(paths=(("collectionId", "none"),))
"""For a server that has no data, or shows none to the caller."""


def find_examples(context: Context) -> Examples:
    """Of the first collection by name that the caller may read and that holds data, and of the catalogue."""
    return replace(_of_collections(context), catalogue=find_catalogue_examples(context))


def _of_collections(context: Context) -> Examples:
    for collection in context.catalogue.collections.list(access=context.access, limit=LOOKED_AT):
        if collection.extent is not None:
            return next(_of(context, collection, collection.extent), NONE)
    return NONE


def _of(context: Context, collection: Collection, extent: Extent) -> Iterator[Examples]:
    """One set of examples; none when the catalogue has changed meanwhile."""
    for record, area in context.catalogue.records.items(collection, limit=1):
        yield Examples(
            paths=tuple(_path_values(collection, extent, record, area).items()),
            query=tuple(_query_values(collection, extent, record, area).items()),
            coords=tuple(_coords(extent, area).items()),
        )


def _path_values(collection: Collection, extent: Extent, record: Record, area: BaseGeometry) -> dict[str, str]:
    place = _place(extent, area)
    metres = _degrees(extent) * _METRES_A_DEGREE
    level = min(_TMS.zoom_for_res(max(metres, 0.1)), _TMS.maxzoom)
    tile = _TMS.tile(place.x, place.y, level)
    return {
        "collectionId": collection.name,
        "itemId": str(record.id),
        "locationId": str(record.aoi_id or 1),
        "tileMatrixSetId": TILE_MATRIX_SET,
        "tileMatrix": str(tile.z),
        "tileRow": str(tile.y),
        "tileCol": str(tile.x),
    }


def _query_values(collection: Collection, extent: Extent, record: Record, area: BaseGeometry) -> dict[str, Any]:
    west, south, east, north = _box(extent, area)
    field = collection.fields[0].name
    east_axis, north_axis = ("Lon", "Lat") if parse_crs(extent.native.crs).is_geographic else ("E", "N")
    time = format_instant(record.time)
    pixel = [f"{2 * side:.10g}" for side in extent.native.resolution]
    return {
        "bbox": (west, south, east, north),
        "bbox-crs": crs_uri(CRS84),
        "crs": crs_uri(extent.native.crs),
        "subset": f"Lon({west:.10g}:{east:.10g}),Lat({south:.10g}:{north:.10g})",
        "subset-crs": crs_uri(CRS84),
        "center": f"{(west + east) / 2:.10g},{(south + north) / 2:.10g}",
        "center-crs": crs_uri(CRS84),
        "scale-denominator": 50_000,
        "transparent": False,
        "bgcolor": "0xFFFFFF",
        "datetime": time,
        "properties": field,
        "parameter-name": field,
        "parameter_names": field,
        "resolution": f"{east_axis}({pixel[0]}),{north_axis}({pixel[1]})",
        "scale-factor": 2,
        "scale-axes": f"{east_axis}(2),{north_axis}(2)",
        "scale-size": f"{east_axis}(64),{north_axis}(64)",
        "scaleSize": f"{east_axis}(64),{north_axis}(64)",
        "width": 64,
        "height": 64,
        "mask": "none",
        "group": "day",
        "mosaic": "last",
        "resampling": "nearest",
        "reducer": "mean",
        "within": 2,
        "within-units": "km",
        "corridor-width": 2,
        "width-units": "km",
        "resolution-x": 16,
        "resolution-y": 16,
        "limit": 2,
        **({"exclude-properties": collection.fields[-1].name} if len(collection.fields) > 1 else {}),
        "name": Pattern.literal(record.name).text,
        "sortby": "-datetime",
        "q": (re.findall(r"\w+", collection.title) or [collection.name])[0],
    }


def _coords(extent: Extent, area: BaseGeometry) -> dict[str, str]:
    """Well-known text by the kind of EDR query."""
    place, box = _place(extent, area), _box(extent, area)
    x, y = f"{place.x:.10g}", f"{place.y:.10g}"
    west, south, east, north = (f"{side:.10g}" for side in box)
    point = f"POINT({x} {y})"
    line = f"LINESTRING({west} {south},{x} {y},{east} {north})"
    ring = f"{west} {south},{east} {south},{east} {north},{west} {north},{west} {south}"
    return {
        "position": point,
        "radius": point,
        "area": f"POLYGON(({ring}))",
        "trajectory": line,
        "corridor": line,
    }


def _place(extent: Extent, area: BaseGeometry) -> Point:
    """A point well inside the data, in longitude and latitude, with decimals for about a third of a pixel."""
    inside = area.intersection(footprint(extent.native))
    point = (area if inside.is_empty else inside).representative_point()
    digits = max(1, math.ceil(-math.log10(_degrees(extent) / 3)))
    return Point(round(point.x, digits), round(point.y, digits))


def _box(extent: Extent, area: BaseGeometry) -> tuple[float, float, float, float]:
    """Around the point: a fifth of the collection's sides, at most 200 of its pixels."""
    place, bounds = _place(extent, area), extent.bounds
    most = 100 * _degrees(extent)
    half = min(most, _SHARE / 2 * min(bounds.east - bounds.west, bounds.north - bounds.south))
    digits = max(1, math.ceil(-math.log10(_degrees(extent) / 3)))
    return (
        round(place.x - half, digits),
        round(place.y - half, digits),
        round(place.x + half, digits),
        round(place.y + half, digits),
    )


def _degrees(extent: Extent) -> float:
    """About the width of a pixel, in degrees of latitude."""
    native = extent.native
    try:
        bounds = native.bounds.to_crs(native.crs, CRS84)
    except InvalidInput:  # around a pole: no such box
        bounds = extent.bounds
    return max((bounds.north - bounds.south) / native.height, 1e-7)
