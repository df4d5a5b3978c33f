"""`/collections/{c}/coverage` and the documents that describe it: OGC API - Coverages (OGC 19-087).

coverage ─ asked (area, size, time) ─ select ─> plan ─┬ estimate, plan
                                                      ├ GeoTIFF, made while it is sent
                                                      ├ files: COG, NetCDF, Zarr
                                                      └ CoverageJSON, PNG
"""

from providers.ogc.coverage.documents import SCHEMA_MEDIA_TYPE, domain_set, range_type, schema
from providers.ogc.coverage.formats import FORMATS, TEMPORARY
from providers.ogc.coverage.handler import PARAMETERS, check_json_size, coverage

__all__ = [
    "FORMATS",
    "PARAMETERS",
    "SCHEMA_MEDIA_TYPE",
    "TEMPORARY",
    "check_json_size",
    "coverage",
    "domain_set",
    "range_type",
    "schema",
]
