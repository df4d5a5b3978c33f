"""Where a collection document leads to for its pixels."""

from __future__ import annotations

from typing import Any

from prismcube.encode import covjson, geotiff
from prismcube.model.collection import Collection
from prismcube.model.period import format_instant
from providers.ogc.answer import JSON, REL, link
from providers.ogc.coverage.documents import SCHEMA_MEDIA_TYPE
from providers.ogc.coverage.formats import FILES

_TITLES = {"cog": "Pixels as Cloud Optimized GeoTIFF", "netcdf": "Pixels as NetCDF", "zarr": "Pixels as Zarr, zipped"}


def coverage_links(collection: Collection, here: str) -> list[dict[str, Any]]:
    """The coverage in its formats, and what describes it; `here` is the address of the collection.

    The first is what GDAL's OGCAPI driver follows, which knows of two axes only: the last day that has data.
    """
    pixels = f"{here}/coverage"
    links = []
    if collection.extent:
        day = format_instant(collection.extent.end)[:10]
        last = f"{pixels}?datetime={day}&group=day"
        links.append(link(last, f"{REL}coverage", geotiff.MEDIA_TYPE, "Pixels of the last day as GeoTIFF"))
    links += [
        link(pixels, f"{REL}coverage", geotiff.MEDIA_TYPE, "Pixels as GeoTIFF"),
        link(f"{pixels}?f=covjson", f"{REL}coverage", covjson.MEDIA_TYPE, "Pixels as CoverageJSON"),
    ]
    links += [link(f"{pixels}?f={name}", f"{REL}coverage", FILES[name].media_type, _TITLES[name]) for name in FILES]
    if collection.extent:
        links.append(link(f"{pixels}/domainset", f"{REL}coverage-domainset", JSON, "Axes, bounds and pixel size"))
    return [
        *links,
        link(f"{pixels}/rangetype", f"{REL}coverage-rangetype", JSON, "The stored fields"),
        link(f"{here}/schema", f"{REL}schema", SCHEMA_MEDIA_TYPE, "The fields, as a JSON Schema"),
    ]
