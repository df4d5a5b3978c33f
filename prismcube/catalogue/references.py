"""Who refers to whom: what may be deleted, and what nothing needs any more.

One table of references serves deletion, which they forbid, and tidying up, which removes what has none. (The database
forbids it too; asking first is what makes a message out of it.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, exists, func, not_, select

from prismcube.catalogue.bulk import CHUNK
from prismcube.catalogue.tables import (
    aoi,
    consolidation_params,
    container,
    dataset,
    dataset_lock,
    field,
    grid,
    instance,
    layout,
    palette,
    record,
    style,
    variable,
)
from prismcube.errors import Conflict, NotFound

REFERENCES: Mapping[Table, Sequence[tuple[Column[Any], str]]] = {
    aoi: [(record.c.aoi_id, "record")],
    record: [(dataset.c.record_id, "dataset")],
    instance: [(dataset.c.instance_id, "dataset"), (field.c.instance_id, "collection field")],
    variable: [(instance.c.variable_id, "instance"), (consolidation_params.c.variable_id, "consolidation setting")],
    container: [(dataset.c.container_id, "dataset")],
    palette: [(variable.c.palette_id, "variable"), (style.c.palette_id, "style")],
    grid: [(layout.c.grid_id, "layout")],
    layout: [(container.c.layout_id, "container")],
    dataset: [(dataset_lock.c.dataset_id, "lock of a job")],
    style: [],
}
"""The columns that refer to a table, and what a row with one is called."""


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What a deletion did."""

    deleted: tuple[Any, ...]
    """Ids; of collections that are known by name, the names."""
    kept: Mapping[Any, str]
    """Why, by id."""


def delete_rows(
    connection: Connection, table: Table, ids: Sequence[int], *, kind: str, keep_referenced: bool
) -> Deletion:
    """Delete rows to which nothing refers.

    Raises NotFound for one that is missing and Conflict for one that something refers to, before anything is deleted;
    with `keep_referenced` they stay and are named.
    """
    found = deletable_rows(connection, table, ids, kind=kind, keep_referenced=keep_referenced)
    for some in batched(found.deleted, CHUNK):
        connection.execute(delete(table).where(table.c.id.in_(some)))
    return found


def deletable_rows(
    connection: Connection, table: Table, ids: Sequence[int], *, kind: str, keep_referenced: bool
) -> Deletion:
    """What `delete_rows` would do; raises as it does."""
    wanted = list(dict.fromkeys(ids))
    reasons: dict[int, str] = {}
    for some in batched(wanted, CHUNK):
        present = {*connection.scalars(select(table.c.id).where(table.c.id.in_(some)))}
        reasons.update({id: f"no {kind} {id}" for id in some if id not in present})
        if reasons and not keep_referenced:
            raise NotFound(kind, next(iter(reasons)))
        for column, name in REFERENCES[table]:
            counted = select(column, func.count()).where(column.in_(some)).group_by(column)
            for id, number in connection.execute(counted):
                reasons.setdefault(id, f"{number} {name}{'' if number == 1 else 's'} refer{'s' * (number == 1)} to it")
        if reasons and not keep_referenced:
            id, reason = min(reasons.items())
            raise Conflict(kind, id, reason)
    return Deletion(deleted=tuple(id for id in wanted if id not in reasons), kept=reasons)


def unreferenced(table: Table) -> list[ColumnElement[bool]]:
    """True, all together, for the rows of a table to which nothing refers."""
    return [not_(exists().where(column == table.c.id)) for column, _ in REFERENCES[table]]
