"""What a request for items asks: filters by property, order, place of the page, properties and CRS of the answer.

Properties of an item are `datetime`, `name` and its record's tags. Every tag of a collection is a parameter; the
catalogue knows which those are.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prismcube.catalogue.items import BY_TIME, ItemFilter, Order, Place, Sort, SortKey, complete
from prismcube.errors import InvalidInput, UnknownParameter
from prismcube.model.collection import Collection
from prismcube.model.entities import Record
from prismcube.model.grid import CRS84, crs_name, crs_uri
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period
from prismcube.model.text import check_text
from providers.ogc.answer import Context, Request
from providers.ogc.params import Query, renamed
from providers.ogc.search_box import parse_search_box

PARAMETERS = (
    "f", "lang", "bbox", "bbox-crs", "crs", "datetime", "name", "properties", "skipGeometry", "sortby", "limit",
    "after", "before",
)  # fmt: skip
MOST_TAGS = 10
"""Filters by tag in one request."""


@dataclass(frozen=True, kw_only=True)
class ItemQuery:
    """A page of items."""

    wanted: ItemFilter
    order: Order
    """Complete."""
    after: Place | None
    before: Place | None
    limit: int
    properties: tuple[str, ...] | None
    """None: all."""
    skip_geometry: bool
    crs: str
    """Of the answer."""


def parse(context: Context, request: Request, collection: Collection) -> ItemQuery:
    """Raises InvalidInput, UnknownParameter."""
    tags = _tags_asked(context, request, collection)
    query = Query(request.query, known=(*PARAMETERS, *tags))
    offered = offered_crs(collection)
    bbox, bbox_crs = query.text("bbox"), _one_of(offered, query.crs("bbox-crs"), "bbox-crs")
    order = parse_order(query.names("sortby"))
    after, before = query.text("after"), query.text("before")
    if after and before:
        raise InvalidInput("before", "has no meaning beside after")
    return ItemQuery(
        wanted=ItemFilter(
            period=query.period() or Period(),
            area=parse_search_box(bbox, crs=bbox_crs or CRS84) if bbox else None,
            name=_pattern(query, "name"),
            tags={key: pattern.text for key in tags if (pattern := _pattern(query, key))},
        ),
        order=order,
        after=read_cursor(after, "after", order=order) if after else None,
        before=read_cursor(before, "before", order=order) if before else None,
        limit=min(query.integer("limit", least=1) or context.limits.default_items, context.limits.items),
        properties=_properties(context, collection, query.names("properties")),
        skip_geometry=query.boolean("skipGeometry"),
        crs=_one_of(offered, query.crs("crs"), "crs") or CRS84,
    )


def crs_asked(query: Query, collection: Collection) -> str:
    """The CRS of the answer. Raises InvalidInput for one that the collection does not offer."""
    return _one_of(offered_crs(collection), query.crs("crs"), "crs") or CRS84


def offered_crs(collection: Collection) -> tuple[str, ...]:
    """CRSs that items come in and are searched by (OGC 18-058r1, /req/crs/fc-md-crs-list).

    The collection's own is among them when it has a code: one without has no URI to ask by.
    """
    names = [CRS84, "EPSG:4326", "EPSG:3857"]
    if collection.extent and crs_uri(collection.extent.native.crs).startswith("http"):
        names.append(crs_name(collection.extent.native.crs))
    return tuple(dict.fromkeys(names))


def _one_of(offered: Sequence[str], crs: str | None, parameter: str) -> str | None:
    """The CRS; one that a collection does not list is refused (18-058r1, /req/crs/fc-crs-valid-value)."""
    if crs is None or crs in offered:
        return crs
    raise InvalidInput(parameter, f"{crs} is not one of the collection's: {', '.join(map(crs_uri, offered))}")


def parse_order(keys: Sequence[str] | None) -> Order:
    """From `sortby`: keys, each with `-` when it falls. Raises InvalidInput("sortby", ...)."""
    order: list[Sort] = []
    for text in keys or ():
        # A plus that was not percent-encoded comes as a blank, and is cut off already.
        key = text.lstrip("+-") if text[:1] in ("+", "-") else text
        if text[:2] in ("++", "+-", "-+", "--") or key not in [*SortKey]:
            raise InvalidInput(
                "sortby", f"{text[:40]!r} is not one of {', '.join(SortKey)}, with or without a - before"
            )
        if any(one.key == key for one in order):
            raise InvalidInput("sortby", f"names {key} twice")
        order.append(Sort(SortKey(key), text.startswith("-")))
    return complete(tuple(order) or BY_TIME)


def _tags_asked(context: Context, request: Request, collection: Collection) -> tuple[str, ...]:
    """Names of parameters that are tags of the collection. Raises UnknownParameter for others, InvalidInput."""
    others = tuple(dict.fromkeys(name for name, _ in request.query if name not in PARAMETERS))
    if len(others) > MOST_TAGS:
        raise InvalidInput(others[MOST_TAGS][:60], f"is one filter too many, at most {MOST_TAGS} are allowed")
    for name in others:
        if not _is_property(context, collection, name):
            raise UnknownParameter(name[:60], known=PARAMETERS)
    return others


def _properties(context: Context, collection: Collection, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for name in names or ():
        if name not in ("datetime", "name") and not _is_property(context, collection, name):
            raise InvalidInput("properties", f"{name[:60]!r} is no property of these items")
    return names


def _is_property(context: Context, collection: Collection, name: str) -> bool:
    """True when an item of the collection has a tag of this name."""
    try:
        check_text("tag", name)
    except InvalidInput:  # nothing that could be stored
        return False
    return context.catalogue.records.has_key(collection, name)


def _pattern(query: Query, name: str) -> Pattern | None:
    text = query.text(name)
    if text is None:
        return None
    with renamed(pattern=name):
        return Pattern(text)


def write_cursor(order: Order, record: Record) -> str:
    """The place of an item in an order, as text for a link."""
    values = [
        {"datetime": record.time.isoformat(), "name": record.name, "id": record.id}[one.key.value] for one in order
    ]
    plain = json.dumps([_told(order), *values], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read_cursor(text: str, parameter: str, *, order: Order) -> Place:
    """The place that a link points to. Raises InvalidInput for anything but our own text for the same order."""
    try:
        told, *values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
        if told != _told(order):
            raise ValueError(told)
        return tuple(_value(one.key, value) for one, value in zip(order, values, strict=True))
    except (ValueError, TypeError, binascii.Error, OverflowError, RecursionError) as error:
        raise InvalidInput(parameter, "is not the cursor of a link of this order") from error


def _told(order: Order) -> str:
    return ",".join(("-" if one.descending else "") + one.key for one in order)


def _value(key: SortKey, value: Any) -> Any:
    """Raises ValueError, TypeError, InvalidInput."""
    match key:
        case SortKey.DATETIME:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is None:
                raise ValueError(value)
            return instant.astimezone(UTC)
        case SortKey.NAME:
            if not isinstance(value, str):
                raise TypeError(value)
            check_text("cursor", value)
            return value
        case SortKey.ID:
            if type(value) is not int or not 0 <= value < 2**63:
                raise TypeError(value)
            return value
