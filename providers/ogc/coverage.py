"""`/collections/{c}/coverage`: OGC API - Coverages (OGC 19-087)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from prismcube.cube.grids import MAX_SIDE, GridRequest, output_grid
from prismcube.cube.plan import CubePlan
from prismcube.encode import covjson, geotiff, png
from prismcube.errors import BudgetExceeded, InvalidInput, SourceError
from prismcube.model.collection import Collection, RGBStyle
from prismcube.model.cube import Slice
from prismcube.model.grid import CRS84, Bounds, Grid, crs_uri
from prismcube.model.period import Period
from prismcube.render.picture import paint, style_for
from providers.ogc.answer import JSON, NOTHING_THERE, Answer, Context, FileBody, Request, json_answer
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query, parse_bbox, renamed
from providers.ogc.selection import Selection, Watched, all_slices, check_fields, select
from providers.ogc.subset import parse_scale_size, parse_subset

PARAMETERS = (
    "f", "subset", "bbox", "bbox-crs", "crs", "scale-factor", "scale-size", "width", "height", "properties",
    "datetime", "mask", "group", "mosaic", "resampling",
)  # fmt: skip

FORMATS = {
    "geotiff": geotiff.MEDIA_TYPE,
    "tiff": geotiff.MEDIA_TYPE,
    "png": png.MEDIA_TYPE,
    "covjson": covjson.MEDIA_TYPE,
    "json": covjson.MEDIA_TYPE,
    "plan": JSON,
}
"""Values of `f`; media types are taken too. The first is the default."""


TEMPORARY = "answer-"
"""Begins the names of folders in which answers are written."""


def coverage(context: Context, request: Request, name: str) -> Answer:
    """The coverage of a collection, in part or whole.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError (when not one time step could be read).
    """
    query = Query(request.query, known=PARAMETERS, repeatable=("subset",))
    format = choose_format(query.text("f"), request.accept, FORMATS)
    collection = context.collection(name)
    if collection.extent is None:
        return NOTHING_THERE
    native = collection.extent.native
    named = query.names("properties")
    default = (f.name for f in collection.stored_fields or collection.fields)
    fields = check_fields(collection, named, parameter="properties", default=tuple(default))
    style = style_for(collection, fields if named else None) if format == "png" else None
    grid_request, period = _grid_request(query, native)
    with renamed(**_asked_as(query)):
        grid = output_grid(native, grid_request)
    if grid is None:
        return NOTHING_THERE
    wanted = Selection(
        fields=style.fields if style else fields,
        grid=grid,
        period=period,
        mask=query.text("mask"),
        group=query.text("group"),
        mosaic=query.text("mosaic"),
        resampling=query.text("resampling"),
    )
    plan = select(context, collection, wanted, budget=format != "plan")
    if not plan.slices:
        return NOTHING_THERE
    headers = {"Content-Crs": f"<{crs_uri(grid.crs)}>", "Content-Bbox": _bbox_text(grid)}
    match format:
        case "plan":
            return json_answer(plan.to_json())
        case "png":
            return _picture(context, collection, plan, fields if named else None, headers)
        case "covjson" | "json":
            check_json_size(plan, context)
            body = covjson.grid_coverage(plan.header, all_slices(context, plan))
            return Answer(body, covjson.MEDIA_TYPE, headers=headers)
        case _:
            return _geotiff(context, plan, collection.name, headers)


def _grid_request(query: Query, native: Grid) -> tuple[GridRequest, Period | None]:
    with renamed(bbox="subset", datetime="subset"):
        subset = parse_subset(query.texts("subset"), native)
    bbox, bbox_crs = query.text("bbox"), query.crs("bbox-crs")
    if bbox_crs and not bbox:
        raise InvalidInput("bbox-crs", "has no meaning without bbox")
    if bbox and subset.bounds:
        raise InvalidInput("subset", "spatial axes and bbox exclude each other")
    period = query.period()
    if period and subset.period:
        raise InvalidInput("subset", "time and datetime exclude each other")
    area: Bounds | None = subset.bounds
    if bbox:
        area = parse_bbox(bbox, crs=bbox_crs or CRS84)
    width, height = query.integer("width", least=1, most=MAX_SIDE), query.integer("height", least=1, most=MAX_SIDE)
    if (size := query.text("scale-size")) is not None:
        if width or height:
            raise InvalidInput("scale-size", "width/height and scale-size exclude each other")
        width, height = parse_scale_size(size, native)
    factor = query.number("scale-factor")
    if factor is not None and factor <= 0:
        raise InvalidInput("scale-factor", f"must be positive, got {factor}")
    if factor is not None and (width or height):
        raise InvalidInput("scale-factor", "width/height, scale-size and scale-factor exclude each other")
    request = GridRequest(
        crs=query.crs("crs"),
        bounds=area,
        bounds_crs=subset.crs or bbox_crs or CRS84,
        width=width,
        height=height,
        scale_factor=factor,
    )
    return request, subset.period or period


def _asked_as(query: Query) -> dict[str, str]:
    """By which parameters the request says area and size."""
    area = next((name for name in ("bbox", "subset", "crs") if query.texts(name)), "crs")
    size = next((name for name in ("scale-factor", "scale-size", "width", "height") if query.texts(name)), "crs")
    return {"bbox": area, "size": size}


def _bbox_text(grid: Grid) -> str:
    """Corners in the axis order of the grid's CRS."""
    return ",".join(f"{value:.12g}" for value in grid.bounds.in_axis_order(grid.crs))


