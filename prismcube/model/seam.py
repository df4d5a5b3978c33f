"""Where the map of a CRS ends in the east and begins again in the west: each place there has one x. Pure."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from prismcube.model.globe import polygons
from prismcube.model.grid import CRS84, parse_crs, transformer, turns

WIDTH = 1e-9
"""Degrees that are left out at a seam."""

STRAIGHT = 1e-9
"""By what share of the map's width meridians may be bent that count as straight."""


def seam_longitude(crs: str) -> float:
    """Degrees, [-180, 180): 180 from the meridian in the middle of the map; -180 of longitudes and latitudes."""
    operation = parse_crs(crs).coordinate_operation
    middles = [float(one.value) for one in operation.params if one.name.startswith("Longitude of")] if operation else []
    return (middles[0] % 360) - 180 if middles else -180.0


@lru_cache(maxsize=512)
def map_ends(crs: str) -> tuple[float, float] | None:
    """The least and the greatest x of a map that is a turn wide, in units of the CRS.

    Of longitudes and latitudes half a turn; of a projection whose meridians are straight and upright (EPSG:3857) where
    they lie. None for all others: their maps are no strip that would go on from the beginning.
    """
    turn = max(turns(crs))
    if turn:
        return -turn / 2, turn / 2
    own = parse_crs(crs).geodetic_crs
    if own is None:
        return None
    middle = seam_longitude(crs) + 180
    # Of the map's own ellipsoid: a shift of datum would bend meridians a little.
    x, _ = transformer(own.to_wkt(), crs).transform(middle + np.array([0, 90, 90, 45]), np.array([0, 0, 50, 50]))
    half = 2 * (x[1] - x[0])
    bent = np.abs([x[2] - x[1], x[3] - x[0] - half / 4])
    if not (np.isfinite(x).all() and half > 0 and bent.max() < STRAIGHT * half):
        return None
    return float(x[0] - half), float(x[0] + half)


@lru_cache(maxsize=512)
def shows_poles(crs: str) -> bool:
    """False for a map on which the poles are infinitely far away, or as good as that: those of Mercator."""
    ends = None if parse_crs(crs).is_geographic else map_ends(crs)
    if ends is None:
        return True
    _, y = transformer(CRS84, crs).transform(np.array([seam_longitude(crs) + 180] * 2), np.array([0, 90]))
    return bool(abs(y[1] - y[0]) < ends[1] - ends[0])


def off_seam(area: BaseGeometry, crs: str) -> BaseGeometry:
    """An area in longitude and latitude without the meridian where the map of a CRS ends and begins."""
    seam = seam_longitude(crs)
    if not -180 < seam < 180:
        return area  # the date line, where it is cut already
    halves = [box(-180, -90, seam - WIDTH, 90), box(seam + WIDTH, -90, 180, 90)]
    return polygons(shapely.union_all([shapely.intersection(area, half) for half in halves]))
