"""`/collections/{c}`: OGC API - Common part 2, with what Coverages, EDR and Features add; `listing` has all of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import quote

from prismcube.encode import geojson, png
from prismcube.model.collection import Collection, ComputedField, StoredField
from prismcube.model.cube import OutputField
from prismcube.model.grid import CRS84, Grid, crs_uri
from prismcube.model.period import format_instant
from providers.ogc import queryables
from providers.ogc.answer import JSON, REL, Context, Request, link
from providers.ogc.coverage.links import coverage_links
from providers.ogc.edr.metadata import data_links, data_queries, output_formats
from providers.ogc.item_query import offered_crs
from providers.ogc.items import MEDIA_TYPE as GEOJSON
from providers.ogc.params import Query
from providers.ogc.selection import default_fields

HTML = "text/html"


def collection_document(context: Context, request: Request, name: str) -> dict[str, Any]:
    """One collection. Raises NotFound, UnknownParameter."""
    Query(request.query, known=("f", "lang"))
    return collection_entry(context.collection(name), base=request.base, whole=True)


def collection_entry(collection: Collection, *, base: str, whole: bool = False) -> dict[str, Any]:
    """The collection object; one without data has no extent and no grid. `whole`: with the CRSs written out."""
    here = f"{base}/collections/{quote(collection.name)}"
    entry: dict[str, Any] = {
        "id": collection.name,
        "title": collection.title or collection.name,
        "description": collection.description,
        "attribution": collection.attribution,
        "license": collection.license,
        "keywords": list(collection.keywords),
        "itemType": "feature",
        "crs": [crs_uri(one) for one in offered_crs(collection)],
        "parameter_names": {one.name: _parameter(one) for one in collection.fields},
        "prismcube:masks": {
            rule.name: {"rule": str(rule), "defaultFor": list(rule.default_for)} for rule in collection.masks
        },
        "defaultFields": list(default_fields(collection)),
        "prismcube:group": collection.group,
        "output_formats": output_formats(),
        "links": _links(collection, here),
    }
    if collection.extent:
        extent = collection.extent
        native = extent.native
        entry["storageCrs"] = crs_uri(native.crs)
        interval = [format_instant(extent.start), format_instant(extent.end)]
        entry["extent"] = {
            "spatial": {
                "bbox": [list(extent.bounds.as_tuple())],
                "crs": crs_uri(CRS84),
                "storageCrsBbox": [list(native.bounds.in_axis_order(native.crs))],
                "grid": _grid(native),
            },
            "temporal": {"interval": [interval], "trs": "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"},
        }
    return {**entry, "data_queries": data_queries(here, entry["crs"], wkt=whole)}


def _grid(native: Grid) -> list[dict[str, Any]]:
    """Axes x and y: cells and their size in the storage CRS (`extent.spatial.grid` of OGC API - Common part 2)."""
    return [
        {"cellsCount": native.width, "resolution": native.resolution[0]},
        {"cellsCount": native.height, "resolution": native.resolution[1]},
    ]


@lru_cache(maxsize=4096)
def _parameter(field: StoredField | ComputedField) -> dict[str, Any]:
    """What a collection document says of a field. It is shared: not to be changed."""
    document = geojson.edr_parameter(OutputField(field.name, field.format, field.unit, field.description))
    document["prismcube:computed"] = isinstance(field, ComputedField)
    if isinstance(field, ComputedField):
        document["prismcube:expression"] = field.expression.text
    if field.format.minimum is not None and field.format.maximum is not None:
        document["prismcube:range"] = [field.format.minimum, field.format.maximum]
    return document


def _links(collection: Collection, here: str) -> list[dict[str, Any]]:
    title = collection.title or collection.name
    return [
        link(here, "self", JSON, title),
        link(f"{here}?f=html", "alternate", HTML, "As HTML"),
        link(f"{here}/items", "items", GEOJSON, "Time steps and their footprints"),
        link(f"{here}/queryables", f"{REL}queryables", queryables.MEDIA_TYPE, "Properties that items are filtered by"),
        *coverage_links(collection, here),
        *data_links(here),
        link(f"{here}/map?f=png", f"{REL}map", png.MEDIA_TYPE, "A map"),
        link(f"{here}/map/tiles?f=json", f"{REL}tilesets-map", JSON, "Map tiles"),
        link(f"{here}/styles?f=json", f"{REL}styles", JSON, "Styles"),
    ]
