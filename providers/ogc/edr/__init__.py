"""OGC API - Environmental Data Retrieval 1.1 (OGC 19-086r6): one file a kind of query.

position    pixels of points            ─┐ sampling: small windows of the native grid
trajectory  pixels along a line         ─┘
areal       area, radius, corridor, cube
locations   the areas of interest of a collection, by name
answers     CoverageJSON, CSV, GeoJSON
metadata    what a collection says of its queries
"""

from providers.ogc.edr.areal import (
    AREA_PARAMETERS,
    CORRIDOR_PARAMETERS,
    CUBE_PARAMETERS,
    RADIUS_PARAMETERS,
    area,
    corridor,
    cube,
    radius,
)
from providers.ogc.edr.locations import FORMATS as LOCATIONS_FORMATS
from providers.ogc.edr.locations import LOCATION_PARAMETERS, location, locations
from providers.ogc.edr.locations import PARAMETERS as LOCATIONS_PARAMETERS
from providers.ogc.edr.position import PARAMETERS as POSITION_PARAMETERS
from providers.ogc.edr.position import position
from providers.ogc.edr.query import FORMATS, MEDIA_TYPES
from providers.ogc.edr.trajectory import PARAMETERS as TRAJECTORY_PARAMETERS
from providers.ogc.edr.trajectory import trajectory

__all__ = [
    "AREA_PARAMETERS",
    "CORRIDOR_PARAMETERS",
    "CUBE_PARAMETERS",
    "FORMATS",
    "LOCATIONS_FORMATS",
    "LOCATIONS_PARAMETERS",
    "LOCATION_PARAMETERS",
    "MEDIA_TYPES",
    "POSITION_PARAMETERS",
    "RADIUS_PARAMETERS",
    "TRAJECTORY_PARAMETERS",
    "area",
    "corridor",
    "cube",
    "location",
    "locations",
    "position",
    "radius",
    "trajectory",
]
