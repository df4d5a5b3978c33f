"""`/collections/{c}/map`: OGC API - Maps (OGC 20-058), and the same in a style below `/styles/{styleId}`."""

from __future__ import annotations

from dataclasses import dataclass

from prismcube.cube.grids import MAX_SIDE, GridRequest, output_grid
from prismcube.errors import InvalidInput
from prismcube.model.cube import Step
from prismcube.model.grid import CRS84, Bounds, Grid, crs_uri, ground_metres, is_north_first, parse_crs, transformer
from prismcube.model.period import format_instant
from providers.ogc import pictures
from providers.ogc.answer import NOTHING_THERE, Answer, Context, Request
from providers.ogc.coverage.subset import Subset, parse_subset
from providers.ogc.params import Query, parse_bbox, parse_number, renamed

STYLED_PARAMETERS = (
    *pictures.PARAMETERS, "bbox", "bbox-crs", "subset-crs", "center", "center-crs", "crs", "width", "height",
    "scale-denominator", "resampling",
)  # fmt: skip
PARAMETERS = (*STYLED_PARAMETERS, *pictures.PLAIN)
FORMATS = pictures.FORMATS

DEFAULT_SIDE = 1024
"""Pixels of the longer side when a request tells neither size nor scale, unless the data have fewer there."""

DISPLAY_METRES = 0.28e-3
"""Size of a pixel on the display that scales are told for (OGC 20-058, scaling)."""


def map_picture(context: Context, request: Request, name: str, style: str | None = None) -> Answer:
    """A map of a collection in its default style, or in `style`; by default the latest valid pixel lies on top.

    It covers exactly the area asked for, and is transparent where nothing lies. Raises NotFound, InvalidInput,
    BudgetExceeded, SourceError.
    """
    query = Query(request.query, known=PARAMETERS if style is None else STYLED_PARAMETERS, repeatable=("subset",))
    collection = context.collection(name)
    if collection.extent is None:
        return NOTHING_THERE
    native = collection.extent.native
    with renamed(bbox="subset", datetime="subset"):
        subset = parse_subset(query.texts("subset"), native, crs=query.crs("subset-crs"))
    period = pictures.one_period(query, subset.period)
    wanted = pictures.parse_picture(context, request, query, collection, style=style, period=period)
    grid = map_grid(_view(query, subset), native)
    pictures.check_size(context, grid, wanted.format)
    rgba, step = pictures.render(context, collection, wanted, grid, resampling=query.text("resampling"))
    return pictures.picture_answer(wanted, rgba, _headers(grid, step))


@dataclass(frozen=True, kw_only=True)
class View:
    """What a client says about the area and the size of a map."""

    crs: str | None
    """Of the map; None: that of the data."""
    area: Bounds | None
    area_crs: str
    area_parameter: str
    """How the area was asked for."""
    center: tuple[float, float] | None
    """(x, y) in `center_crs`."""
    center_crs: str
    width: int | None
    height: int | None
    scale: float | None
    """Metres on the ground for one on the display, whose pixels are `DISPLAY_METRES` wide."""


def _view(query: Query, subset: Subset) -> View:
    # Without the parameter that they belong to, the standard has these two ignored; they must be a CRS all the same.
    bbox_crs, center_crs = query.crs("bbox-crs") or CRS84, query.crs("center-crs") or CRS84
    bbox, center = query.text("bbox"), query.text("center")
    given = [name for name, value in (("bbox", bbox), ("center", center), ("subset", subset.bounds)) if value]
    if len(given) > 1:
        raise InvalidInput(given[1], f"{given[0]} and {given[1]} exclude each other")
    if subset.bounds and (subset.bounds.west == subset.bounds.east or subset.bounds.south == subset.bounds.north):
        raise InvalidInput("subset", "a map shows an area, no line; give low:high")
    scale = query.number("scale-denominator")
    if scale is not None and scale <= 0:
        raise InvalidInput("scale-denominator", f"must be positive, got {scale}")
    view = View(
        crs=query.crs("crs"),
        area=parse_bbox(bbox, crs=bbox_crs) if bbox else subset.bounds,
        area_crs=bbox_crs if bbox else subset.crs or CRS84,
        area_parameter="bbox" if bbox else "subset",
        center=_center(center, center_crs) if center else None,
        center_crs=center_crs,
        width=query.integer("width", least=1, most=MAX_SIDE),
        height=query.integer("height", least=1, most=MAX_SIDE),
        scale=scale,
    )
    if view.area and scale and (view.width or view.height):
        raise InvalidInput("scale-denominator", "area and size leave no choice of the scale")
    return view


