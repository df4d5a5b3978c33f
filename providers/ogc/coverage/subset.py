"""The `subset` and `scale-size` parameters: `E(10:20),N(5:9),time("2020-01-01":"2020-02-01")`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from prismcube.cube.grids import MAX_SIDE
from prismcube.errors import InvalidInput
from prismcube.model.grid import CRS84, DEGREES, Bounds, Grid, parse_crs
from prismcube.model.period import Period, parse_instant
from providers.ogc.params import in_range, parse_number

_AXIS = re.compile(r"\s*(?P<axis>[A-Za-z]\w{0,20})\((?P<inner>[^()]{0,200})\)\s*(?:,|$)", re.ASCII)

EAST = {"e", "x", "easting"}
NORTH = {"n", "y", "northing"}
LONGITUDE = {"lon", "long", "longitude"}
LATITUDE = {"lat", "latitude"}
TIME = {"time", "t", "datetime", "ansi"}


@dataclass(frozen=True)
class Subset:
    """What `subset` says about the area and the time."""

    bounds: Bounds | None = None
    crs: str | None = None
    """Of `bounds`."""
    period: Period | None = None


def parse_subset(texts: Sequence[str], native: Grid, *, crs: str | None = None) -> Subset:
    """Axes by name, each once: E/N or x/y in the collection's own CRS, Lon/Lat in degrees, time.

    With `crs` (`subset-crs`) the spatial axes are those of that CRS: E/N or x/y, Lon/Lat only when it is geographic.
    Bounds are inclusive; `*` leaves one open; a single value takes the pixel (or instant) it lies in.
    Raises InvalidInput("subset", ...).
    """
    spans: dict[str, str] = {}
    for axis, inner in (pair for text in texts for pair in split_axes(text, "subset")):
        kind = axis_kind(axis, native, "subset")
        if kind in spans:
            raise InvalidInput("subset", f"axis {axis!r} is given twice")
        spans[kind] = inner
    period = _period(spans.pop("time")) if "time" in spans else None
    if not spans:
        return Subset(period=period)
    if {"lon", "lat"} & spans.keys() and {"e", "n"} & spans.keys():
        raise InvalidInput("subset", "name the axes of one CRS: E and N, or Lon and Lat")
    by_degrees = bool({"lon", "lat"} & spans.keys())
    if crs is not None and by_degrees and not parse_crs(crs).is_geographic:
        raise InvalidInput("subset", f"{crs} has no axes Lon and Lat; name E and N")
    crs = crs or (CRS84 if by_degrees else native.crs)
    try:
        full = native.bounds.to_crs(native.crs, crs)
    except InvalidInput:
        if not parse_crs(crs).is_geographic:
            raise InvalidInput("subset-crs", f"the data of this collection have no place in {crs}") from None
        full = Bounds(-180, -90, 180, 90)  # data around a pole may have no box in degrees
    wraps = crs in DEGREES
    west, east = _span(spans.get("lon") or spans.get("e"), full.west, full.east, wraps=wraps)
    south, north = _span(spans.get("lat") or spans.get("n"), full.south, full.north)
    if west > east:  # across the antimeridian (19-087, subsetting-spatial, wrap-around)
        in_range(Bounds(east, south, west, north), crs)
        return Subset(Bounds.across(west, south, east, north), crs, period)
    # An end that is left open may lie across the antimeridian, where the data end.
    low, high = (max(west, -180) if west == full.west else west), (min(east, 180) if east == full.east else east)
    in_range(Bounds(min(low, high), south, max(low, high), north), crs)
    return Subset(Bounds(west, south, east, north), crs, period)


def parse_scale_size(text: str, native: Grid, *, parameter: str = "scale-size") -> tuple[int | None, int | None]:
    """(width, height) from `E(300),N(200)`. Raises InvalidInput(parameter, ...)."""
    sizes: dict[str, int] = {}
    for kind, axis, inner in _scaled_axes(text, native, parameter):
        if not re.fullmatch(r"[0-9]{1,10}", inner, re.ASCII) or not 1 <= int(inner) <= MAX_SIDE:
            raise InvalidInput(parameter, f"{axis}: must be a whole number from 1 to {MAX_SIDE}, got {inner[:40]!r}")
        sizes[kind] = int(inner)
    return sizes.get("e"), sizes.get("n")


def parse_scale_axes(text: str, native: Grid) -> tuple[float, float]:
    """Factors of x and y from `E(2),N(4)`; an axis that is not named keeps its pixels. Raises InvalidInput."""
    factors: dict[str, float] = {}
    for kind, axis, inner in _scaled_axes(text, native, "scale-axes"):
        factors[kind] = parse_number(inner, "scale-axes")
        if factors[kind] <= 0:
            raise InvalidInput("scale-axes", f"{axis}: must be positive, got {inner[:40]}")
    return factors.get("e", 1.0), factors.get("n", 1.0)


def parse_resolution(text: str | None, crs: str) -> tuple[float | None, float | None] | None:
    """Pixel sizes of x and y from `E(20),N(20)` or, in degrees, `Lon(0.001),Lat(0.001)`, by the axes of `crs`.

    None, for one or both of them, stands for the native size, as do empty brackets (19-087, scaling-spatial).
    Raises InvalidInput("resolution", ...).
    """
    if text is None or not text.strip():
        return None
    sizes: dict[str, float | None] = {}
    geographic = parse_crs(crs).is_geographic
    for axis, inner in split_axes(text, "resolution", empty=True):
        lower = axis.lower()
        x = lower in (LONGITUDE | {"x"} if geographic else EAST)
        if not x and lower not in (LATITUDE | {"y"} if geographic else NORTH):
            known = "Lon and Lat" if geographic else "E and N"
            raise InvalidInput("resolution", f"no axis {axis[:40]!r} in {crs[:40]}; there are {known}")
        kind = "x" if x else "y"
        if kind in sizes:
            raise InvalidInput("resolution", f"axis {axis!r} is given twice")
        size = parse_number(inner, "resolution") if inner.strip() else None
        if size is not None and not 0 < size < 1e12:
            raise InvalidInput("resolution", f"{axis}: must be positive, got {inner[:40]}")
        sizes[kind] = size
    found = sizes.get("x"), sizes.get("y")
    return None if found == (None, None) else found


def _scaled_axes(text: str, native: Grid, parameter: str) -> list[tuple[str, str, str]]:
    """(`e` or `n`, the axis as it was written, content of its brackets), each axis once."""
    found: dict[str, tuple[str, str, str]] = {}
    for axis, inner in split_axes(text, parameter):
        kind = axis_kind(axis, native, parameter)
        kind = {"lon": "e", "lat": "n"}.get(kind, kind)
        if kind == "time":
            raise InvalidInput(parameter, f"axis {axis!r} can't be scaled; see group")
        if kind in found:
            raise InvalidInput(parameter, f"axis {axis!r} is given twice")
        found[kind] = (kind, axis, inner)
    return [*found.values()]


def split_axes(text: str, parameter: str, *, empty: bool = False) -> list[tuple[str, str]]:
    """(axis, content of its brackets) in order; the whole text must be used up. Brackets may be `empty`."""
    found, at = [], 0
    while at < len(text):
        match = _AXIS.match(text, at)
        if not match or not (match["inner"] or empty):
            raise InvalidInput(parameter, f"{text[at : at + 60]!r} is not axis(low:high)")
        found.append((match["axis"], match["inner"]))
        at = match.end()
    if not found or text.rstrip().endswith(","):
        raise InvalidInput(parameter, f"{text[:60]!r} is not axis(low:high)")
    return found


def axis_kind(axis: str, native: Grid, parameter: str) -> str:
    """`e`, `n`, `lon`, `lat` or `time`."""
    lower = axis.lower()
    geographic = parse_crs(native.crs).is_geographic
    for kind, names in (("e", EAST), ("n", NORTH), ("lon", LONGITUDE), ("lat", LATITUDE), ("time", TIME)):
        if lower in names:
            return kind
    known = "Lon, Lat, time" if geographic else "E, N, Lon, Lat, time"
    raise InvalidInput(parameter, f"no axis {axis[:40]!r}; there are {known}")


def _span(inner: str | None, low: float, high: float, *, wraps: bool = False) -> tuple[float, float]:
    if inner is None or inner.strip() == "*":
        return low, high
    start, colon, end = inner.partition(":")
    first = low if start.strip() == "*" else parse_number(start, "subset")
    if not colon:
        return first, first
    last = high if end.strip() == "*" else parse_number(end, "subset")
    if first > last and not wraps:
        raise InvalidInput("subset", f"low bound must not exceed the high one, got {inner[:60]!r}")
    return first, last


def _period(inner: str) -> Period:
    """Instants may be quoted or not; unquoted ones have colons of their own, so each is tried as the separator."""
    text = inner.replace('"', "").strip()
    if text == "*":
        return Period()
    try:
        return Period(parse_instant(text), parse_instant(text, end=True))
    except InvalidInput:
        pass  # not one instant: an interval
    for at in (found.start() for found in re.finditer(":", text)):
        start, end = text[:at].strip(), text[at + 1 :].strip()
        try:
            first = None if start == "*" else parse_instant(start)
            last = None if end == "*" else parse_instant(end, end=True)
        except InvalidInput:
            continue  # this colon belongs to a time of day
        return Period(first, last)
    raise InvalidInput("subset", f"time: {inner[:60]!r} is neither an instant nor start:end")
