"""`/area`, `/radius`, `/corridor` and `/cube`: the pixels of an area as a cube, or reduced to a series.

    area, radius, corridor ─ a shape on the native grid ─┬ reducer: a series of numbers over the stored pixels
                                                        └ none: the cube of the shape's box, empty beside the shape
    cube ─ a box ─ the cube on a grid of the caller's resolution

Without `crs` a cube has the collection's own pixels; with it, its grid lies in that CRS.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from prismcube.cube.grids import MAX_SIDE, GridRequest, output_grid
from prismcube.cube.plan import CubePlan
from prismcube.cube.reduce import ReducedField, check_reducers, reduce_slices
from prismcube.encode.geojson import About
from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection
from prismcube.model.distance import circle
from prismcube.model.distance import corridor as corridor_shape
from prismcube.model.grid import CRS84, Bounds, Grid, parse_crs, transformer
from prismcube.model.lines import near_data, segments_of
from prismcube.model.series import Series
from prismcube.model.shapes import clipped_to, onto, to_native
from prismcube.raster.rasterize import pixels_inside
from providers.ogc.answer import NOTHING_THERE, Answer, Context, Request
from providers.ogc.edr.answers import about, cube_answer, series_answer
from providers.ogc.edr.query import COMMON, coords, format_of, length, read_query, selection
from providers.ogc.instead import naming_job
from providers.ogc.params import Query, parse_bbox, renamed
from providers.ogc.selection import Watched, check_plan, select

AREAL = (*COMMON, "reducer", "resampling")
AREA_PARAMETERS = ("coords", *AREAL)
RADIUS_PARAMETERS = ("coords", "within", "within-units", *AREAL)
CORRIDOR_PARAMETERS = ("coords", "corridor-width", "width-units", *AREAL)
CUBE_PARAMETERS = ("bbox", "bbox-crs", "resolution-x", "resolution-y", *AREAL)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An area as it was asked for."""

    native: BaseGeometry
    """In the collection's CRS; it may lie whole turns of longitude away from the data."""
    crs: str
    """That of the request, which the answer is in."""
    drawn: BaseGeometry | None = None
    """In `crs`, where edges are straight there; else `native` is the area."""


def area(context: Context, request: Request, name: str) -> Answer:
    """What lies inside a polygon.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = read_query(request.query, AREA_PARAMETERS)

    def polygon(native: Grid) -> Shape:
        drawn, crs = coords(query, kinds=("POLYGON", "MULTIPOLYGON"), max_vertices=context.limits.vertices)
        return drawn_shape(drawn, crs, native)

    return answer_area(context, request, name, query, polygon, path="area")


def radius(context: Context, request: Request, name: str) -> Answer:
    """What lies within a distance, on the ground, of a point.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = read_query(request.query, RADIUS_PARAMETERS)

    def disc(native: Grid) -> Shape:
        point, crs = coords(query, kinds=("POINT",), max_vertices=context.limits.vertices)
        metres = length(query, "within", "within-units")
        (x, y), *_ = point.coords
        return Shape(native=circle(x, y, crs, metres=metres, native=native), crs=crs)

    return answer_area(context, request, name, query, disc, path="radius")


