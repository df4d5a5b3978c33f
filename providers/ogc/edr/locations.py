"""`/collections/{c}/locations`: the areas of interest of a collection (OGC 19-086r6, 8.2.7).

A location is an AOI that some of the collection's records are of: the footprint of a scene, a tile, a field. Its id
is the AOI's. Asked for its data, it answers as its polygon does at `/area`, by default with the mean of each step: a
place may be a whole scene, whose pixels are no answer in text.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from shapely.geometry import mapping

from prismcube.catalogue.places import Place
from prismcube.encode import geojson
from prismcube.errors import NotFound
from prismcube.model.collection import Collection
from prismcube.model.cube import OutputField
from prismcube.model.grid import CRS84, Grid
from prismcube.model.period import Period, format_instant
from providers.ogc.answer import JSON, Answer, Context, Request, link, linked
from providers.ogc.edr.areal import AREAL, Shape, answer_area, drawn_shape
from providers.ogc.edr.query import read_query
from providers.ogc.params import Query
from providers.ogc.search_box import parse_search_box

PARAMETERS = ("f", "lang", "bbox", "bbox-crs", "datetime", "limit", "after")
LOCATION_PARAMETERS = AREAL
HTML = "text/html"
FORMATS = {"geojson": geojson.MEDIA_TYPE, "json": geojson.MEDIA_TYPE, "html": HTML}


def locations(context: Context, request: Request, name: str) -> dict[str, Any]:
    """A page of the collection's places; `links` has the next page while there is one.

    Raises NotFound, InvalidInput.
    """
    query = Query(request.query, known=PARAMETERS)
    collection = context.collection(name)
    limit = min(query.integer("limit", least=1) or context.limits.items, context.limits.items)
    bbox, bbox_crs = query.text("bbox"), query.crs("bbox-crs")
    found = context.catalogue.places.list(
        collection,
        area=parse_search_box(bbox, crs=bbox_crs or CRS84) if bbox else None,
        period=query.period() or Period(),
        after=query.integer("after", least=0),
        limit=limit + 1,
    )
    page = found[:limit]
    here = f"{request.base}/collections/{collection.name}"
    own = f"?{urlencode(request.query)}" if request.query else ""
    links = [
        link(f"{here}/locations{own}", "self", geojson.MEDIA_TYPE, "This page"),
        link(linked(f"{here}/locations", request.query, f="html"), "alternate", HTML, "As HTML"),
        link(here, "collection", JSON, collection.title or collection.name),
    ]
    if len(found) > limit:
        following = [*((key, value) for key, value in request.query if key != "after"), ("after", str(page[-1].id))]
        links.append(link(f"{here}/locations?{urlencode(following)}", "next", geojson.MEDIA_TYPE, "Next page"))
    fields = [OutputField(one.name, one.format, one.unit, one.description) for one in collection.fields]
    return {
        "type": "FeatureCollection",
        "features": [_feature(one, collection, here) for one in page],
        "parameters": geojson.parameters_of(fields),
        "numberReturned": len(page),
        "links": links,
    }


def location(context: Context, request: Request, name: str, key: str) -> Answer:
    """The series of a place, or the cube inside it with `reducer=none`.

    Raises NotFound, InvalidInput, BudgetExceeded, SourceError.
    """
    query = read_query(request.query, LOCATION_PARAMETERS)
    collection = context.collection(name)
    if not (key.isascii() and key.isdigit() and len(key) <= 18):
        raise NotFound("location", key[:60])
    place = context.catalogue.places.get(collection, int(key))

    def polygon(native: Grid) -> Shape:
        return drawn_shape(place.geometry, CRS84, native)

    return answer_area(
        context, request, name, query, polygon, path=f"locations/{place.id}", label=_label(place), usual=("mean",)
    )


def _feature(one: Place, collection: Collection, here: str) -> dict[str, Any]:
    geometry = one.geometry.geoms[0] if len(one.geometry.geoms) == 1 else one.geometry
    return {
        "type": "Feature",
        "id": str(one.id),
        "geometry": mapping(geometry),
        "properties": {
            "datetime": f"{format_instant(one.start)}/{format_instant(one.end)}",
            "label": _label(one),
            "parameter-name": [field.name for field in collection.fields],
            "edrqueryendpoint": f"{here}/locations/{one.id}",
            "records": one.records,
        },
    }


def _label(one: Place) -> str:
    """Where it is, since AOIs have no names."""
    centre = one.geometry.centroid
    north, east = "N" if centre.y >= 0 else "S", "E" if centre.x >= 0 else "W"
    return f"Area {one.id} at {abs(centre.y):.3f}° {north}, {abs(centre.x):.3f}° {east}"
