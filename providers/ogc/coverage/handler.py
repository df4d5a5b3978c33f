"""`/collections/{c}/coverage`: from the parameters to an answer."""

from __future__ import annotations

from dataclasses import replace

from prismcube.cube.budget import coarser_advice
from prismcube.cube.plan import CubePlan
from prismcube.cube.plan_document import plan_document
from prismcube.encode import covjson, geotiff, png
from prismcube.errors import BudgetExceeded, InvalidInput
from prismcube.model.collection import Collection, RGBStyle
from prismcube.model.grid import Grid, crs_uri
from prismcube.model.period import format_instant
from prismcube.render.picture import paint, style_for
from providers.ogc.answer import NOTHING_THERE, Answer, Context, Keep, Means, Request, json_answer
from providers.ogc.coverage.asked import PARAMETERS as PLACE_AND_TIME
from providers.ogc.coverage.asked import asked
from providers.ogc.coverage.formats import FILES, FORMATS, NEGOTIATED, cube_body, extension_of, part_rows
from providers.ogc.instead import naming_job
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from providers.ogc.selection import Selection, all_slices, check_fields, check_plan, default_fields, select
from providers.ogc.validators import has_tag, tag_of

PARAMETERS = (
    "f",
    *PLACE_AND_TIME,
    "properties",
    "exclude-properties",
    "mask",
    "group",
    "mosaic",
    "resampling",
    "estimate",
)


MOST_VISITS = 50_000
"""To files, for one GeoTIFF: about two minutes of opening them."""


def coverage(context: Context, request: Request, name: str) -> Answer:
    """The coverage of a collection, in part or whole.

    Raises NotFound, InvalidInput, BudgetExceeded, Forbidden, SourceError (when not one time step could be read).
    """
    query = Query(request.query, known=PARAMETERS, repeatable=("subset",))
    f = query.text("f")
    format = choose_format(f, request.accept, NEGOTIATED if f is None else FORMATS)
    if format == "plan":
        context.check_sees_files("a plan")
    estimate = query.boolean("estimate")
    collection = context.collection(name)
    if collection.extent is None:
        return NOTHING_THERE
    named = _fields_asked(query, collection)
    fields = named or default_fields(collection)
    style = style_for(collection, named) if format == "png" else None
    place = asked(query, collection.extent.native)
    if place.grid is None:
        return NOTHING_THERE
    wanted = Selection(
        fields=style.fields if style else fields,
        grid=place.grid,
        period=place.period,
        mask=query.text("mask"),
        group=query.text("group"),
        mosaic=query.text("mosaic"),
        resampling=query.text("resampling"),
    )
    plan = select(context, collection, wanted, budget=False)
    if not plan.slices:
        return NOTHING_THERE
    if estimate:
        return _estimate(context, request, plan, format)
    if format == "plan":
        return json_answer(plan_document(plan), keep=Keep.NEVER)
    with naming_job(context, request, plan):
        check_costs(context, plan, format)
    etag = _tag(collection, plan, format, style)
    if has_tag(request.if_none_match, etag):
        return Answer(b"", FORMATS[format], etag=etag, keep=Keep.SHORT)
    return _pixels(context, collection, plan, format, etag, named=named)


def _fields_asked(query: Query, collection: Collection) -> tuple[str, ...] | None:
    """The fields that `properties` or `exclude-properties` choose; None without either. Raises InvalidInput."""
    excluded = query.raw("exclude-properties")
    named = query.names("properties")
    if excluded is None:
        return check_fields(collection, named, parameter="properties", default=()) or None
    if named:
        raise InvalidInput("exclude-properties", "properties and exclude-properties exclude each other")
    left_out = query.names("exclude-properties") if excluded.strip() else ()
    check_fields(collection, left_out, parameter="exclude-properties", default=())
    kept = tuple(one.name for one in collection.fields if one.name not in (left_out or ()))
    if not kept:
        raise InvalidInput("exclude-properties", "leaves no field")
    return kept


def _tag(collection: Collection, plan: CubePlan, format: str, style: RGBStyle | None) -> str:
    """The validator of the answer; weak for files, into which writers put times and the like."""
    tag = tag_of(plan, format, collection.title, repr(style), repr(plan.fields))
    return f"W/{tag}" if format in FILES else tag


