"""Query parameters, from text to values. Every failure is an InvalidInput that names the parameter."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from prismcube.errors import BudgetExceeded, InvalidInput, UnknownParameter
from prismcube.model.grid import CRS84, DEGREES, Bounds, is_flat, is_north_first
from prismcube.model.period import Period
from prismcube.model.text import check_text

SHORT = ("CRS84", "CRS:84")
"""Names of longitude and latitude without an authority, by which EDR's examples and executable suite ask."""

_CRS_FORMS = (
    re.compile(
        r"https?://www\.opengis\.net/def/crs/(?P<authority>[A-Za-z]{1,10})/[0-9.]{1,8}/(?P<code>[A-Za-z0-9]{1,16})",
        re.ASCII,
    ),
    re.compile(r"urn:ogc:def:crs:(?P<authority>[A-Za-z]{1,10}):[0-9.]{0,8}:(?P<code>[A-Za-z0-9]{1,16})", re.ASCII),
    re.compile(r"\[?(?P<authority>[A-Za-z]{1,10}):(?P<code>[A-Za-z0-9]{1,16})\]?", re.ASCII),
)
_AUTHORITIES = ("EPSG", "OGC", "ESRI", "IAU_2015")


class Query:
    """The parameters of one request.

    Raises UnknownParameter for names the operation doesn't know and InvalidInput for one that is given twice (but
    those in `repeatable`).
    """

    def __init__(
        self, pairs: Iterable[tuple[str, str]], *, known: Sequence[str], repeatable: Sequence[str] = ()
    ) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in known:
                raise UnknownParameter(name[:60], known=known)
            if name in self._values and name not in repeatable:
                raise InvalidInput(name, "given more than once")
            self._values.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def text(self, name: str) -> str | None:
        """The value; None when absent. An empty value is an error."""
        value = self._values.get(name, [None])[0]
        if value is not None and not value.strip():
            raise InvalidInput(name, "must not be empty")
        if value is not None:
            check_text(name, value)
        return value

    def raw(self, name: str) -> str | None:
        """The value, which may be empty; None when absent."""
        value = self._values.get(name, [None])[0]
        if value is not None:
            check_text(name, value)
        return value

    def names(self, name: str) -> tuple[str, ...] | None:
        """A comma-separated list of distinct names."""
        value = self.text(name)
        if value is None:
            return None
        names = tuple(part.strip() for part in value.split(","))
        if not all(names) or len(set(names)) != len(names):
            raise InvalidInput(name, f"must be distinct names separated by commas, got {value[:80]!r}")
        return names

    def integer(self, name: str, *, least: int, most: int | None = None) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value, re.ASCII) or int(value) < least:
            raise InvalidInput(name, f"must be a whole number of at least {least}, got {value[:40]!r}")
        if most is not None and int(value) > most:
            raise InvalidInput(name, f"must be at most {most}, got {value[:40]}")
        return int(value)

    def boolean(self, name: str) -> bool:
        """False when absent."""
        value = self.text(name)
        if value is not None and value.lower() not in ("true", "false"):
            raise InvalidInput(name, f"must be true or false, got {value[:40]!r}")
        return value is not None and value.lower() == "true"

    def number(self, name: str) -> float | None:
        value = self.text(name)
        return None if value is None else parse_number(value, name)

    def crs(self, name: str) -> str | None:
        value = self.text(name)
        return None if value is None else parse_crs_parameter(value, name)

    def period(self) -> Period | None:
        value = self.text("datetime")
        return None if value is None else Period.parse(value)


@contextmanager
def renamed(**names: str) -> Iterator[None]:
    """Errors about one of `names` become errors about the parameter the caller really gave.

    The domain speaks of `bbox`, `size` and `datetime` (`-` is written `_` here); it can't know how they were asked for.
    """
    try:
        yield
    except UnknownParameter:
        raise
    except InvalidInput as error:
        name = names.get(error.parameter.replace("-", "_"))
        if name is None:
            raise
        raise InvalidInput(name, error.reason) from error


