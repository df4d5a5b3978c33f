"""What is done to many entities at once. Each has a document of its own for what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import orjson
from pydantic import Field

from prismcube.catalogue import Catalogue
from prismcube.catalogue.references import Deletion
from prismcube.catalogue.tidy import KINDS
from prismcube.model.access import FULL, Access
from prismcube.model.entities import DatasetStatus
from providers.catalogue import documents as doc
from providers.catalogue import geojson, handlers
from providers.catalogue.filters import Filters
from providers.catalogue.resources import Containers
from providers.catalogue.texts import Slug, Tags
from providers.ogc.answer import JSON, Answer, json_answer
from providers.ogc.params import Query, renamed

MOST_IDS = 30_000
"""In one request; a statement of SQLite takes 32,766 values."""
MOST_TILES = 1_000_000
GEOJSON = "application/geo+json"
SEQUENCE = "application/geo+json-seq"
"""RFC 8142: features one after the other."""

Ids = Annotated[list[doc.Id], Field(min_length=1, max_length=MOST_IDS)]
Job = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class DeleteMany(doc.Document):
    """Remove entities, all or none."""

    ids: Annotated[list[doc.Id | str], Field(min_length=1, max_length=MOST_IDS)]
    """Of collections, the names."""
    keep_referenced: bool = False
    """True: those that something refers to stay, all others go."""


class Retag(doc.Document):
    """Give tags to records, in place of those of the same key, and take tags from them."""

    ids: Ids
    add: Tags = Field({})
    remove: list[str] = Field([])
    """Keys."""


class SetStatus(doc.Document):
    """Publish, hide or give up datasets, all in one step."""

    ids: Ids
    status: DatasetStatus = Field(strict=False)
    job: Job | None = None
    """That has locked them."""


class Lock(doc.Document):
    """Keep others than a job from changing datasets, all or none."""

    ids: Ids
    job: Job


class Unlock(doc.Document):
    """Release what a job has locked."""

    job: Job


class Remap(doc.Document):
    """Give the datasets of an instance, or of some of its records, another format and mapping of stored values."""

    instance: doc.Id
    """Id."""
    format: doc.Format
    mapping: doc.ValueMappingDocument = doc.ValueMappingDocument()
    records: Ids | None = None
    simulate: bool = False
    """True: only say what would change."""


class Tidy(doc.Document):
    """Remove what nothing refers to."""

    kinds: list[Annotated[str, Field(json_schema_extra={"enum": list(KINDS)})]] = Field(list(KINDS))
    simulate: bool = False
    """True: only say how many would go."""


class Tiles(doc.Document):
    """The tiles of a layout that an area touches."""

    layout: Slug
    """Name."""
    geometry: doc.Geometry


def delete_many(catalogue: Catalogue, name: str, body: bytes, *, content_type: str, access: Access = FULL) -> Answer:
    """Remove entities of one kind. Raises InvalidInput, NotFound, Conflict, Forbidden."""
    handlers.check_change(access, name)
    handlers.check_type(content_type, (JSON,))
    wanted: DeleteMany = handlers.parse(DeleteMany, body)
    handlers.check_change(access, name, *map(str, wanted.ids))
    done = handlers.delete_many(catalogue, name, wanted.ids, keep_referenced=wanted.keep_referenced)
    return json_answer(deletion_document(done))


def deletion_document(done: Deletion) -> dict[str, Any]:
    """What a deletion did."""
    kept = [{"id": id, "reason": reason} for id, reason in sorted(done.kept.items(), key=lambda one: str(one[0]))]
    return {"deleted": list(done.deleted), "kept": kept}


def retag(catalogue: Catalogue, wanted: Retag) -> dict[str, Any]:
    with catalogue.transaction() as unit:
        added = unit.records.add_tags(wanted.ids, wanted.add) if wanted.add else 0
        removed = unit.records.remove_tags(wanted.ids, wanted.remove) if wanted.remove else 0
    return {"added": added, "removed": removed}


def set_status(catalogue: Catalogue, wanted: SetStatus) -> dict[str, Any]:
    catalogue.datasets.set_status(wanted.ids, wanted.status, job=wanted.job)
    return {"ids": wanted.ids, "status": wanted.status.value}


def lock(catalogue: Catalogue, wanted: Lock) -> dict[str, Any]:
    catalogue.datasets.lock(wanted.ids, wanted.job)
    return {"ids": wanted.ids, "job": wanted.job}


def unlock(catalogue: Catalogue, wanted: Unlock) -> dict[str, Any]:
    return {"released": catalogue.datasets.unlock(wanted.job)}


def remap(catalogue: Catalogue, wanted: Remap) -> dict[str, Any]:
    told = catalogue.datasets.update_mapping(
        wanted.instance,
        wanted.format.value(),
        wanted.mapping.value(),
        records=wanted.records,
        simulate=wanted.simulate,
    )
    mapping = ("imin", "imax", "emin", "emax", "exponent")
    return {
        "simulated": wanted.simulate,
        "datasets": [
            {
                "format": doc.Format.of(one.format),
                "mapping": {name: getattr(one.mapping, name) for name in mapping},
                "number": one.number,
                "changes": one.changes,
            }
            for one in told
        ],
    }


def tidy(catalogue: Catalogue, wanted: Tidy) -> dict[str, Any]:
    removed = catalogue.tidy(wanted.kinds, simulate=wanted.simulate)
    return {"simulated": wanted.simulate, "removed": removed}


def tiles(catalogue: Catalogue, body: bytes, *, content_type: str) -> Iterator[bytes]:
    """The tiles as GeoJSON features, a line each; all errors come before the first.

    Raises InvalidInput, also for more tiles than `MOST_TILES`, and NotFound.
    """
    handlers.check_type(content_type, (JSON,))
    wanted: Tiles = handlers.parse(Tiles, body)
    layout = catalogue.layouts.get(wanted.layout).value
    with renamed(aoi="geometry"):
        found = catalogue.grids.tiles(layout.grid, geojson.read(wanted.geometry), limit=MOST_TILES)
    return (
        b"\x1e"
        + orjson.dumps(
            {
                "type": "Feature",
                "id": cell.id,
                "geometry": geojson.write(cell.footprint()),
                "properties": cell.grid.to_json(),
            }
        )
        + b"\n"
        for cell in found
    )


def layouts(catalogue: Catalogue, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Names of the layouts in which a set of containers is written."""
    query = Query(pairs, known=(*handlers.READ, *Containers.filters), repeatable=("tags",))
    wanted = Containers.filter(catalogue, Filters(query, pairs))
    return {"layouts": list(catalogue.containers.layouts(wanted))}