def check_costs(means: Means, plan: CubePlan, format: str) -> None:
    """Refuse what costs more than one request may, or has no place in the format; nothing has been read.

    Raises BudgetExceeded, InvalidInput.
    """
    rows = plan.grid.height
    check_form(plan, format)
    if format in ("geotiff", "tiff"):
        rows = part_rows(means, plan)
    check_plan(means, plan, working=plan.slice_bytes * rows // plan.grid.height)
    _check_visits(plan, rows)
    if format in ("covjson", "json"):
        check_json_size(plan, means)
    if format == "png" and len(plan.slices) > 1:
        raise InvalidInput(
            "f", f"a PNG shows one time step, this selection has {len(plan.slices)}; narrow datetime or say group=all"
        )


def check_form(plan: CubePlan, format: str) -> None:
    """Refuse a cube that has no place in its format. Raises BudgetExceeded, InvalidInput."""
    if format in ("geotiff", "tiff"):
        geotiff.check(plan.header)
    elif format in FILES:
        FILES[format].check(plan.header)


def _check_visits(plan: CubePlan, rows: int) -> None:
    """Files are visited once for each part: small parts of many files cost more than their pixels tell.

    Raises BudgetExceeded.
    """
    visits = -(-plan.grid.height // rows) * sum(1 for _ in plan.steps)
    if visits > MOST_VISITS:
        advice = coarser_advice(plan.grid, visits, MOST_VISITS)
        raise BudgetExceeded("visits to files", asked=visits, allowed=MOST_VISITS, advice=advice)


def check_json_size(plan: CubePlan, means: Means) -> None:
    """Text formats have a limit of their own. Raises BudgetExceeded."""
    values = plan.grid.pixels * len(plan.slices) * len(plan.fields)
    if values > means.limits.json_values:
        advice = "ask for f=geotiff, a smaller area or fewer dates"
        raise BudgetExceeded("values in a text answer", asked=values, allowed=means.limits.json_values, advice=advice)


def _pixels(
    context: Context,
    collection: Collection,
    plan: CubePlan,
    format: str,
    etag: str,
    *,
    named: tuple[str, ...] | None,
) -> Answer:
    headers = content_headers(plan)
    known = Answer(b"", FORMATS[format], headers=headers, etag=etag, keep=Keep.SHORT)
    match format:
        case "png":
            return replace(known, body=_picture(context, collection, plan, named))
        case "covjson" | "json":
            return replace(known, body=covjson.grid_coverage(plan.header, all_slices(context, plan)))
        case _:
            body = cube_body(context, plan, format, title=collection.title or collection.name)
            return replace(known, body=body, headers=headers | _named(collection, extension_of(format)))


def _estimate(context: Context, request: Request, plan: CubePlan, format: str) -> Answer:
    """What the answer would cost; nothing is read. It is a document of its own, whatever `f` says."""
    document = {"type": "Estimate", "format": format, **plan.cost(), "fits": True}
    if format in ("geotiff", "tiff"):  # made in parts
        document["workingBytes"] = plan.slice_bytes * part_rows(context, plan) // plan.grid.height
    try:
        with naming_job(context, request, plan):
            check_costs(context, plan, format)
    except (BudgetExceeded, InvalidInput) as error:
        document |= {"fits": False, "reason": str(error)}
    document["grid"] = plan.grid.to_json()
    return json_answer(document)


def _named(collection: Collection, extension: str) -> dict[str, str]:
    """By which name a browser keeps the file."""
    return {"Content-Disposition": f'inline; filename="{collection.name}.{extension}"'}


def content_headers(plan: CubePlan) -> dict[str, str]:
    """Where and when the pixels are (OGC 19-087, Content-Crs, Content-Bbox, Content-Datetime)."""
    return {
        "Content-Crs": f"<{crs_uri(plan.grid.crs)}>",
        "Content-Bbox": _bbox_text(plan.grid),
        "Content-Datetime": _datetime_text(plan),
    }


def _datetime_text(plan: CubePlan) -> str:
    """The instant of the answer, or the first and the last of all that went into it."""
    start, end = min(one.step.start for one in plan.slices), max(one.step.end for one in plan.slices)
    return format_instant(start) if start == end else f"{format_instant(start)}/{format_instant(end)}"


def _bbox_text(grid: Grid) -> str:
    """Corners in the axis order of the grid's CRS."""
    return ",".join(f"{value:.12g}" for value in grid.bounds.in_axis_order(grid.crs))


def _picture(context: Context, collection: Collection, plan: CubePlan, named: tuple[str, ...] | None) -> bytes:
    style = style_for(collection, named)
    if plan.mosaic == "count":  # no longer values of the fields: from none to all of the step's records
        style = RGBStyle(style.fields, ((0, len(plan.slices[0].layers)),) * len(style.fields))
    one = all_slices(context, plan)[0]
    return png.encode_png(paint(style, plan.header, one))
