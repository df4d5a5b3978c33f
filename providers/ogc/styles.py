"""`/collections/{c}/styles` and `/collections/{c}/styles/{styleId}`: in which ways a collection is drawn."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from prismcube.model.collection import Collection
from prismcube.model.style import StyleKind
from providers.ogc.answer import JSON, REL, Context, Request, link
from providers.ogc.looks import DEFAULT, Look, look_named, looks_of
from providers.ogc.params import Query
from providers.ogc.pictures import MEDIA_TYPES

HTML = "text/html"


def styles(context: Context, request: Request, name: str) -> dict[str, Any]:
    """Every style of a collection, the default one first. Raises NotFound, UnknownParameter."""
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    here = f"{request.base}/collections/{quote(collection.name)}/styles"
    found = [_summary(look, collection, request.base) for look in looks_of(context, collection)]
    return {
        "styles": found,
        **({"default": DEFAULT} if any(one["id"] == DEFAULT for one in found) else {}),
        "links": [link(here, "self", JSON, "This document"), link(f"{here}?f=html", "alternate", HTML, "As HTML")],
    }


def style(context: Context, request: Request, name: str, style: str) -> dict[str, Any]:
    """One style: what it draws, and through which colours. Raises NotFound, UnknownParameter."""
    Query(request.query, known=("f", "lang"))
    collection = context.collection(name)
    look = look_named(context, collection, style)
    document = {
        **_summary(look, collection, request.base),
        "prismcube:kind": look.style.kind.value,
        "prismcube:channels": [channel.to_json() for channel in look.style.channels],
    }
    if look.style.kind is StyleKind.PALETTE:
        document["prismcube:palette"] = look.palette.to_json()
    return document


def _summary(look: Look, collection: Collection, base: str) -> dict[str, Any]:
    where = f"{base}/collections/{quote(collection.name)}"
    here = f"{where}/styles/{quote(look.style.name)}"
    return {
        "id": look.style.name,
        "title": look.style.title or ("Default" if look.style.name == DEFAULT else look.style.name),
        "description": look.style.description,
        "links": [
            link(here, "self", JSON, "This style"),
            link(f"{here}?f=html", "alternate", HTML, "As HTML"),
            link(where, f"{REL}geodata", JSON, collection.title or collection.name),
            *(link(f"{here}/map?f={kind.partition('/')[2]}", f"{REL}map", kind, "A map") for kind in MEDIA_TYPES),
            link(f"{here}/map/tiles?f=json", f"{REL}tilesets-map", JSON, "Map tiles"),
        ],
    }