def cells(catalogue: Catalogue, key: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Cells of a grid as GeoJSON, by name; `after` is the id of the last one of the page before."""
    query = Query(pairs, known=(*handlers.PAGES, "bbox"))
    grids = catalogue.grids
    stored = grids.get_by_id(int(handlers.resource_of("grids").parse_key(key)))
    found = grids.cells(
        stored.name,
        area=Filters(query, pairs).area(),
        after=query.text("after") or "",
        limit=query.integer("limit", least=1, most=handlers.MOST) or handlers.DEFAULT_LIMIT,
    )
    return {"type": "FeatureCollection", "features": [one.to_json() for one in found]}


Operation = tuple[type[doc.Document], Callable[[Catalogue, Any], dict[str, Any]]]

OPERATIONS: Mapping[str, Operation] = {
    "records/tags": (Retag, retag),
    "datasets/status": (SetStatus, set_status),
    "datasets/lock": (Lock, lock),
    "datasets/unlock": (Unlock, unlock),
    "datasets/mapping": (Remap, remap),
    "tidy": (Tidy, tidy),
}
"""By path under `/catalogue`, each a POST."""


def run(catalogue: Catalogue, path: str, body: bytes, *, content_type: str, access: Access = FULL) -> Answer:
    """An operation of `OPERATIONS`. Raises InvalidInput, NotFound, Conflict, Forbidden."""
    handlers.check_change(access, "records and datasets")
    handlers.check_type(content_type, (JSON,))
    model, operation = OPERATIONS[path]
    return json_answer(operation(catalogue, handlers.parse(model, body)))
