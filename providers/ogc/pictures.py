"""From a grid and a style to an encoded picture: what map tiles and maps share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from prismcube.cube.budget import coarser_advice
from prismcube.cube.plan import CubePlan
from prismcube.encode.pictures import PICTURES
from prismcube.errors import BudgetExceeded, InvalidInput
from prismcube.model.collection import Collection
from prismcube.model.cube import Step
from prismcube.model.grid import Grid, turns
from prismcube.model.period import Period
from prismcube.render.picture import RGBA, draw, on_background
from providers.ogc.answer import Answer, Context, Keep, Request
from providers.ogc.coverage.subset import parse_subset
from providers.ogc.looks import Look, look_named, look_of_fields
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from providers.ogc.selection import Selection, all_slices, check_fields, select

FORMATS = {name: one.media_type for name, one in PICTURES.items()}
MEDIA_TYPES = tuple(FORMATS.values())
PLAIN = ("properties",)
"""What only a picture without a named style takes."""
PARAMETERS = ("f", "datetime", "subset", "mask", "mosaic", "transparent", "bgcolor")
"""What every picture takes."""

PIXEL_BYTES = 40
"""Memory to paint and encode a pixel: a channel as float64, its counts, validity, the picture and its encoded form."""

WHITE = (255, 255, 255)
COLOURS: Mapping[str, str] = {
    "black": "000000", "silver": "c0c0c0", "gray": "808080", "grey": "808080", "white": "ffffff", "maroon": "800000",
    "red": "ff0000", "purple": "800080", "fuchsia": "ff00ff", "green": "008000", "lime": "00ff00", "olive": "808000",
    "yellow": "ffff00", "navy": "000080", "blue": "0000ff", "teal": "008080", "aqua": "00ffff", "orange": "ffa500",
}  # fmt: skip
"""The names of CSS 2.1."""


@dataclass(frozen=True, kw_only=True)
class PictureRequest:
    """What a client wants to see, but where."""

    format: str
    """A name in `PICTURES`."""
    look: Look
    period: Period | None
    mask: str | None
    mosaic: str
    background: tuple[int, int, int] | None
    """Red, green, blue below the picture; None: transparent."""


def parse_picture(
    context: Context,
    request: Request,
    query: Query,
    collection: Collection,
    *,
    style: str | None,
    period: Period | None,
) -> PictureRequest:
    """The parameters that all pictures share. Raises InvalidInput, NotFound for a style."""
    format = choose_format(query.text("f"), request.accept, FORMATS)
    named = query.names("properties")
    if style is not None:
        look = look_named(context, collection, style)
    else:
        fields = check_fields(collection, named, parameter="properties", default=()) if named else None
        look = look_of_fields(context, collection, fields)
    mosaic = query.text("mosaic") or "last"
    if mosaic == "count":
        raise InvalidInput("mosaic", "counts are no values of the fields, so no style draws them; ask for the coverage")
    return PictureRequest(
        format=format,
        look=look,
        period=period,
        mask=query.text("mask"),
        mosaic=mosaic,
        background=_background(query, format),
    )


def parse_time(query: Query, native: Grid) -> Period | None:
    """The time of `datetime`, or of `subset=time(...)`, which may name no other axis here. Raises InvalidInput."""
    subset = parse_subset(query.texts("subset"), native)
    if subset.bounds is not None:
        raise InvalidInput("subset", "a tile lies where it lies; only time can be chosen")
    return one_period(query, subset.period)


def one_period(query: Query, subset: Period | None) -> Period | None:
    """Raises InvalidInput when both parameters tell a time."""
    period = query.period()
    if period and subset:
        raise InvalidInput("subset", "time and datetime exclude each other")
    return subset or period


def check_size(context: Context, grid: Grid, format: str) -> None:
    """Refuse a picture that is too large, before anything of it is made. Raises InvalidInput, BudgetExceeded."""
    longest = PICTURES[format].longest_side
    if max(grid.shape) > longest:
        raise InvalidInput("f", f"{format} has room for {longest:,} pixels a side, got {grid.width} x {grid.height}")
    asked, allowed = grid.pixels * PIXEL_BYTES, context.limits.working_bytes
    if asked > allowed:
        advice = coarser_advice(grid, asked, allowed)
        raise BudgetExceeded("bytes of working memory", asked=asked, allowed=allowed, advice=advice)


def render(
    context: Context, collection: Collection, wanted: PictureRequest, grid: Grid, *, resampling: str | None = None
) -> tuple[RGBA, Step | None]:
    """The picture on a grid, of all time steps as one, and that step; blank where nothing lies.

    A grid of half the world has no box in the CRS of the data: then its parts are drawn where they lie. Raises
    InvalidInput, BudgetExceeded, SourceError, Cancelled.
    """
    native = collection.extent.native if collection.extent else None
    if native is None or not touches(native, grid):
        return blank(grid), None
    try:
        plan = _plan(context, collection, wanted, grid, resampling)
    except InvalidInput as error:
        parts = _parts_with_data(native, grid) if error.parameter == "bbox" else []
        if not parts:
            raise
        whole = blank(grid)
        steps = []
        for row, col, inner in parts:
            plan = _plan(context, collection, wanted, inner, resampling)
            whole[:, row : row + inner.height, col : col + inner.width] = _drawn(context, wanted, plan)
            steps.append(_step(plan))
        return whole, next(filter(None, steps), None)
    return _drawn(context, wanted, plan), _step(plan)


def touches(native: Grid, grid: Grid) -> bool:
    """Whether data may lie in a grid; True when that can't be told."""
    try:
        box = native.bounds.to_crs(native.crs, grid.crs)
    except InvalidInput:  # data around a pole may have no such box
        return True
    return any(box.moved(turn).intersection(grid.bounds) for turn in turns(grid.crs))


