"""The output grid of a request. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
from pyproj.exceptions import ProjError

from prismcube.errors import InvalidInput
from prismcube.model.grid import CRS84, Bounds, Grid, parse_crs, transformer, turns
from prismcube.model.seam import map_ends

MAX_SIDE = 2**31 - 1
"""Pixels a side may have before the cost is even computed (GDAL's own limit)."""


@dataclass(frozen=True, kw_only=True)
class GridRequest:
    """What a caller may say about the output grid; everything has a default."""

    crs: str | None = None
    """Output CRS; None: the collection's own."""
    bounds: Bounds | None = None
    """Area; None: all the collection covers."""
    bounds_crs: str | None = None
    """CRS of `bounds`; None: the output CRS."""
    width: int | None = None
    height: int | None = None
    """With one of them the other follows from the area's shape."""
    resolution: tuple[float | None, float | None] | None = None
    """Pixel size (dx, dy) in units of the output CRS; None for one of them: as large as the stored pixels."""
    scale: tuple[float, float] | None = None
    """How many native pixels one output pixel is wide and high: (2, 2) halves the resolution (OGC API - Coverages,
    scale-factor and scale-axes)."""


def output_grid(native: Grid, wanted: GridRequest) -> Grid | None:
    """The grid a request asks for, None when its area does not touch `native`.

    - On the native CRS without any size: the window of the native lattice that covers the area, whole pixels.
    - `scale`: that window, divided into pixels so many times larger.
    - `resolution`, `width`, `height`: the area exactly as asked (clipped to the data only when none is given).
    - Another CRS without a size: pixels as large as keeps the count along the diagonal (GDAL's
      GDALSuggestedWarpOutput rule).

    Raises InvalidInput for contradictions and areas that have no place in the output CRS.
    """
    sizes = [wanted.width or wanted.height, wanted.resolution, wanted.scale]
    if sum(size is not None for size in sizes) > 1:
        raise InvalidInput("size", "width and height, resolution, scale factor exclude each other")
    crs = wanted.crs or native.crs
    covered = native.bounds.to_crs(native.crs, crs)
    area = covered
    if wanted.bounds is not None:
        sized = wanted.width or wanted.height or wanted.resolution
        asked = _asked(native, wanted.bounds, wanted.bounds_crs or crs, crs, exactly=bool(sized))
        if asked is None:
            return None
        asked = _with_area(asked, native if parse_crs(crs) == parse_crs(native.crs) else None)
        # Files with longitudes of 0 to 360 are asked for with -180 to 180: a box across Greenwich lies at both ends.
        touching = [turn for turn in turns(crs) if asked.moved(turn).intersection(covered)]
        if not touching:
            return None
        common = reduce(Bounds.union, (part for t in touching if (part := asked.moved(t).intersection(covered))))
        asked = asked.moved(touching[0])
        if len(touching) > 1 and common.east - common.west > asked.east - asked.west:
            common = asked  # a box across the date line, over files of -180 to 180: not all that lies between its ends
        # An explicit size means exactly the area asked for; else pixels beyond the data would only be empty.
        area = asked if sized else common
    if wanted.resolution:
        dx, dy = _filled(wanted.resolution, native, crs, area)
        return _sized(crs, area, (area.east - area.west) / dx, (area.north - area.south) / dy, exact=(dx, dy))
    if wanted.width or wanted.height:
        return _shaped(crs, area, wanted.width, wanted.height)
    across, down = wanted.scale or (1.0, 1.0)
    if parse_crs(crs) == parse_crs(native.crs):
        window = native.window(area)
        if wanted.scale in (None, (1.0, 1.0)):
            return window
        return _sized(crs, window.bounds, window.width / across, window.height / down)
    size = _suggested_pixel_size(native, crs, area)
    dx, dy = size * across, size * down
    return _sized(crs, area, (area.east - area.west) / dx, (area.north - area.south) / dy, exact=(dx, dy))


def _filled(resolution: tuple[float | None, float | None], native: Grid, crs: str, area: Bounds) -> tuple[float, float]:
    """The pixel size, with the native one where none is given."""
    if parse_crs(crs) == parse_crs(native.crs):
        own = native.resolution
    else:
        size = _suggested_pixel_size(native, crs, area)
        own = size, size
    return resolution[0] or own[0], resolution[1] or own[1]


def _asked(native: Grid, bounds: Bounds, source: str, target: str, *, exactly: bool) -> Bounds | None:
    """The area asked for in the output CRS; None when it does not touch the data.

    An area that has no place there as a whole may have one as far as there are data, unless it is wanted `exactly`.
    """
    try:
        asked = bounds.to_crs(source, target)
        if exactly:
            _check_in_one_piece(bounds, source, asked, target)
        return asked
    except InvalidInput:
        near = None if exactly else native.bounds.to_crs(native.crs, source)
        if near is None:
            raise
    parts = (bounds.moved(turn).intersection(near) for turn in turns(source))
    found = [part.to_crs(source, target) for part in parts if part is not None]
    return reduce(Bounds.union, found) if found else None


def _check_in_one_piece(bounds: Bounds, source: str, asked: Bounds, target: str) -> None:
    """Raises InvalidInput for an area on both sides of the end of a map: a box around it is as wide as the map.

    Without a size that is well: pixels are as small as those of the data. In so many columns nothing could be seen.
    """
    ends = None if parse_crs(target).is_geographic else map_ends(target)
    if ends is None or 2 * (asked.east - asked.west) < ends[1] - ends[0]:
        return
    degrees = bounds.to_crs(source, CRS84)
    if degrees.east - degrees.west < 180:
        advice = "ask for each side by itself, or take a CRS that goes on there (EPSG:3832 does at 180 degrees)"
        raise InvalidInput("crs", f"the map of {target[:60]} ends within the area; {advice}")


def _with_area(asked: Bounds, native: Grid | None) -> Bounds:
    """A box with some area: a single position on an axis stands for the native pixel it lies in."""
    if asked.west < asked.east and asked.south < asked.north:
        return asked
    if native is None:
        raise InvalidInput("subset", "a single position on an axis needs the collection's own CRS; give low:high")
    dx, dy = native.resolution
    west, east, south, north = asked.west, asked.east, asked.south, asked.north
    if west == east:  # the far edges belong to the last pixel
        col = math.floor((west - native.transform.c) / dx) - (west == native.bounds.east)
        west, east = native.transform.c + col * dx, native.transform.c + (col + 1) * dx
    if south == north:
        row = math.floor((native.transform.f - south) / dy) - (south == native.bounds.south)
        south, north = native.transform.f - (row + 1) * dy, native.transform.f - row * dy
    return Bounds(west, south, east, north)


def _sized(crs: str, area: Bounds, columns: float, rows: float, *, exact: tuple[float, float] | None = None) -> Grid:
    """A grid of about `columns` x `rows`; with `exact` pixel sizes it may reach beyond the area's south-east edges."""
    if exact:
        width, height = _count(columns - 1e-6, up=True), _count(rows - 1e-6, up=True)
        area = Bounds(area.west, area.north - height * exact[1], area.west + width * exact[0], area.north)
    else:
        width, height = _count(columns), _count(rows)
    return Grid.from_bounds(crs, area, width=width, height=height)


def _shaped(crs: str, area: Bounds, width: int | None, height: int | None) -> Grid:
    ratio = (area.east - area.west) / max(area.north - area.south, 1e-300)
    if width is None and height is not None:
        width = _count(height * ratio)
    elif height is None and width is not None:
        height = _count(width / ratio) if ratio else 1
    return Grid.from_bounds(crs, area, width=_count(width or 1), height=_count(height or 1))


def _count(pixels: float, *, up: bool = False) -> int:
    """A whole number of pixels, at least one; rounded to nearest or `up`."""
    if not pixels <= MAX_SIDE:
        raise InvalidInput("size", f"a side of more than {MAX_SIDE:,} pixels")
    return max(1, math.ceil(pixels) if up else round(pixels))


def _suggested_pixel_size(native: Grid, crs: str, area: Bounds) -> float:
    """Size of an output pixel such that the area's falling diagonal has as many pixels as it has in `native`."""
    back = area.to_crs(crs, native.crs)
    common = [back.moved(turn).intersection(native.bounds) for turn in turns(native.crs)]
    window = next(filter(None, common), native.bounds)
    dx, dy = native.resolution
    pixels = math.hypot((window.east - window.west) / dx, (window.north - window.south) / dy)
    try:
        x, y = transformer(native.crs, crs).transform(
            np.array([window.west, window.east]), np.array([window.north, window.south]), errcheck=True
        )
    except ProjError as error:
        raise InvalidInput("crs", "the area has no place in this CRS") from error
    ends = map_ends(crs)
    across = x[1] - x[0]
    if ends is not None and across < 0:  # the area lies across the end of the map
        across += ends[1] - ends[0]
    return math.hypot(across, y[1] - y[0]) / pixels