def map_grid(view: View, native: Grid) -> Grid:
    """The pixels of a map.

    - An area: filled exactly; one side follows from the other so that a metre on the ground is as long on both.
    - No area, but a centre, or a scale with a size: so many pixels around the centre (of the data, if none is said),
      at that scale or that of the data.
    - Nothing: the data as a whole.

    Raises InvalidInput for what has no place in the CRS.
    """
    crs = view.crs or native.crs
    if view.area is not None:
        with renamed(bbox=view.area_parameter):
            area = view.area.to_crs(view.area_crs, crs)
            return _filled(area, crs, view, native)
    with renamed(bbox="crs"):
        covered = native.bounds.to_crs(native.crs, crs)
    if view.center is None and not (view.scale and (view.width or view.height)):
        return _filled(covered, crs, view, native)
    x, y = (covered.west + covered.east) / 2, (covered.south + covered.north) / 2
    if view.center is not None:
        x, y = transformer(view.center_crs, crs).transform(*view.center)
    with renamed(bbox="center"):
        at = Bounds(x, y, x, y)  # refuses what has no place in this CRS
        dx, dy = _pixel_size(at, crs, view.scale) if view.scale else _native_size(native, crs)
        width, height = view.width or view.height or DEFAULT_SIDE, view.height or view.width or DEFAULT_SIDE
        around = Bounds(x - dx * width / 2, y - dy * height / 2, x + dx * width / 2, y + dy * height / 2)
        return Grid.from_bounds(crs, around, width=width, height=height)


def _filled(area: Bounds, crs: str, view: View, native: Grid) -> Grid:
    across, up = area.east - area.west, area.north - area.south
    if not (across and up):
        raise InvalidInput("bbox", "the area is empty; give low:high")
    width, height = view.width, view.height
    if view.scale:
        dx, dy = _pixel_size(area, crs, view.scale)
        width, height = _count(across / dx), _count(up / dy)
    elif width is None and height is None:
        dx, dy = _native_size(native, crs)
        shrink = max(1.0, across / dx / DEFAULT_SIDE, up / dy / DEFAULT_SIDE)
        width, height = _count(across / dx / shrink), _count(up / dy / shrink)
    elif width is None or height is None:
        metres_x, metres_y = _ground(area, crs)
        ratio = (across * metres_x) / (up * metres_y)
        width, height = width or _count((height or 1) * ratio), height or _count((width or 1) / ratio)
    return Grid.from_bounds(crs, area, width=width, height=height)


def _count(pixels: float) -> int:
    if not pixels <= MAX_SIDE:
        raise InvalidInput("width", f"a side of more than {MAX_SIDE:,} pixels")
    return max(1, round(pixels))


def _pixel_size(area: Bounds, crs: str, scale: float) -> tuple[float, float]:
    """(dx, dy) in units of the CRS at a scale, in the middle of the area."""
    metres_x, metres_y = _ground(area, crs)
    return scale * DISPLAY_METRES / metres_x, scale * DISPLAY_METRES / metres_y


def _ground(area: Bounds, crs: str) -> tuple[float, float]:
    return ground_metres(crs, (area.west + area.east) / 2, (area.south + area.north) / 2)


def _native_size(native: Grid, crs: str) -> tuple[float, float]:
    """(dx, dy) of pixels in a CRS that are about as large as the stored ones."""
    if parse_crs(crs) == parse_crs(native.crs):
        return native.resolution
    grid = output_grid(native, GridRequest(crs=crs))
    assert grid is not None  # noqa: S101  # it covers all the data
    return grid.resolution


def _center(text: str, crs: str) -> tuple[float, float]:
    """(x, y) from two numbers in the axis order of their CRS. Raises InvalidInput("center", ...)."""
    parts = text.split(",")
    if len(parts) != 2:
        raise InvalidInput("center", f"must be two numbers, got {text[:80]!r}")
    first, second = (parse_number(part, "center") for part in parts)
    return (second, first) if is_north_first(crs) else (first, second)


def _headers(grid: Grid, step: Step | None) -> dict[str, str]:
    """CRS and box in its axis order; first and last instant of what is shown."""
    box = ",".join(f"{value:.12g}" for value in grid.bounds.in_axis_order(grid.crs))
    headers = {"Content-Crs": f"<{crs_uri(grid.crs)}>", "Content-Bbox": box}
    if step:
        start, end = format_instant(step.start), format_instant(step.end)
        headers["Content-Datetime"] = start if start == end else f"{start}/{end}"
    return headers