def _plan(
    context: Context, collection: Collection, wanted: PictureRequest, grid: Grid, resampling: str | None
) -> CubePlan:
    selection = Selection(
        fields=tuple(dict.fromkeys(wanted.look.style.fields)),
        grid=grid,
        period=wanted.period,
        mask=wanted.mask,
        group="all",
        mosaic=wanted.mosaic,
        resampling=resampling,
    )
    return select(context, collection, selection)


def _drawn(context: Context, wanted: PictureRequest, plan: CubePlan) -> RGBA:
    if not plan.slices:
        return blank(plan.grid)
    one = all_slices(context, plan)[0]
    return draw(wanted.look.style, wanted.look.palette, plan.header, one)


def _step(plan: CubePlan) -> Step | None:
    return plan.slices[0].step if plan.slices else None


def _parts_with_data(native: Grid, grid: Grid) -> list[tuple[int, int, Grid]]:
    """(row, col, grid) of the parts of a grid that the data touch, two for data across the date line.

    None at all when they are the whole grid, or can't be told.
    """
    try:
        box = native.bounds.to_crs(native.crs, grid.crs)
    except InvalidInput:
        return []
    found = []
    for turn in turns(grid.crs):
        common = box.moved(turn).intersection(grid.bounds)
        window = grid.window(common) if common else None
        offset = grid.pixel_offset(window) if window else None
        if window is not None and offset is not None and window.shape != grid.shape:
            found.append((*offset, window))
    return found


def blank(grid: Grid) -> RGBA:
    return np.zeros((4, *grid.shape), dtype=np.uint8)


def picture_answer(wanted: PictureRequest, rgba: RGBA, headers: Mapping[str, str] | None = None) -> Answer:
    """The picture in its format, on its background."""
    format = PICTURES[wanted.format]
    if wanted.background is not None:
        opaque = on_background(rgba, wanted.background)
        rgba = np.concatenate([opaque, np.full_like(opaque[:1], 255)]) if format.has_opacity else opaque
    return Answer(format.encode(rgba), format.media_type, headers=headers or {}, keep=Keep.SHORT)


def _background(query: Query, format: str) -> tuple[int, int, int] | None:
    """What `transparent` and `bgcolor` say (OGC 20-058, background); white where a format knows no opacity."""
    text, colour = query.text("transparent"), query.text("bgcolor")
    given = None if colour is None else parse_colour(colour)
    transparent = text and text.lower()  # Python's clients write True
    if transparent not in (None, "true", "false"):
        raise InvalidInput("transparent", f"must be true or false, got {text!r:.40}")
    has_opacity = PICTURES[format].has_opacity
    if transparent == "true" and not has_opacity:
        raise InvalidInput("transparent", f"{format} has no transparency; ask for f=png")
    if transparent == "true" or (transparent is None and given is None and has_opacity):
        return None
    return given or WHITE


def parse_colour(text: str) -> tuple[int, int, int]:
    """Red, green and blue from `0xRRGGBB`, `#RRGGBB`, `RRGGBB` or a name. Raises InvalidInput("bgcolor", ...)."""
    lower = text.strip().lower()
    digits = COLOURS.get(lower, lower.removeprefix("0x").removeprefix("#"))
    if len(digits) != 6 or not set(digits) <= set("0123456789abcdef"):
        raise InvalidInput("bgcolor", f"{text[:40]!r} is not 0xRRGGBB, nor one of {', '.join(COLOURS)}")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