def corridor(context: Context, request: Request, name: str) -> Answer:
    """What lies within half the corridor's width of a line, round at its ends.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = read_query(request.query, CORRIDOR_PARAMETERS)

    def along(native: Grid) -> Shape:
        kinds = ("LINESTRING", "MULTILINESTRING")
        line, crs = coords(query, kinds=kinds, max_vertices=context.limits.vertices)
        metres = length(query, "corridor-width", "width-units") / 2
        segments = near_data(segments_of(line), crs, native, margin=_far(metres, crs))
        return Shape(native=corridor_shape(segments, crs, metres=metres, native=native), crs=crs)

    return answer_area(context, request, name, query, along, path="corridor")


def answer_area(
    context: Context,
    request: Request,
    name: str,
    query: Query,
    shape_on: Callable[[Grid], Shape],
    *,
    path: str,
    label: str = "",
    usual: tuple[str, ...] = (),
) -> Answer:
    """The cube or the series of a shape; `shape_on` makes it, on the collection's grid, from the parameters.

    `usual`: the reducers of a request that names none.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    format = format_of(query, request.accept)
    reducers = reducers_of(query, usual)
    collection = context.collection(name)
    native = _native(collection)
    shape = shape_on(native)
    said = about(collection, request, path, label=label)
    if collection.extent is None:
        return NOTHING_THERE
    asked = query.crs("crs")
    with renamed(bbox="coords", crs="crs", size="crs"):
        clip = _clip_native(shape, native) if reducers or asked is None else _clip_in(shape, asked, native)
    if clip is None:
        return NOTHING_THERE
    grid, inside_shape = clip
    resampling = query.text("resampling") or ("nearest" if grid.crs == native.crs else None)
    plan = select(context, collection, selection(query, collection, grid, resampling=resampling))
    if not plan.slices:
        return NOTHING_THERE
    inside = pixels_inside(inside_shape, grid)
    if reducers:
        slices = Watched(context, plan)
        columns = reduce_slices(plan.fields, slices, inside, reducers)
        slices.check()
        return _reduced(context, said, plan, columns, slices, shape, native, format)
    return cube_answer(context, said, plan, format, inside=inside)


def cube(context: Context, request: Request, name: str) -> Answer:
    """What lies in a box, at the collection's resolution or at so many places along each axis.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = read_query(request.query, CUBE_PARAMETERS)
    format = format_of(query, request.accept)
    reducers = reducers_of(query)
    collection = context.collection(name)
    text = query.text("bbox")
    if text is None:
        raise InvalidInput("bbox", "is required: four numbers in the axis order of bbox-crs")
    bbox_crs = query.crs("bbox-crs") or CRS84
    bounds = parse_bbox(text, crs=bbox_crs)
    columns, rows = (query.integer(f"resolution-{axis}", least=0, most=MAX_SIDE) for axis in "xy")
    if collection.extent is None:
        return NOTHING_THERE
    native = collection.extent.native
    crs = query.crs("crs") or native.crs
    if reducers and not (columns or rows):
        crs = native.crs  # numbers over the stored pixels
    with renamed(size="crs"):
        grid = output_grid(native, GridRequest(crs=crs, bounds=bounds, bounds_crs=bbox_crs))
    if grid is None:
        return NOTHING_THERE
    if columns or rows:
        grid = _with_places(grid, bounds.to_crs(bbox_crs, crs), columns or 0, rows or 0)
    plain = not (columns or rows) and parse_crs(crs) == parse_crs(native.crs)
    resampling = query.text("resampling") or ("nearest" if plain else None)
    plan = select(context, collection, selection(query, collection, grid, resampling=resampling), budget=False)
    with nullcontext() if reducers else naming_job(context, request, plan):  # jobs reduce nothing
        check_plan(context, plan)
    if not plan.slices:
        return NOTHING_THERE
    said = about(collection, request, "cube")
    if reducers:
        watched = Watched(context, plan)
        reduced = reduce_slices(plan.fields, watched, np.ones(grid.shape, dtype=bool), reducers)
        watched.check()
        shape = Shape(native=box(*grid.bounds.as_tuple()), crs=query.crs("crs") or CRS84)
        return _reduced(context, said, plan, reduced, watched, shape, grid, format)
    return cube_answer(context, said, plan, format)


def reducers_of(query: Query, usual: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The reducers asked for; `none` asks for the cube. Raises InvalidInput."""
    named = query.names("reducer")
    if named is None:
        return usual
    if named == ("none",):
        return ()
    check_reducers(named)
    return named


