"""`/tileMatrixSets` and `/tileMatrixSets/{tms}`: the sets that tiles can be asked in (OGC 17-083r4, OGC 20-057)."""

from __future__ import annotations

from typing import Any

from prismcube.model.tilematrix import TileMatrixSet
from providers.ogc.answer import JSON, Context, Request, link
from providers.ogc.maptiles import matrix_set
from providers.ogc.params import Query

HTML = "text/html"


def tile_matrix_sets(context: Context, request: Request) -> dict[str, Any]:
    """Every set, by id. Raises UnknownParameter."""
    Query(request.query, known=("f", "lang"))
    here = f"{request.base}/tileMatrixSets"
    return {
        "tileMatrixSets": [_item(one, here) for _, one in sorted(context.matrix_sets.items())],
        "links": [link(here, "self", JSON, "This document"), link(f"{here}?f=html", "alternate", HTML, "As HTML")],
    }


def tile_matrix_set(context: Context, request: Request, tms: str) -> dict[str, Any]:
    """The definition of a set, as the standard writes it. Raises NotFound, UnknownParameter."""
    Query(request.query, known=("f", "lang"))
    return dict(matrix_set(context, tms).document)


def set_uri(one: TileMatrixSet, base: str) -> str:
    """Under which a set is registered; one of our own is registered here."""
    return one.uri or set_address(one, base)


def set_address(one: TileMatrixSet, base: str) -> str:
    return f"{base}/tileMatrixSets/{one.id}"


def _item(one: TileMatrixSet, here: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        **({"uri": one.uri} if one.uri else {}),
        "crs": one.crs_uri,
        "links": [link(f"{here}/{one.id}", "self", JSON, one.title)],
    }
