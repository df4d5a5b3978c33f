"""Which grid and time a coverage request asks for: `subset`, `bbox`, `crs`, the scaling parameters, `datetime`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prismcube.cube.grids import MAX_SIDE, GridRequest, output_grid
from prismcube.errors import InvalidInput
from prismcube.model.grid import CRS84, Bounds, Grid
from prismcube.model.period import Period
from providers.ogc.coverage.subset import parse_resolution, parse_scale_axes, parse_scale_size, parse_subset
from providers.ogc.params import Query, parse_bbox, renamed

PARAMETERS = (
    "subset", "subset-crs", "bbox", "bbox-crs", "crs", "resolution", "scale-factor", "scale-axes", "scale-size",
    "scaleSize", "width", "height", "datetime",
)  # fmt: skip
"""`scaleSize` is an older spelling, which GDAL's OGCAPI driver writes."""

_SIZES = ("resolution", "scale-factor", "scale-axes", "scale-size", "scaleSize")


@dataclass(frozen=True)
class Asked:
    """What a request says of place and time."""

    grid: Grid | None
    """Of the answer; None when the area does not touch the data."""
    period: Period | None


def asked(query: Query, native: Grid) -> Asked:
    """Raises InvalidInput for what makes no sense, alone or together."""
    wanted, period = _grid_request(query, native)
    with _named_as_asked(query):
        return Asked(output_grid(native, wanted), period)


def _grid_request(query: Query, native: Grid) -> tuple[GridRequest, Period | None]:
    # A CRS without the coordinates that it is for has no effect, but must be one: clients set it once for all requests.
    subset_crs = query.crs("subset-crs")
    with renamed(bbox="subset", datetime="subset"):
        subset = parse_subset(query.texts("subset"), native, crs=subset_crs)
    bbox, bbox_crs = query.text("bbox"), query.crs("bbox-crs")
    if bbox and subset.bounds:
        raise InvalidInput("subset", "spatial axes and bbox exclude each other")
    period = query.period()
    if period and subset.period:
        raise InvalidInput("subset", "time and datetime exclude each other")
    area: Bounds | None = subset.bounds
    if bbox:
        area = parse_bbox(bbox, crs=bbox_crs or CRS84)
    width, height, scale = _size(query, native)
    crs = query.crs("crs")
    resolution = parse_resolution(query.raw("resolution"), crs or native.crs)
    request = GridRequest(
        crs=crs,
        bounds=area,
        bounds_crs=subset.crs or bbox_crs or CRS84,
        width=width,
        height=height,
        scale=scale,
        resolution=resolution,
    )
    return request, subset.period or period


def _size(query: Query, native: Grid) -> tuple[int | None, int | None, tuple[float, float] | None]:
    """(width, height, scale factors of x and y)."""
    width, height = query.integer("width", least=1, most=MAX_SIDE), query.integer("height", least=1, most=MAX_SIDE)
    given = [name for name in _SIZES if query.texts(name)]
    if len(given) + (width is not None or height is not None) > 1:
        raise InvalidInput(given[-1], "width/height, resolution and the scale parameters exclude each other")
    for name in ("scale-size", "scaleSize"):
        if (size := query.text(name)) is not None:
            width, height = parse_scale_size(size, native, parameter=name)
    if (axes := query.text("scale-axes")) is not None:
        return None, None, parse_scale_axes(axes, native)
    factor = query.number("scale-factor")
    if factor is None:
        return width, height, None
    if factor <= 0:
        raise InvalidInput("scale-factor", f"must be positive, got {factor}")
    return None, None, (factor, factor)


@contextmanager
def _named_as_asked(query: Query) -> Iterator[None]:
    """Errors about area and size name the parameters that the request says them by."""
    area = next((name for name in ("bbox", "subset", "crs") if query.texts(name)), "crs")
    size = next((name for name in (*_SIZES, "width", "height") if query.texts(name)), "crs")
    with renamed(bbox=area, size=size):
        yield
