"""`type: feature`: the time steps of a collection with their footprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pygeoapi.provider.base import BaseProvider, ProviderInvalidQueryError

from providers.ogc import items
from providers.ogc.queryables import queryables
from providers.plugins.fields import Fields
from providers.plugins.source import Pairs, Source, crs_of, numbers, refuse_storage_crs

MAX_OFFSET = 10_000
"""Items that a page may begin after: pygeoapi pages by counting, and each one before is looked at."""


class FeatureProvider(BaseProvider):  # type: ignore[misc]  # pygeoapi carries no types
    """The items of a collection of the catalogue."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        refuse_storage_crs(provider_def)
        self._source = Source(provider_def)
        self._source.collection()  # refuses one that is not there in the way that pygeoapi expects
        self._fields = self._described()
        self.id_field, self.time_field = "id", "datetime"
        # pygeoapi drops parameters that it doesn't know; the handler tells of them.
        self.include_extra_query_parameters = True

    def get_fields(self) -> Fields:
        return self._fields

    def query(
        self,
        offset: int = 0,
        limit: int = 10,
        resulttype: str = "results",
        bbox: Sequence[float] = (),
        datetime_: str | None = None,
        properties: Sequence[tuple[str, str]] = (),
        sortby: Sequence[Mapping[str, str]] = (),
        select_properties: Sequence[str] = (),
        skip_geometry: bool = False,
        q: str | None = None,
        filterq: Any = None,
        crs_transform_spec: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        """A FeatureCollection of at most `limit` items after the first `offset`; for `hits` only their number.

        `numberMatched` is there when it is known without counting. Raises pygeoapi's errors.
        """
        if filterq is not None:
            raise ProviderInvalidQueryError(user_msg="filter: is not offered; name, tags, bbox and datetime are")
        pairs = [
            ("bbox", numbers(bbox)),
            ("datetime", datetime_),
            ("sortby", ",".join(one["order"].replace("+", "") + one["property"] for one in sortby) or None),
            ("properties", ",".join(select_properties) or None),
            ("skipGeometry", "true" if skip_geometry else None),
            ("crs", crs_of(crs_transform_spec)),
            ("q", q),
            *properties,
        ]
        if resulttype == "hits":
            return _collection([], self._count(pairs))
        if offset > MAX_OFFSET:
            raise ProviderInvalidQueryError(user_msg=f"offset: must be at most {MAX_OFFSET}; narrow bbox or datetime")
        features, seen, is_last = self._walk(pairs, first=offset, last=offset + limit)
        return _collection(features, seen if is_last else None)

    def get(self, identifier: str, crs_transform_spec: Any = None, **_: Any) -> dict[str, Any]:
        """One item. Raises ProviderItemNotFoundError."""
        pairs = [("crs", crs_of(crs_transform_spec))]
        document = self._source.document(items.item, items.ITEM_PARAMETERS, pairs, key=str(identifier))
        document.pop("links", None)  # to our server's addresses; pygeoapi has its own
        return document

    def _described(self) -> Fields:
        properties: Fields = self._source.document(queryables, (), ())["properties"]
        return {name: one for name, one in properties.items() if name != "geometry"}

    def _count(self, pairs: Pairs) -> int:
        _, seen, is_last = self._walk(pairs, first=MAX_OFFSET, last=MAX_OFFSET)
        if not is_last:
            raise ProviderInvalidQueryError(user_msg=f"resulttype: more than {MAX_OFFSET}; narrow bbox or datetime")
        return seen

    def _walk(self, pairs: Pairs, *, first: int, last: int) -> tuple[list[dict[str, Any]], int, bool]:
        """Items `[first, last)`, how many were seen on the way, and whether there are no more."""
        asked, most = [*pairs], self._source.context().limits.items
        found: list[dict[str, Any]] = []
        seen, after = 0, None
        while seen < last:
            page = self._source.document(
                items.items, items.PARAMETERS, [*asked, ("after", after), ("limit", str(min(last - seen, most)))]
            )
            found += page["features"][max(0, first - seen) :]
            seen += len(page["features"])
            after = _cursor(page)
            if after is None:
                return found, seen, True
        return found, seen, False


def _collection(features: list[dict[str, Any]], matched: int | None) -> dict[str, Any]:
    """Without links: pygeoapi pages by `offset`, and would follow a `next` of ours instead."""
    document: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": features,
        "numberReturned": len(features),
    }
    return document if matched is None else document | {"numberMatched": matched}


def _cursor(page: Mapping[str, Any]) -> str | None:
    """`after` of the page's `next` link."""
    for one in page["links"]:
        if one["rel"] == "next":
            return str(parse_qs(urlsplit(one["href"]).query)["after"][0])
    return None
