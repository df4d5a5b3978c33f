"""What the queries of EDR have in common: formats, coordinates, fields, and what they don't know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shapely.geometry.base import BaseGeometry

from prismcube.encode import covjson, geojson, table
from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection
from prismcube.model.distance import METRES, MOST_METRES
from prismcube.model.grid import CRS84, DEGREES, Grid
from providers.ogc.coverage.formats import FILES
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query, parse_number, parse_wkt
from providers.ogc.selection import Selection, check_fields

COMMON = ("f", "crs", "datetime", "parameter-name", "parameter_names", "mask", "group", "mosaic")
"""Of every query; `parameter_names` is how OWSLib spells `parameter-name`."""

FORMATS = {
    "covjson": covjson.MEDIA_TYPE,
    "coveragejson": covjson.MEDIA_TYPE,
    "json": covjson.MEDIA_TYPE,
    "csv": table.MEDIA_TYPE,
    "geojson": geojson.MEDIA_TYPE,
    "netcdf": FILES["netcdf"].media_type,
}
"""Values of `f`, in any case; media types are taken too. The first is the default."""

OUTPUT_FORMATS = {"CoverageJSON": "covjson", "CSV": "csv", "GeoJSON": "geojson", "NetCDF": "netcdf"}
"""Formats by the names that `output_formats` of a collection lists, and their values of `f`."""

MEDIA_TYPES = tuple(dict.fromkeys(FORMATS[name].partition(";")[0] for name in OUTPUT_FORMATS.values()))
"""Of the answers, the default first."""

HEIGHTS = {
    "z": "the collection has no vertical axis",
    "resolution-z": "the collection has no vertical axis",
    "corridor-height": "the collection has no vertical axis; the corridor has a width only",
    "height-units": "the collection has no vertical axis; the corridor has a width only",
}
"""Parameters of the standard that only data with heights can honour, and why they are refused."""


def read_query(pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> Query:
    """The parameters of a query. Raises InvalidInput, also for those of `HEIGHTS`."""
    asked = list(pairs)
    for name, _ in asked:
        if name in HEIGHTS:
            raise InvalidInput(name, HEIGHTS[name])
    return Query(asked, known=known)


def format_of(query: Query, accept: str) -> str:
    """`covjson`, `csv`, ..., one of those `OUTPUT_FORMATS` leads to."""
    chosen = choose_format(query.text("f"), accept, FORMATS)
    return next(name for name, media_type in FORMATS.items() if media_type == FORMATS[chosen])


def coords(query: Query, *, kinds: tuple[str, ...], max_vertices: int) -> tuple[BaseGeometry, str]:
    """The geometry asked for and its CRS. Raises InvalidInput."""
    text = query.text("coords")
    if text is None:
        raise InvalidInput("coords", f"is required: {' or '.join(kinds)} in well-known text")
    geometry = parse_wkt(text, kinds=kinds, max_vertices=max_vertices)
    crs = query.crs("crs") or CRS84
    west, south, east, north = geometry.bounds
    if crs in DEGREES and not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise InvalidInput("coords", "x is the longitude in -180..180, y the latitude in -90..90")
    return geometry, crs


def length(query: Query, name: str, units: str) -> float:
    """A required, positive length in metres, from the parameters of its number and its unit. Raises InvalidInput."""
    text, unit = query.text(name), query.text(units)
    if text is None:
        raise InvalidInput(name, f"is required: a number, in the unit that {units} names")
    if unit is None:
        raise InvalidInput(units, f"is required: one of {', '.join(METRES)}")
    if unit not in METRES:
        raise InvalidInput(units, f"{unit[:40]!r} is not one of {', '.join(METRES)}")
    metres = parse_number(text, name) * METRES[unit]
    if not 0 < metres <= MOST_METRES:
        raise InvalidInput(name, f"must be positive and at most {MOST_METRES / METRES[unit]:g} {unit}, got {text[:40]}")
    return metres


def selection(query: Query, collection: Collection, grid: Grid, *, resampling: str | None = "nearest") -> Selection:
    """What a query selects on a grid. Raises InvalidInput."""
    if query.text("parameter-name") and query.text("parameter_names"):
        raise InvalidInput("parameter_names", "is another spelling of parameter-name; give one")
    names = query.names("parameter-name") or query.names("parameter_names")
    everything = tuple(one.name for one in collection.fields)
    return Selection(
        fields=check_fields(collection, names, parameter="parameter-name", default=everything),
        grid=grid,
        period=query.period(),
        mask=query.text("mask"),
        group=query.text("group"),
        mosaic=query.text("mosaic"),
        resampling=resampling,
    )
