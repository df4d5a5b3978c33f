"""`type: feature`: the time steps of a collection with their footprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pygeoapi.provider.base import BaseProvider, ProviderInvalidQueryError

from providers.ogc import items
from providers.plugins.fields import Fields, item_fields
from providers.plugins.source import Source, numbers

MAX_OFFSET = 10_000
"""Items that a page may begin after: pygeoapi pages by counting, and each one before is looked at."""


class FeatureProvider(BaseProvider):  # type: ignore[misc]  # pygeoapi carries no types
    """The items of a collection of the catalogue."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__({**provider_def, "id_field": "id", "time_field": "datetime"})
        self._source = Source(provider_def)
        self._fields = item_fields(self._source.collection())

    def get_fields(self) -> Fields:
        return self._fields

    def query(
        self,
        offset: int = 0,
        limit: int = 10,
        bbox: Sequence[float] = (),
        datetime_: str | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """A FeatureCollection of at most `limit` items after the first `offset`."""
        if offset > MAX_OFFSET:
            raise ProviderInvalidQueryError(user_msg=f"offset: must be at most {MAX_OFFSET}; narrow bbox or datetime")
        pairs = [("bbox", numbers(bbox)), ("datetime", datetime_)]
        after = self._skip(pairs, offset)
        if after is None and offset:
            return _collection([])
        document = self._page([*pairs, ("after", after), ("limit", str(limit))])
        return _collection(document["features"])

    def get(self, identifier: str, **_: Any) -> dict[str, Any]:
        """One item. Raises ProviderItemNotFoundError."""
        document = self._source.document(items.item, (), (), key=str(identifier))
        document.pop("links", None)  # to our server's addresses; pygeoapi has its own
        return document

    def _skip(self, pairs: list[tuple[str, str | None]], offset: int) -> str | None:
        """The cursor after the first `offset` items; None when there are no more, or none are to be skipped."""
        after, most = None, self._source.context().limits.items
        while offset:
            page = self._page([*pairs, ("after", after), ("limit", str(min(offset, most)))])
            offset -= len(page["features"])
            after = _cursor(page)
            if after is None:
                return None
        return after

    def _page(self, pairs: list[tuple[str, str | None]]) -> dict[str, Any]:
        return self._source.document(items.items, items.PARAMETERS, pairs)


def _collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    """Without links: pygeoapi pages by `offset`, and would follow a `next` of ours instead."""
    return {"type": "FeatureCollection", "features": features, "numberReturned": len(features)}


def _cursor(page: Mapping[str, Any]) -> str | None:
    """`after` of the page's `next` link."""
    for one in page["links"]:
        if one["rel"] == "next":
            return str(parse_qs(urlsplit(one["href"]).query)["after"][0])
    return None
