"""A catalogue of 10^5 datasets in seconds: some files through the repositories, the others as copies by SQL.

`data.py` repeats its places every 900 days, so that a copy is 900 days later and else the same. Only for reading: on
PostgreSQL the copies' ids are still to be given out.
"""

from __future__ import annotations

from sqlalchemy import Table, text

from prismcube.catalogue import Catalogue, UnitOfWork
from prismcube.catalogue.tables import collection, container, dataset, dataset_band, record
from prismcube.model.collection import Collection
from server.bench import data
from server.bench.catalogue import refresh_statistics

DATASETS = 100_000
FIRST = data.SHARE * data.PLACES
"""Files that are stored; then the places repeat."""
COLLECTIONS = 1_000
"""So that a page of them has something to skip."""

ROUNDS = DATASETS // FIRST
"""Copies of the whole; the last is not complete."""

NOTICES = text("INSERT INTO outbox (time, collection, kind) SELECT time, 'bench', 'data' FROM dataset")
COPIES = "WITH RECURSIVE copies(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM copies WHERE k < {last}) "
WORDS = {
    "sqlite": {"later": f"time + k * {data.PLACES * 86_400_000_000}", "digest": "randomblob(32)"},
    "postgresql": {
        "later": f"time + k * interval '{data.PLACES} days'",
        "digest": "sha256((id + {files} * k)::text::bytea)",
    },
}
"""What differs between the databases: a time `k` rounds later, and a digest that nobody has."""


def fill(catalogue: Catalogue) -> Collection:
    """Give an empty catalogue 10^5 datasets of as many records; their collection.

    A second collection, `bench-tagged`, has those of satellite A.
    """
    made = data.collection(catalogue)
    data.collection(catalogue, tags={"satellite": "A"})
    for first, number in data.batches(FIRST):
        catalogue.files.put_many(data.files(first, number, made.stored_fields[0].instance_id))
    words = WORDS[catalogue.engine.dialect.name]
    later, digest = words["later"], words["digest"].format(files=FIRST)
    moved = {name: f"{name} + {FIRST} * k" for name in ("id", "record_id", "container_id", "dataset_id")}
    named = f"substr(name, 1, 7) || substr(CAST(9999999 + id + {FIRST} * k AS TEXT), 2)"
    some = f"{moved['id']} <= {DATASETS}"
    with catalogue.transaction() as unit:
        _copy(unit, record, {**moved, "time": later, "digest": digest, "name": named}, where=some)
        _copy(unit, container, {**moved, "uri": "uri || '.' || k"}, where=some)
        _copy(unit, dataset, {**moved, "time": later}, where=some)
        _copy(unit, dataset_band, moved, where=f"{moved['dataset_id']} <= {DATASETS}")
        _copy(unit, collection, {"name": "name || k"}, leave="id", where="name = 'bench'", copies=COLLECTIONS)
        unit.connection.execute(NOTICES)
    for name in ("bench", "bench-tagged"):
        catalogue.collections.rebuild(name)
    refresh_statistics(catalogue, every_row=True)
    return catalogue.collections.get("bench")


def _copy(
    unit: UnitOfWork, table: Table, changed: dict[str, str], *, where: str, leave: str = "", copies: int = ROUNDS
) -> None:
    """Insert `copies` of the rows of a table, without the column `leave`; `k` counts them from 1."""
    names = [column.name for column in table.c if column.name != leave]
    into = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    rows = f"SELECT {values} FROM {table.name}, copies WHERE {where}"  # noqa: S608  all of it is ours
    unit.connection.execute(text(f"INSERT INTO {table.name} ({into}) {COPIES.format(last=copies)} {rows}"))