def check_json_size(plan: CubePlan, context: Context) -> None:
    """Text formats have a limit of their own. Raises BudgetExceeded."""
    values = plan.grid.pixels * len(plan.slices) * len(plan.fields)
    if values > context.limits.json_values:
        advice = "ask for f=geotiff, a smaller area or fewer dates"
        raise BudgetExceeded("values in a text answer", asked=values, allowed=context.limits.json_values, advice=advice)


def _picture(
    context: Context,
    collection: Collection,
    plan: CubePlan,
    named: tuple[str, ...] | None,
    headers: dict[str, str],
) -> Answer:
    if len(plan.slices) > 1:
        raise InvalidInput(
            "f", f"a PNG shows one time step, this selection has {len(plan.slices)}; narrow datetime or say group=all"
        )
    style = style_for(collection, named)
    if plan.mosaic == "count":  # no longer values of the fields: from none to all of the step's records
        style = RGBStyle(style.fields, ((0, len(plan.slices[0].layers)),) * len(style.fields))
    one = all_slices(context, plan)[0]
    return Answer(png.encode_png(paint(style, plan.header, one)), png.MEDIA_TYPE, headers=headers)


def _geotiff(context: Context, plan: CubePlan, name: str, headers: dict[str, str]) -> Answer:
    slices = Watched(context, plan)
    file = write_temporary(context.temporary, plan, slices)
    try:
        slices.check()
    except SourceError:
        file.file.close()
        raise
    disposition = {"Content-Disposition": f'inline; filename="{name}.tif"'}
    return Answer(file, geotiff.MEDIA_TYPE, headers=headers | disposition)


def write_temporary(folder: Path, plan: CubePlan, slices: Iterable[Slice]) -> FileBody:
    """The cube as a GeoTIFF in an open file that has no name any more, so that nothing is left behind.

    Raises InvalidInput("crs", ...) for a CRS that GeoTIFF has no place for, StorageFull when the disk is.
    """
    if not geotiff.can_name(plan.grid.crs):
        raise InvalidInput("crs", "can't be written into a GeoTIFF; ask for another, or for f=covjson")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=TEMPORARY) as inside:
        path = Path(inside, "cube.tif")
        geotiff.write_geotiff(path, plan.header, slices)
        return FileBody(path.open("rb"), path.stat().st_size)