def parse_number(text: str, parameter: str) -> float:
    """A finite decimal number."""
    if not re.fullmatch(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", text, re.ASCII) or len(text) > 60:
        raise InvalidInput(parameter, f"{text[:40]!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput(parameter, f"{text[:40]!r} is not a finite number")
    return value


def parse_crs_parameter(text: str, parameter: str) -> str:
    """`AUTHORITY:CODE` from an OGC URI, a URN, a CURIE (`[EPSG:3035]`), the bare code, or one of the `SHORT` names.

    Nothing else is taken, although PROJ would: its strings can name files.
    """
    if text.strip().upper() in SHORT:
        return CRS84
    for form in _CRS_FORMS:
        found = form.fullmatch(text.strip())
        if found and found["authority"].upper() in _AUTHORITIES:
            name = f"{found['authority'].upper()}:{found['code']}"
            try:
                flat = is_flat(name)
            except InvalidInput as error:
                raise InvalidInput(parameter, f"{text[:80]!r} is not known") from error
            if not flat:
                raise InvalidInput(parameter, f"{text[:80]!r} is not a two-dimensional CRS")
            return name
    raise InvalidInput(
        parameter, f"{text[:80]!r} is not a CRS; write a URI such as http://www.opengis.net/def/crs/EPSG/0/3035"
    )


def parse_bbox(text: str, *, crs: str) -> Bounds:
    """A box of four numbers in the axis order of its CRS (OGC 18-058r1, 6.3).

    Longitude first for CRS84, latitude first for EPSG:4326, northing first for EPSG:3035.
    """
    a, b, c, d = _corners(text, crs)
    if a > c and crs in DEGREES:
        in_range(Bounds(c, min(b, d), a, max(b, d)), crs)
        if b < d:
            return Bounds.across(a, b, c, d)
    if a >= c or b >= d:
        order = (
            "lower north, lower east, upper north, upper east" if is_north_first(crs) else "west, south, east, north"
        )
        raise InvalidInput("bbox", f"lower corner must lie below the upper one; the order for {crs} is {order}")
    return in_range(Bounds(a, b, c, d), crs)


def _corners(text: str, crs: str) -> tuple[float, float, float, float]:
    """West, south, east and north as they were given."""
    parts = text.split(",")
    if len(parts) == 6:
        raise InvalidInput("bbox", "collections have no height axis; give four numbers")
    if len(parts) != 4:
        raise InvalidInput("bbox", f"must be four numbers, got {text[:80]!r}")
    a, b, c, d = (parse_number(part, "bbox") for part in parts)
    return (b, a, d, c) if is_north_first(crs) else (a, b, c, d)


def in_range(bounds: Bounds, crs: str) -> Bounds:
    """The box itself. Raises InvalidInput when it is in degrees and lies beyond the globe."""
    if crs in DEGREES and not (
        bounds.west >= -180 and bounds.east <= 180 and bounds.south >= -90 and bounds.north <= 90
    ):
        raise InvalidInput("bbox", f"longitudes lie in -180..180 and latitudes in -90..90, got {bounds.as_tuple()}")
    return bounds


def parse_wkt(text: str, *, kinds: tuple[str, ...], max_vertices: int) -> BaseGeometry:
    """A valid geometry of one of `kinds` from WKT; coordinates are x y whatever the CRS (OGC 19-086r6, 8.2.1)."""
    try:
        geometry = shapely.from_wkt(text)
    except NotImplementedError as error:  # shapely's word for curves
        raise InvalidInput("coords", f"must be {' or '.join(kinds)}, without curves, got {text[:60]!r}") from error
    except (GEOSException, ValueError) as error:
        raise InvalidInput("coords", f"{text[:60]!r} is not well-known text") from error
    if geometry.geom_type.upper() not in kinds:
        raise InvalidInput("coords", f"must be {' or '.join(kinds)} in well-known text, got {text[:60]!r}")
    vertices = int(shapely.get_num_coordinates(geometry))
    if vertices > max_vertices:
        advice = "simplify the geometry, or ask for its parts"
        raise BudgetExceeded("vertices of coords", asked=vertices, allowed=max_vertices, advice=advice)
    if geometry.has_z or geometry.has_m:
        raise InvalidInput("coords", "collections have no height and no measure; give x and y only")
    if geometry.is_empty or not all(math.isfinite(v) for v in geometry.bounds):
        raise InvalidInput("coords", "must have coordinates, all of them finite")
    if not geometry.is_valid:
        raise InvalidInput("coords", f"is not a valid geometry: {shapely.is_valid_reason(geometry)[:80]}")
    return geometry
