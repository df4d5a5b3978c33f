"""What a cube of a collection is made of: the datasets that lie there, their records as time steps, the request."""

from __future__ import annotations

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from prismcube.catalogue.catalogue import Repositories
from prismcube.cube.planner import Headers
from prismcube.cube.request import CubeRequest, choose_masks
from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection
from prismcube.model.entities import Dataset
from prismcube.model.footprint import footprint
from prismcube.model.grid import CRS84, Grid
from prismcube.model.grouping import group_records
from prismcube.model.period import Period


def find_sources(
    catalogue: Repositories,
    collection: Collection,
    *,
    fields: tuple[str, ...],
    grid: Grid,
    period: Period | None = None,
    group: str | None = None,
    mosaic: str | None = None,
    resampling: str | None = None,
    mask: str | None = None,
) -> tuple[CubeRequest, list[Dataset], Headers]:
    """What is asked of the engine, the datasets that may have it, and the headers of their files.

    Without groups when nothing lies there. Raises InvalidInput for what doesn't fit the collection.
    """
    masks = choose_masks(collection, fields, mask)
    quality = {rule.field for rule in masks.values()}
    stored = list(collection.sources(fields))
    stored += [one for one in collection.stored_fields if one.name in quality and one not in stored]
    found = catalogue.datasets.find(collection, stored, period=period or Period(), area=area_around(grid))
    groups = group_records(found.records, group or collection.group) if found.records else []
    request = CubeRequest(
        collection=collection,
        fields=fields,
        grid=grid,
        groups=tuple(groups),
        mosaic=mosaic or "last",
        resampling=resampling,
        masks=masks,
    )
    return request, found.datasets, found.headers


def area_around(grid: Grid) -> BaseGeometry:
    """An area in longitude and latitude around the grid: wide enough for the search, the plan sorts out the rest."""
    try:
        around = grid.bounds.to_crs(grid.crs, CRS84)
    except InvalidInput:  # no such box: the grid lies around a pole
        return footprint(grid)
    # Footprints keep to -180..180, a grid may count longitudes up to 360.
    return box(*around.as_tuple()) if max(-around.west, around.east) < 180.001 else footprint(grid)
