"""The fields by which a TIFF says where it lies (OGC 19-008r4), with GDAL's names of coordinate reference systems."""

from __future__ import annotations

from functools import lru_cache

import rasterio

from prismcube.raster.quiet import ignore_missing_georeference
from prismcube.tiff.fields import Tag, doubles, read_tags

_GEO_KEYS = frozenset({34735, 34736, 34737})


def georeference(crs: str, transform: rasterio.Affine) -> tuple[Tag, ...]:
    """CRS and place of an image; `transform` from (column, row) to CRS units."""
    west, north = transform.c, transform.f
    if transform.b == transform.d == 0 and transform.a > 0 > transform.e:
        place = [doubles(33550, transform.a, -transform.e, 0), doubles(33922, 0, 0, 0, west, north, 0)]
    else:  # turned or mirrored: OGC 19-008r4, 7.6.3 (ModelTransformationTag)
        a, b, d, e = transform.a, transform.b, transform.d, transform.e
        place = [doubles(34264, a, b, 0, west, d, e, 0, north, 0, 0, 0, 0, 0, 0, 0, 1)]
    return (*geo_keys(crs), *place)


@lru_cache(maxsize=256)
def can_name(crs: str) -> bool:
    """True when GeoTIFF has a place for this CRS; some that PROJ knows it can't say."""
    content = _empty(crs)
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.MemoryFile(content) as memory, memory.open() as file:
        return file.crs is not None


@lru_cache(maxsize=256)
def geo_keys(crs: str) -> tuple[Tag, ...]:
    """The GeoKeys of a CRS, as GDAL writes them."""
    return tuple(read_tags(_empty(crs), _GEO_KEYS))


@lru_cache(maxsize=256)
def _empty(crs: str) -> bytes:
    """A GeoTIFF of one pixel in this CRS."""
    ignore_missing_georeference()
    transform = rasterio.Affine(1, 0, 0, 0, -1, 0)
    shape = {"driver": "GTiff", "width": 1, "height": 1, "count": 1, "dtype": "uint8"}
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.MemoryFile() as memory:
        with memory.open(**shape, crs=crs, transform=transform):
            pass
        return bytes(memory.read())
