"""`/collections`: a page of the catalogue's collections and those that others publish, in one order (Common part 2).

collections_document -> _wanted                           parameters
                     -> catalogue.collections.search      one query: filters, rights, order, page
                     -> _matches                          the same filters on the objects of others
                     -> collection_entry                  for those of the page alone
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import shapely

from prismcube.catalogue.collection_filter import CollectionFilter
from prismcube.model.collection import Collection
from prismcube.model.grid import CRS84, Bounds
from prismcube.model.period import Period, parse_instant
from prismcube.model.search import parse_terms, searched
from providers.ogc.answer import JSON, Context, Request, link, linked
from providers.ogc.collections import HTML, collection_entry
from providers.ogc.params import Query
from providers.ogc.search_box import parse_search_box

PARAMETERS = ("f", "lang", "bbox", "bbox-crs", "datetime", "q", "limit", "after")
PAGE = 100
"""Collections on a page when a request does not say how many; many clients read no second one."""


def collections_document(context: Context, request: Request) -> dict[str, Any]:
    """A page of the collections that the caller may read, by name. Raises InvalidInput, UnknownParameter."""
    query = Query(request.query, known=PARAMETERS)
    limit = min(query.integer("limit", least=1) or PAGE, max(context.limits.items, PAGE))
    wanted, after = _wanted(query), query.text("after") or ""
    others = {
        one["id"]: one
        for one in context.others()
        if one["id"] > after and context.access.may_read(one["id"]) and _matches(one, wanted)
    }
    found: dict[str, Any] = {
        one.name: one
        for one in context.catalogue.collections.search(
            wanted, access=context.access, after=after or None, limit=limit + 1
        )
    }
    found |= others  # of one name: requests go to the others'
    names = sorted(found)
    page = [_entry(found[name], base=request.base) for name in names[:limit]]
    here = f"{request.base}/collections"
    links = [
        link(linked(here, request.query), "self", JSON, "This document"),
        link(linked(here, request.query, f="html"), "alternate", HTML, "As HTML"),
    ]
    if len(names) > limit:
        links.append(link(linked(here, request.query, after=names[limit - 1]), "next", JSON, "Next page"))
    document = {"collections": page, "links": links, "numberReturned": len(page)}
    if not after and len(names) <= limit:
        document["numberMatched"] = len(page)  # told where it costs nothing
    return document


def _wanted(query: Query) -> CollectionFilter:
    bbox, bbox_crs, q = query.text("bbox"), query.crs("bbox-crs"), query.text("q")
    boxes = None
    if bbox:
        parts = shapely.get_parts(parse_search_box(bbox, crs=bbox_crs or CRS84))
        boxes = tuple(Bounds(*part.bounds) for part in parts)
    return CollectionFilter(boxes=boxes, period=query.period(), terms=parse_terms(q) if q else ())


def _entry(one: Collection | Mapping[str, Any], *, base: str) -> Mapping[str, Any]:
    return collection_entry(one, base=base) if isinstance(one, Collection) else one


def _matches(one: Mapping[str, Any], wanted: CollectionFilter) -> bool:
    """What `CollectionFilter.conditions` says in SQL, of a collection object; its extent may leave sides open."""
    extent = one.get("extent") or {}
    if wanted.boxes is not None:
        boxes = (extent.get("spatial") or {}).get("bbox") or []
        if not any(_meet(box, asked) for box in boxes for asked in wanted.boxes):
            return False
    if wanted.period is not None:
        intervals = (extent.get("temporal") or {}).get("interval") or []
        if not any(wanted.period.intersection(_period(interval)) for interval in intervals):
            return False
    keywords = one.get("keywords") or []
    text = searched(str(part) for part in (one["id"], one.get("title"), one.get("description"), *keywords) if part)
    return not wanted.terms or any(term in text for term in wanted.terms)


def _meet(box: Sequence[float], asked: Bounds) -> bool:
    west, south, east, north = box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1]
    return west <= asked.east and east >= asked.west and south <= asked.north and north >= asked.south


def _period(interval: Sequence[str | None]) -> Period:
    start, end = interval
    return Period(parse_instant(start) if start else None, parse_instant(end, end=True) if end else None)
