"""`/collections/{c}/position` and `/area`: OGC API - Environmental Data Retrieval (OGC 19-086r6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from shapely.geometry.base import BaseGeometry

from prismcube.cube.plan import CubePlan
from prismcube.cube.reduce import ReducedField, check_reducers, reduce_slices
from prismcube.encode import covjson, table
from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection
from prismcube.model.cube import Slice
from prismcube.model.grid import CRS84, Bounds, Grid
from prismcube.model.period import format_instant
from prismcube.model.shapes import clipped_to, onto, to_native
from prismcube.raster.rasterize import pixels_inside
from providers.ogc.answer import NOTHING_THERE, Answer, Context, Request
from providers.ogc.coverage import check_json_size
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query, parse_wkt
from providers.ogc.selection import Selection, Watched, all_slices, check_fields, select

COMMON = ("f", "coords", "crs", "datetime", "parameter-name", "parameter_names", "mask", "group", "mosaic")
"""`parameter_names` is how OWSLib spells `parameter-name`."""
POSITION_PARAMETERS = COMMON
AREA_PARAMETERS = (*COMMON, "reducer")

FORMATS = {"covjson": covjson.MEDIA_TYPE, "json": covjson.MEDIA_TYPE, "csv": table.MEDIA_TYPE}


def position(context: Context, request: Request, name: str) -> Answer:
    """The series of the pixel a point lies in, all dates that cover it; null where a date is masked or empty.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = Query(request.query, known=POSITION_PARAMETERS)
    format = choose_format(query.text("f"), request.accept, FORMATS)
    collection = context.collection(name)
    geometry, crs = _coords(query, context, kinds=("POINT",))
    if collection.extent is None:
        return NOTHING_THERE
    native = collection.extent.native
    (x, y), place = geometry.coords[0], onto(to_native(geometry, crs, native), native)
    if place is None:
        return NOTHING_THERE
    grid = pixel_grid(native, *place.coords[0])
    plan = select(context, collection, _selection(query, collection, grid))
    if not plan.slices:
        return NOTHING_THERE
    slices = all_slices(context, plan)
    if format == "csv":
        return Answer(_point_csv(plan, slices), table.MEDIA_TYPE)
    return Answer(covjson.point_series(plan.header, slices, x=x, y=y, crs=crs), covjson.MEDIA_TYPE)


def area(context: Context, request: Request, name: str) -> Answer:
    """The cube inside a polygon on the native grid, or with `reducer` a series of one number a date.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = Query(request.query, known=AREA_PARAMETERS)
    format = choose_format(query.text("f"), request.accept, FORMATS)
    reducers = query.names("reducer") or ()
    check_reducers(reducers)
    collection = context.collection(name)
    geometry, crs = _coords(query, context, kinds=("POLYGON", "MULTIPOLYGON"))
    if collection.extent is None:
        return NOTHING_THERE
    native = collection.extent.native
    shape = onto(to_native(clipped_to(geometry, crs, native), crs, native), native)
    common = Bounds(*shape.bounds).intersection(native.bounds) if shape is not None else None
    if shape is None or common is None:
        return NOTHING_THERE
    grid = native.window(common)
    plan = select(context, collection, _selection(query, collection, grid))
    if not plan.slices:
        return NOTHING_THERE
    inside = pixels_inside(shape, grid)
    if reducers:
        slices = Watched(context, plan)
        columns = reduce_slices(plan.fields, slices, inside, reducers)
        slices.check()
        return _series(plan, columns, slices, geometry, crs, format)
    check_json_size(plan, context)
    clipped = [_clipped(one, inside) for one in all_slices(context, plan)]
    if format == "csv":
        return Answer(table.cube_csv(plan.header, clipped), table.MEDIA_TYPE)
    return Answer(covjson.grid_coverage(plan.header, clipped), covjson.MEDIA_TYPE)


def _coords(query: Query, context: Context, *, kinds: tuple[str, ...]) -> tuple[BaseGeometry, str]:
    text = query.text("coords")
    if text is None:
        raise InvalidInput("coords", f"is required: {' or '.join(kinds)} in well-known text")
    geometry = parse_wkt(text, kinds=kinds, max_vertices=context.limits.vertices)
    crs = query.crs("crs") or CRS84
    west, south, east, north = geometry.bounds
    if crs in (CRS84, "EPSG:4326") and not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise InvalidInput("coords", "x is the longitude in -180..180, y the latitude in -90..90")
    return geometry, crs


def _selection(query: Query, collection: Collection, grid: Grid) -> Selection:
    if query.text("parameter-name") and query.text("parameter_names"):
        raise InvalidInput("parameter_names", "is another spelling of parameter-name; give one")
    names = query.names("parameter-name") or query.names("parameter_names")
    everything = tuple(one.name for one in collection.fields)
    return Selection(
        fields=check_fields(collection, names, parameter="parameter-name", default=everything),
        grid=grid,
        period=query.period(),
        mask=query.text("mask"),
        group=query.text("group"),
        mosaic=query.text("mosaic"),
        resampling="nearest",
    )


def pixel_grid(native: Grid, x: float, y: float) -> Grid:
    """The one-pixel grid of the native pixel that (x, y) lies in; the far edges belong to the last pixel."""
    dx, dy = native.resolution
    col = min(int((x - native.transform.c) // dx), native.width - 1)
    row = min(int((native.transform.f - y) // dy), native.height - 1)
    return native.shifted(row, col, height=1, width=1)


def _clipped(one: Slice, inside: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Slice:
    return Slice(one.index, one.data, tuple(valid & inside for valid in one.valid), one.status, one.message)


def _times(plan: CubePlan) -> list[str]:
    return [format_instant(one.step.start) for one in plan.slices]


def _point_csv(plan: CubePlan, slices: Sequence[Slice]) -> bytes:
    rows = (
        [time, *(cell for d, v in zip(one.data, one.valid, strict=True) for cell in table.cells(d[0], v[0]))]
        for time, one in zip(_times(plan), slices, strict=True)
    )
    return table.rows_csv(["time", *(f.name for f in plan.fields)], rows)


def _series(
    plan: CubePlan,
    columns: Sequence[ReducedField],
    slices: Watched,
    geometry: BaseGeometry,
    crs: str,
    format: str,
) -> Answer:
    times = _times(plan)
    if format == "csv":
        texts = [table.cells(column.values.astype(column.field.format.dtype), column.valid) for column in columns]
        rows = zip(times, *texts, strict=True)
        return Answer(table.rows_csv(["time", *(c.field.name for c in columns)], rows), table.MEDIA_TYPE)
    centre = geometry.representative_point()
    document = covjson.series_document(
        [c.field for c in columns],
        times,
        {c.field.name: (c.values.astype(c.field.format.dtype), c.valid) for c in columns},
        x=centre.x,
        y=centre.y,
        crs=crs,
    )
    document["prismcube:status"] = [covjson.status_entry(status, message) for status, message in slices.ends]
    return Answer(covjson.dump(document), covjson.MEDIA_TYPE)
