"""`/collections/{c}/items`: the time steps of a collection and their footprints.

OGC API - Features part 1 (17-069r4) and part 2 (18-058r1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from shapely.geometry import MultiPolygon

from prismcube.catalogue.items import turned
from prismcube.encode import geotiff
from prismcube.errors import NotFound
from prismcube.model.collection import Collection
from prismcube.model.entities import Record
from prismcube.model.grid import crs_uri
from prismcube.model.period import format_instant
from providers.ogc.answer import JSON, Context, Document, Request, link, linked
from providers.ogc.geometry import geometry_document
from providers.ogc.item_query import PARAMETERS, ItemQuery, crs_asked, parse, write_cursor
from providers.ogc.params import Query

__all__ = ["ITEM_PARAMETERS", "MEDIA_TYPE", "PARAMETERS", "item", "items"]

ITEM_PARAMETERS = ("f", "lang", "crs")
MEDIA_TYPE = "application/geo+json"
HTML = "text/html"
COVERAGE = "http://www.opengis.net/def/rel/ogc/1.0/coverage"

Items = list[tuple[Record, MultiPolygon]]


def items(context: Context, request: Request, name: str) -> Document:
    """A page of the collection's records; `links` lead to the pages beside it. Raises NotFound, InvalidInput."""
    collection = context.collection(name)
    asked = parse(context, request, collection)
    page, is_first, is_last = _page(context, collection, asked)
    here = f"{_address(request, collection)}/items"
    links = [
        link(linked(here, request.query), "self", MEDIA_TYPE, "This page"),
        link(linked(here, request.query, f="html"), "alternate", HTML, "As HTML"),
        link(_address(request, collection), "collection", JSON, collection.title or collection.name),
    ]
    others = [(key, value) for key, value in request.query if key not in ("after", "before")]
    if not is_last:
        after = write_cursor(asked.order, page[-1][0])
        links.append(link(linked(here, others, after=after), "next", MEDIA_TYPE, "Next page"))
    if not is_first and page:
        before = write_cursor(asked.order, page[0][0])
        links.append(link(linked(here, others, before=before), "prev", MEDIA_TYPE, "Page before"))
    document = {
        "type": "FeatureCollection",
        "features": [
            _feature(*one, crs=asked.crs, properties=asked.properties, skip_geometry=asked.skip_geometry)
            for one in page
        ],
        "numberReturned": len(page),
        "timeStamp": format_instant(datetime.now(UTC).replace(microsecond=0)),
        "links": links,
    }
    if (matched := _matched(context, collection, asked, len(page), is_first=is_first, is_last=is_last)) is not None:
        document["numberMatched"] = matched
    return Document(document, headers=_headers(asked.crs))


def item(context: Context, request: Request, name: str, key: str) -> Document:
    """One record of the collection. Raises NotFound, InvalidInput."""
    query = Query(request.query, known=ITEM_PARAMETERS)
    collection = context.collection(name)
    if not (key.isascii() and key.isdigit() and len(key) <= 18):
        raise NotFound("item", key[:60])
    crs = crs_asked(query, collection)
    record, footprint = context.catalogue.records.item(collection, int(key))
    here = _address(request, collection)
    there, pixels = f"{here}/items/{key}", linked(f"{here}/coverage", (), datetime=format_instant(record.time))
    feature = _feature(record, footprint, crs=crs)
    feature["prismcube:fields"] = list(context.catalogue.records.fields_of(collection, int(key)))
    feature["links"] = [
        link(linked(there, request.query), "self", MEDIA_TYPE, "This item"),
        link(linked(there, request.query, f="html"), "alternate", HTML, "As HTML"),
        link(here, "collection", JSON, collection.title or collection.name),
        link(pixels, COVERAGE, geotiff.MEDIA_TYPE, "Pixels of this time"),
    ]
    return Document(feature, headers=_headers(crs))


def _page(context: Context, collection: Collection, asked: ItemQuery) -> tuple[Items, bool, bool]:
    """Items in their order; whether nothing comes before them, and nothing after."""
    find, more = context.catalogue.records.items, asked.limit + 1
    if asked.before is not None:
        order = turned(asked.order)
        found = find(collection, asked.wanted, order=order, after=asked.before, limit=more)
        return found[: asked.limit][::-1], len(found) < more, not found
    found = find(collection, asked.wanted, order=asked.order, after=asked.after, limit=more)
    return found[: asked.limit], asked.after is None, len(found) < more


def _matched(
    context: Context, collection: Collection, asked: ItemQuery, returned: int, *, is_first: bool, is_last: bool
) -> int | None:
    """How many items there are in all: told on the first page, as far as that is cheap to know.

    It may be left out (17-069r4, /rec/core/fc-numberMatched), and does not change while a client goes on.
    """
    if asked.before or not is_first:
        return None
    if is_last:
        return returned
    return context.catalogue.records.count_items(collection, asked.wanted, most=context.limits.counted)


def _feature(
    record: Record,
    footprint: MultiPolygon,
    *,
    crs: str,
    properties: Sequence[str] | None = None,
    skip_geometry: bool = False,
) -> dict[str, Any]:
    whole = {"name": record.name, "datetime": format_instant(record.time), **_tags(record.tags)}
    return {
        "type": "Feature",
        "id": str(record.id),
        "geometry": None if skip_geometry else geometry_document(footprint, crs=crs),
        "properties": whole if properties is None else {name: whole[name] for name in properties if name in whole},
    }


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key not in ("name", "datetime")}


def _headers(crs: str) -> dict[str, str]:
    return {"Content-Crs": f"<{crs_uri(crs)}>"}


def _address(request: Request, collection: Collection) -> str:
    return f"{request.base}/collections/{quote(collection.name)}"