def _with_places(grid: Grid, bounds: Bounds, columns: int, rows: int) -> Grid:
    """The grid with so many pixels along an axis, the centres of the first and last on the box's edges; 0: as it is.

    The standard's resolution-x: "values at both the minimum x and maximum x coordinates" and between; with one, the
    pixel is the whole box.
    """
    west, south, east, north = grid.bounds.as_tuple()
    if columns:
        half = (bounds.east - bounds.west) / (columns - 1) / 2 if columns > 1 else 0.0
        west, east = bounds.west - half, bounds.east + half
    if rows:
        half = (bounds.north - bounds.south) / (rows - 1) / 2 if rows > 1 else 0.0
        south, north = bounds.south - half, bounds.north + half
    return Grid.from_bounds(
        grid.crs, Bounds(west, south, east, north), width=columns or grid.width, height=rows or grid.height
    )


def drawn_shape(drawn: BaseGeometry, crs: str, native: Grid) -> Shape:
    """A polygon as it was drawn. Raises InvalidInput when it has no place in the collection's CRS."""
    return Shape(native=to_native(clipped_to(drawn, crs, native), crs, native), crs=crs, drawn=drawn)


def _native(collection: Collection) -> Grid:
    """The collection's grid; one without data takes any, so that parameters are checked all the same."""
    if collection.extent:
        return collection.extent.native
    return Grid.from_bounds(CRS84, Bounds(-180, -90, 180, 90), width=360, height=180)


def _clip_native(shape: Shape, native: Grid) -> tuple[Grid, BaseGeometry] | None:
    """The window of the native grid around a shape, and the shape there."""
    placed = onto(shape.native, native)
    common = Bounds(*placed.bounds).intersection(native.bounds) if placed is not None else None
    return None if placed is None or common is None else (native.window(common), placed)


def _clip_in(shape: Shape, crs: str, native: Grid) -> tuple[Grid, BaseGeometry] | None:
    """A grid in another CRS around a shape, and the shape there."""
    if parse_crs(crs) == parse_crs(native.crs):
        return _clip_native(shape, native)
    placed = onto(shape.native, native)
    if placed is None:
        return None
    if shape.drawn is not None:
        grid = output_grid(native, GridRequest(crs=crs, bounds=Bounds(*shape.drawn.bounds), bounds_crs=crs))
        return None if grid is None else (grid, onto(shape.drawn, grid) or shape.drawn)
    near = shapely.clip_by_rect(placed, *native.bounds.as_tuple())
    if near.is_empty:
        return None
    grid = output_grid(native, GridRequest(crs=crs, bounds=Bounds(*near.bounds), bounds_crs=native.crs))
    return None if grid is None else (grid, to_native(near, native.crs, grid))


def _far(metres: float, crs: str) -> float:
    """A distance in units of a CRS, more rather than less: Mercator stretches tenfold at 84 degrees."""
    factor = parse_crs(crs).axis_info[0].unit_conversion_factor or 1.0
    return metres / 6_000_000 / factor * 10 if parse_crs(crs).is_geographic else metres / factor * 10


def _reduced(
    context: Context,
    said: About,
    plan: CubePlan,
    columns: list[ReducedField],
    slices: Watched,
    shape: Shape,
    native: Grid,
    format: str,
) -> Answer:
    """A series of numbers at a point inside the shape."""
    centre = (shape.drawn or shape.native).representative_point()
    x, y = centre.x, centre.y
    if shape.drawn is None:
        x, y = transformer(native.crs, shape.crs).transform(x, y)
    series = Series(
        crs=shape.crs,
        x=np.array([x]),
        y=np.array([y]),
        fields=tuple(column.field for column in columns),
        steps=tuple(one.step for one in plan.slices),
        data=tuple(column.values.astype(column.field.format.dtype)[:, np.newaxis] for column in columns),
        valid=tuple(column.valid[:, np.newaxis] for column in columns),
        ends=tuple(slices.ends),
    )
    source = shape.crs if shape.drawn is not None else native.crs
    moved = shapely.transform(
        shape.drawn or shape.native,
        lambda points: np.column_stack(transformer(source, CRS84).transform(points[:, 0], points[:, 1])),
    )
    return series_answer(context, said, series, format, shape=moved)
