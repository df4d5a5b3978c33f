"""`/collections/{c}/items`: the time steps of a collection and their footprints (OGC API - Features, OGC 17-069r4)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from shapely.geometry import MultiPolygon, mapping

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.entities import Record
from prismcube.model.grid import CRS84
from prismcube.model.period import Period, format_instant
from providers.ogc.answer import JSON, Context, Request, link
from providers.ogc.params import Query
from providers.ogc.search_box import parse_search_box

PARAMETERS = ("f", "lang", "bbox", "bbox-crs", "datetime", "limit", "after")
MEDIA_TYPE = "application/geo+json"


def items(context: Context, request: Request, name: str) -> dict[str, Any]:
    """A page of the collection's records by time; `links` has the next page while there is one.

    Raises NotFound, InvalidInput.
    """
    query = Query(request.query, known=PARAMETERS)
    pairs, base = request.query, request.base
    collection = context.collection(name)
    limit = min(query.integer("limit", least=1) or context.limits.default_items, context.limits.items)
    bbox_crs = query.crs("bbox-crs")
    bbox = query.text("bbox")
    if bbox_crs and not bbox:
        raise InvalidInput("bbox-crs", "has no meaning without bbox")
    after = query.text("after")
    found = context.catalogue.records.items(
        collection,
        period=query.period() or Period(),
        area=parse_search_box(bbox, crs=bbox_crs or CRS84) if bbox else None,
        after=_read_cursor(after) if after else None,
        limit=limit + 1,
    )
    page, more = found[:limit], len(found) > limit
    here = f"{base}/collections/{collection.name}/items"
    links = [
        link(f"{here}{_with(pairs)}", "self", MEDIA_TYPE, "This page"),
        link(f"{base}/collections/{collection.name}", "collection", JSON, collection.title or collection.name),
    ]
    if more:
        cursor = _write_cursor(page[-1][0])
        links.append(link(f"{here}{_with(pairs, after=cursor)}", "next", MEDIA_TYPE, "Next page"))
    return {
        "type": "FeatureCollection",
        "features": [_feature(record, footprint) for record, footprint in page],
        "numberReturned": len(page),
        "timeStamp": format_instant(datetime.now(UTC).replace(microsecond=0)),
        "links": links,
    }


def item(context: Context, request: Request, name: str, key: str) -> dict[str, Any]:
    """One record of the collection. Raises NotFound, InvalidInput."""
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    if not (key.isascii() and key.isdigit() and len(key) <= 18):
        raise NotFound("item", key[:60])
    feature = _feature(*context.catalogue.records.item(collection, int(key)))
    here = f"{request.base}/collections/{collection.name}"
    feature["links"] = [
        link(f"{here}/items/{key}", "self", MEDIA_TYPE, "This item"),
        link(here, "collection", JSON, collection.title or collection.name),
    ]
    return feature


def _feature(record: Record, footprint: MultiPolygon) -> dict[str, Any]:
    shape: Any = footprint.geoms[0] if len(footprint.geoms) == 1 else footprint
    return {
        "type": "Feature",
        "id": str(record.id),
        "geometry": mapping(shape),
        "properties": {"name": record.name, "datetime": format_instant(record.time), **_tags(record.tags)},
    }


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key not in ("name", "datetime")}


def _with(pairs: Sequence[tuple[str, str]], **changes: str) -> str:
    kept = [(k, v) for k, v in pairs if k not in changes] + list(changes.items())
    return f"?{urlencode(kept)}" if kept else ""


def _write_cursor(record: Record) -> str:
    return base64.urlsafe_b64encode(f"{record.time.isoformat()}|{record.id}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[datetime, int]:
    """The place a `next` link points to. Raises InvalidInput for anything but our own text."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        time, _, key = plain.partition("|")
        instant = datetime.fromisoformat(time)
        if instant.tzinfo is None or not 0 <= int(key) < 2**63:
            raise ValueError(plain)
        return instant.astimezone(UTC), int(key)
    except (ValueError, binascii.Error, OverflowError) as error:
        raise InvalidInput("after", "is not the cursor of a next link") from error
