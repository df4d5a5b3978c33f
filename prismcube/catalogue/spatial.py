"""Spatial predicates under PostGIS's names, so that a query reads the same on both databases.

On SQLite the R*Tree `dataset_rtree` finds the candidates by their boxes and `ST_Intersects`, which is shapely behind a
registered function, decides. (On PostGIS the same name is the database's own and brings its index along.)
"""

from __future__ import annotations

import sqlite3
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, and_, bindparam, column, false, func, select, table

from prismcube.catalogue.tables import dataset
from prismcube.catalogue.types import Geometry

dataset_rtree = table("dataset_rtree", column("id"), column("west"), column("east"), column("south"), column("north"))
"""Boxes of all datasets in 32-bit numbers, rounded outwards by SQLite: a filter that never loses a dataset."""


def footprint_intersects(area: BaseGeometry) -> ColumnElement[bool]:
    """SQL that is true for datasets whose footprint has a point in common with `area` (longitude, latitude)."""
    if area.is_empty:
        return false()
    if not area.is_valid:
        area = shapely.make_valid(area)  # a bow-tie from a client must not make GEOS raise inside the query
    west, south, east, north = area.bounds
    boxes = select(dataset_rtree.c.id).where(
        dataset_rtree.c.west <= east,
        dataset_rtree.c.east >= west,
        dataset_rtree.c.south <= north,
        dataset_rtree.c.north >= south,
    )
    exact = func.ST_Intersects(dataset.c.footprint, bindparam(None, area, type_=Geometry)) == 1
    return and_(dataset.c.id.in_(boxes), exact)


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a SQLite connection the spatial functions."""
    connection.create_function("ST_Intersects", 2, _Intersects(), deterministic=True)


class _Intersects:
    """`ST_Intersects(wkb, wkb)`; keeps the second geometry prepared, as a query asks it of every row.

    One object a connection: a prepared geometry must not be used by two threads at once.
    """

    def __init__(self) -> None:
        self._wkb: bytes = b""
        self._area: Any = None

    def __call__(self, footprint: bytes | None, area: bytes | None) -> int | None:
        if footprint is None or area is None:
            return None
        if area != self._wkb:
            self._area = shapely.from_wkb(area)
            shapely.prepare(self._area)
            self._wkb = area
        return int(shapely.intersects(self._area, shapely.from_wkb(footprint)))
