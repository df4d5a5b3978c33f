"""Examples for `/catalogue`: of each kind of entity the first one, for callers who may see the catalogue.

One statement a kind, and each reads one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from prismcube.model.pattern import Pattern
from providers.catalogue.filters import Filters
from providers.catalogue.resources import RESOURCES
from providers.ogc.answer import Context
from providers.ogc.params import Query

_OF_OTHERS = {
    "variable": "variables", "instance": "instances", "aoi": "aois", "records": "records", "instances": "instances",
    "containers": "containers",
}  # fmt: skip
"""Filters by the key of an entity, and of which kind."""


@dataclass(frozen=True)
class CatalogueExamples:
    """Each alone, they find something; there are none for kinds that the catalogue has nothing of."""

    keys: tuple[tuple[str, int | str], ...] = ()
    """By kind."""
    query: tuple[tuple[str, Any], ...] = ()
    """Filters that mean the same for every kind."""

    def key(self, kind: str) -> int | str | None:
        return dict(self.keys).get(kind)

    def parameter(self, name: str, kind: str) -> Any:
        """The value of a filter of a kind, None when there is no good one."""
        if name == "ids":
            return _text(self.key(kind))
        if name in _OF_OTHERS:
            key = self.key(_OF_OTHERS[name])
            return key if name in ("variable", "instance", "aoi") else _text(key)
        return dict(self.query).get(name)


def find_catalogue_examples(context: Context) -> CatalogueExamples:
    """None for callers from whom the catalogue, or some of its collections, are hidden."""
    if not (context.access.may_change and context.access.reads_everything):
        return CatalogueExamples()
    with context.catalogue.snapshot() as of:
        everything = Filters(Query([], known=()), [])
        found = {
            name: (one.key(entity), one.documents(of, [entity])[0])
            for name, one in RESOURCES.items()
            for entity in one.page(of, everything, after=None, limit=1)
        }
    query: dict[str, Any] = {"name": "*", "managed": False, "status": "active", "job": "nightly", "limit": 2}
    for name, (_, document) in found.items():
        query |= _filters(name, document)
    return CatalogueExamples(keys=tuple((name, key) for name, (key, _) in found.items()), query=tuple(query.items()))


def _filters(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """What finds this entity, or what belongs to it."""
    match kind:
        case "records":
            tags = tuple(f"{_escaped(key)}:*" for key in sorted(document["tags"])[:1])
            return {"datetime": document["time"], **({"tags": tags} if tags else {})}
        case "aois":
            return {"bbox": tuple(document["bbox"])}
        case "containers":
            ending = Pattern.literal(PurePosixPath(document["uri"]).suffix).text  # the document names no file
            return {"uri": f"*{ending}"}
        case "layouts":
            return {"layout": document["name"]}
    return {}


def _escaped(key: str) -> str:
    """A key as `tags` takes it."""
    return key.replace("\\", "\\\\").replace(":", "\\:")


def _text(key: int | str | None) -> str | None:
    return None if key is None else str(key)
