"""`/collections/{c}/position`: the series of the pixels that points lie in (OGC 19-086r6, 8.2.1)."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry import Point

from prismcube.model.grid import Grid
from prismcube.model.shapes import onto, to_native
from providers.ogc.answer import NOTHING_THERE, Answer, Context, Request
from providers.ogc.edr.answers import about, series_answer
from providers.ogc.edr.query import COMMON, coords, format_of, read_query
from providers.ogc.edr.sampling import sample

PARAMETERS = ("coords", *COMMON)


def position(context: Context, request: Request, name: str) -> Answer:
    """The series of the pixel a point lies in, all dates that cover it; null where a date is masked or empty.

    Of several points (MULTIPOINT) a series each, over the dates that cover any; those beside the data are left out.
    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = read_query(request.query, PARAMETERS)
    format = format_of(query, request.accept)
    collection = context.collection(name)
    geometry, crs = coords(query, kinds=("POINT", "MULTIPOINT"), max_vertices=context.limits.vertices)
    if collection.extent is None:
        return NOTHING_THERE
    native = collection.extent.native
    points = shapely.get_parts(geometry)
    places = [onto(place, native) for place in shapely.get_parts(to_native(geometry, crs, native))]
    kept = [(point, place) for point, place in zip(points, places, strict=True) if isinstance(place, Point)]
    if not kept:
        return NOTHING_THERE
    cells = np.array([pixel_of(native, place.x, place.y) for _, place in kept])
    sampler = sample(context, collection, query, native, cells[:, 0], cells[:, 1])
    if sampler is None:
        return NOTHING_THERE
    asked = np.array([(point.x, point.y) for point, _ in kept])
    series = sampler.series(crs, asked[:, 0], asked[:, 1])
    several = geometry.geom_type == "MultiPoint"
    return series_answer(context, about(collection, request, "position"), series, format, several=several)


def pixel_of(native: Grid, x: float, y: float) -> tuple[int, int]:
    """(row, column) of the native pixel that (x, y) lies in; the far edges belong to the last pixel."""
    dx, dy = native.resolution
    col = min(int((x - native.transform.c) // dx), native.width - 1)
    row = min(int((native.transform.f - y) // dy), native.height - 1)
    return row, col
