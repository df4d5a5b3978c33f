"""Times that a file gives to its bands: the coordinate of a netCDF dimension, by the CF conventions (4.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from prismcube.errors import InvalidInput, SourceError
from prismcube.model.period import format_instant, parse_instant
from prismcube.raster.opening import opened
from prismcube.storage.uri import without_secret

_UNITS = re.compile(
    r"\s*(?P<unit>\w+)\s+since\s+(?P<date>\d{4}-\d{1,2}-\d{1,2})[T ]?\s*(?P<time>[0-9:.]*)\s*(?P<zone>Z|UTC)?\s*",
    re.IGNORECASE,
)
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")


def band_times(uri: str, subdir: str, dimension: str = "time") -> tuple[str, ...]:
    """RFC 3339 time of each band, as GDAL's netCDF driver tells it. Raises SourceError when the file gives none."""
    with opened(uri, subdir) as source:
        common = source.tags()
        values = [source.tags(band).get(f"NETCDF_DIM_{dimension}") for band in source.indexes]
    try:
        return tuple(as_time(value, common, dimension) for value in values)
    except InvalidInput as error:
        raise SourceError(without_secret(uri), error.reason) from error


def as_time(value: str | None, tags: Mapping[str, str], dimension: str) -> str:
    """The time of one coordinate. Raises InvalidInput("stack", ...)."""
    units, calendar = tags.get(f"{dimension}#units", ""), tags.get(f"{dimension}#calendar", "")
    found = _UNITS.fullmatch(units)
    scale = _SECONDS.get(found["unit"].lower().removesuffix("s") or "s") if found else None
    if value is None or found is None or scale is None:
        raise InvalidInput("stack", f"its bands have no times in the dimension {dimension!r} (units {units!r})")
    if calendar.lower() not in _CALENDARS:
        raise InvalidInput("stack", f"times of the calendar {calendar!r} can't be told")
    year, month, day = found["date"].split("-")
    clock = (found["time"] or "0").split(":")
    try:
        start = parse_instant(f"{year}-{int(month):02}-{int(day):02}")
        parts = zip(clock, ("hours", "minutes", "seconds"), strict=False)
        start += timedelta(**{name: float(text or 0) for text, name in parts})
        return format_instant(start + timedelta(seconds=round(float(value) * scale, 6)))
    except (ValueError, OverflowError, InvalidInput) as error:
        raise InvalidInput("stack", f"{value!r} {units!r} is no time") from error
