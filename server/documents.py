"""What a page shows beside its document: where it is, what leads there, and the same content for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

WORDS = {
    "collections": "Collections",
    "items": "Items",
    "queryables": "Queryables",
    "schema": "Schema",
    "styles": "Styles",
    "locations": "Locations",
    "tiles": "Tilesets",
    "map": "Map",
    "coverage": "Coverage",
    "conformance": "Conformance",
    "openapi": "API",
    "tileMatrixSets": "Tile matrix sets",
    "catalogue": "Catalogue",
    "processes": "Processes",
    "jobs": "Jobs",
    "results": "Results",
    "logs": "Log",
    "tasks": "Tasks",
    "graph": "Graph",
}
"""Names in the crumb trail of those parts of an address that are the API's own."""

_WITHOUT_PAGE = ("map", "coverage", "instances")
"""Parts of an address that lead to pixels, or nowhere, when the address ends there."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The address of a page."""

    base: str
    """Of the API, without a slash at its end."""
    path: str
    """Decoded, from the API's root on, with its slash."""
    query: Sequence[tuple[str, str]] = ()
    media_type: str
    """Of the same content for programs."""

    def address(self, **changes: str) -> str:
        """This page's own, with other parameters; an empty value leaves one out."""
        kept = [(name, value) for name, value in self.query if name not in changes]
        query = kept + [(name, value) for name, value in changes.items() if value]
        return self.base + quote(self.path) + (f"?{urlencode(query)}" if query else "")


def page_data(document: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """What a template gets as `data`: the document's members, `base`, and `page` with all the rest."""
    page = {
        "document": document,
        "crumbs": crumbs(place),
        "alternate": {"href": place.address(f="json"), "type": place.media_type},
        "query": dict(place.query),
        "links": by_relation(document),
    }
    return {**document, "base": place.base, "page": page}


def crumbs(place: Place) -> list[dict[str, str]]:
    """The pages above this one and itself, outermost first; `href` is empty for what is no page."""
    parts = [part for part in place.path.split("/") if part]
    found = []
    for depth, part in enumerate(parts, start=1):
        path = "/".join(quote(one, safe="") for one in parts[:depth])
        leads = depth < len(parts) and part not in _WITHOUT_PAGE
        named = WORDS.get(part) if depth != 2 else None  # a collection may be called "items"
        found.append({"title": named or unquote(part), "href": f"{place.base}/{path}?f=html" if leads else ""})
    return found


def by_relation(document: Mapping[str, Any]) -> dict[str, str]:
    """Address of the first link of each relation: pages lead on to `next` and back to `prev`."""
    found: dict[str, str] = {}
    links = document.get("links")
    for one in links if isinstance(links, list) else ():
        if isinstance(one, Mapping) and one.get("rel") and one.get("href"):
            found.setdefault(str(one["rel"]), str(one["href"]))
    return found
