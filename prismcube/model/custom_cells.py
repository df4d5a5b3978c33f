"""Cells of grids that the catalogue keeps by name, such as MGRS, and how they are read from GeoJSON."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import MultiPoint, MultiPolygon, Polygon, box, mapping, shape
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_number, check_slug, elements, members
from prismcube.model.globe import on_globe, polygons
from prismcube.model.grid import CRS84, FARTHEST, Bounds, transformer
from prismcube.model.layout import LARGEST, SMALLEST, check_crs

BOX_SHARE = 0.98
"""Of its bounds that a cell fills at least which is said to be a box."""

Points = npt.NDArray[np.float64]
"""x and y, of shape (points, 2)."""

POINTS = 33
"""Along each side of a cell, of its footprint."""


@dataclass(frozen=True, kw_only=True)
class CustomCell:
    """A cell of a grid that the catalogue keeps by name."""

    id: str
    crs: str
    """In which its tiles are; see `prismcube.model.grid.crs_name`."""
    footprint: MultiPolygon
    """Longitude, latitude; on the globe."""
    bounds: Bounds | None = None
    """In `crs`, when the cell is exactly this box; None: it is its footprint."""

    def __post_init__(self) -> None:
        check_slug("id", self.id)
        object.__setattr__(self, "crs", check_crs(self.crs))
        object.__setattr__(self, "footprint", area_on_globe(self.footprint, "footprint"))

    def to_json(self) -> dict[str, Any]:
        """A GeoJSON feature."""
        bounds = {} if self.bounds is None else {"bounds": list(self.bounds.as_tuple())}
        properties = {"id": self.id, "crs": self.crs} | bounds
        return {"type": "Feature", "properties": properties, "geometry": mapping(self.footprint)}

    @classmethod
    def from_json(cls, document: object) -> CustomCell:
        feature = members(document, "cell", required={"type", "properties", "geometry"})
        given = members(feature["properties"], "properties", required={"id", "crs"}, optional={"bounds"})
        if given.get("bounds") is not None:
            corners = [check_number("bounds", one) for one in elements("bounds", given["bounds"])]
            if len(corners) != 4:
                raise InvalidInput("bounds", f"must be 4 numbers, got {len(corners)}")
            given["bounds"] = Bounds(*corners)
        return cls(**given, footprint=_geometry(feature["geometry"]))


def custom_cells(
    document: object, *, id_property: str = "id", crs_property: str | None = "crs", snap: float | None = None
) -> tuple[CustomCell, ...]:
    """The cells of a GeoJSON feature collection, in its order. Features with the same id are parts of one cell.

    `crs_property` holds an EPSG number or the text of a CRS; None: the UTM zone is in the id, as in MGRS (`32TNT`).
    With `snap`, each cell is a box of its CRS with corners at multiples of `snap`, in CRS units, and the geometry's
    vertices tell which: so the tiles of Sentinel-2 get the very pixels of its images. Without, it is its geometry.

    Raises InvalidInput.
    """
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise InvalidInput("cells", "must be a GeoJSON feature collection")
    found: dict[str, tuple[str, list[MultiPolygon]]] = {}
    for feature in elements("features", document.get("features")):
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(properties, dict) or id_property not in properties:
            raise InvalidInput("cells", f"a feature has no property {id_property!r}")
        name = str(properties[id_property])
        crs = _utm(name) if crs_property is None else _crs_of(name, properties.get(crs_property))
        known, parts = found.setdefault(name, (crs, []))
        if known != crs:
            raise InvalidInput("cells", f"{name!r} has two CRSs, {known} and {crs}")
        parts.append(_geometry(feature.get("geometry")))
    return tuple(_custom_cell(name, crs, parts, snap) for name, (crs, parts) in found.items())


def area_on_globe(area: BaseGeometry, parameter: str) -> MultiPolygon:
    try:
        found = on_globe(area)
    except InvalidInput as error:
        raise InvalidInput(parameter, error.reason) from error
    if not isinstance(found, MultiPolygon) or found.is_empty:
        raise InvalidInput(parameter, "must be a polygon or multipolygon with some area")
    return found


def outline(bounds: Bounds, crs: str) -> MultiPolygon:
    """A box of a CRS in longitude and latitude."""
    along = np.linspace(0, 1, POINTS)[:-1, None]
    corners = np.array(box(*bounds.as_tuple()).exterior.coords)
    edge = np.vstack([start + along * (end - start) for start, end in pairwise(corners)])
    lon, lat = transformer(crs, CRS84).transform(*np.vstack([edge, edge[:1]]).T)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise InvalidInput("cell", "its corners have no place on the globe")
    lon = np.unwrap(lon, period=360)
    ring = np.column_stack([lon, lat])
    if abs(lon[-1] - lon[0]) > 180:  # the edge went round the Earth
        pole = math.copysign(90, lat.mean())
        ring = np.vstack([ring, [[lon[-1], pole], [lon[0], pole]]])
    return area_on_globe(Polygon(ring), "cell")


def points_in(points: Points, crs: str) -> Points:
    """Longitudes and latitudes, shape (n, 2), as x and y of a CRS. Raises InvalidInput("aoi", ...)."""
    moved = np.column_stack(transformer(CRS84, crs).transform(points[:, 0], points[:, 1]))
    if not (np.abs(moved) <= FARTHEST).all():
        raise InvalidInput("aoi", f"has no place in {crs[:60]}")
    return moved


def _custom_cell(name: str, crs: str, parts: list[MultiPolygon], snap: float | None) -> CustomCell:
    footprint = polygons(shapely.union_all(parts))
    if snap is None:
        return CustomCell(id=name, crs=crs, footprint=footprint)
    if not SMALLEST <= check_number("snap", snap) <= LARGEST:
        raise InvalidInput("snap", f"must be positive, {SMALLEST:g} to {LARGEST:g} units of the CRS, got {snap}")
    vertices = shapely.get_coordinates(footprint)
    corners = vertices[np.abs(vertices[:, 0]) < 180]  # those on the date line come from the cut, and lie off the edge
    image = MultiPoint(points_in(corners, crs)).convex_hull
    west, south, east, north = (
        snap * round(value / snap) for value in (image.bounds if len(corners) else (0, 0, 0, 0))
    )
    if not image.area > BOX_SHARE * (east - west) * (north - south) > 0:
        raise InvalidInput("snap", f"cell {name!r} is no box of {crs}")
    bounds = Bounds(west, south, east, north)
    return CustomCell(id=name, crs=crs, footprint=outline(bounds, crs), bounds=bounds)


def _geometry(document: Any) -> MultiPolygon:
    try:
        return area_on_globe(shape(document), "geometry")
    except (ShapelyError, KeyError, TypeError, ValueError, OverflowError, AttributeError, IndexError) as error:
        raise InvalidInput("geometry", "is not a GeoJSON polygon") from error


def _crs_of(name: str, value: object) -> str:
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
        return check_crs(f"EPSG:{value}")
    if value is None:
        raise InvalidInput("cells", f"{name!r} has no CRS; name the property that holds it")
    return check_crs(value)


_MGRS = re.compile(r"([0-9]{1,2})([C-HJ-NP-X])[A-Z]{2}", re.ASCII)


def _utm(name: str) -> str:
    """The UTM zone of a square of MGRS: bands from N on are north of the equator."""
    found = _MGRS.fullmatch(name)
    if found is None or not 1 <= int(found[1]) <= 60:
        raise InvalidInput("cells", f"{name[:60]!r} is no square of MGRS, such as 32TNT")
    return f"EPSG:{326 if found[2] >= 'N' else 327}{int(found[1]):02d}"
