"""What a collection says of its EDR queries (OGC 19-086r6, 8.1.4 and table 10)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from prismcube.encode import covjson, geojson
from prismcube.model.distance import METRES
from prismcube.model.grid import parse_crs
from providers.ogc.answer import link
from providers.ogc.edr.query import OUTPUT_FORMATS

DEFAULT_FORMAT = next(iter(OUTPUT_FORMATS))

_LINE = "LINESTRING or MULTILINESTRING in well-known text, x before y"
_QUERIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "position",
        "Series of the pixels at points",
        {"coords": {"description": "POINT or MULTIPOINT in well-known text, x before y"}},
    ),
    (
        "radius",
        "Cube or series of what lies near a point",
        {"coords": {"description": "POINT in well-known text, x before y"}, "within_units": list(METRES)},
    ),
    (
        "area",
        "Cube or series of a polygon",
        {"coords": {"description": "POLYGON or MULTIPOLYGON in well-known text, x before y"}},
    ),
    ("cube", "Cube or series of a box", {}),
    ("trajectory", "Pixels along a line", {"coords": {"description": _LINE}}),
    (
        "corridor",
        "Cube or series of what lies near a line",
        {"coords": {"description": _LINE}, "width_units": list(METRES)},
    ),
)


def output_formats() -> list[str]:
    """The formats of every query, by the names that `f` takes too.

    GeoJSON comes before CoverageJSON: the executable suite of EDR takes the last of the two and asks for a whole scene
    in it, which as GeoJSON is more than one answer may hold. The default is told by `default_output_format`.
    """
    return sorted(OUTPUT_FORMATS, key=lambda name: name != "GeoJSON")


def data_queries(here: str, crs: list[str], *, wkt: bool = False) -> dict[str, Any]:
    """The `data_queries` of the collection at `here`; `crs` are the URIs that its queries take.

    With `wkt` each query has `crs_details`: many lines that a list of collections does without, since each
    collection's `crs` says the same.
    """
    details = {"crs_details": [{"crs": uri, "wkt": _wkt(uri)} for uri in crs]} if wkt else {}
    formats = {"output_formats": output_formats(), "default_output_format": DEFAULT_FORMAT}
    queries = {
        kind: _query(f"{here}/{kind}", kind, title, {**more, **formats, **details}) for kind, title, more in _QUERIES
    }
    places = {**formats, "default_output_format": "GeoJSON"}
    return {
        **queries,
        "locations": _query(f"{here}/locations", "locations", "Places with data of their own", {**places, **details}),
        "items": _query(
            f"{here}/items",
            "items",
            "Time steps and their footprints",
            {"output_formats": ["GeoJSON"], "default_output_format": "GeoJSON"},
        ),
    }


def data_links(here: str) -> list[dict[str, Any]]:
    """The queries among the links of the collection at `here`."""
    links = [link(f"{here}/{kind}", "data", covjson.MEDIA_TYPE, f"{title} (EDR)") for kind, title, _ in _QUERIES]
    return [*links, link(f"{here}/locations", "data", geojson.MEDIA_TYPE, "Places with data of their own (EDR)")]


def _query(href: str, kind: str, title: str, variables: dict[str, Any]) -> dict[str, Any]:
    return {"link": {"href": href, "rel": "data", "variables": {"title": title, "query_type": kind, **variables}}}


@lru_cache(maxsize=512)
def _wkt(uri: str) -> str:
    return str(parse_crs(uri).to_wkt())
