"""The plans of the hot queries at 10^5 rows, as the databases explain them.

explained -> Queries        each query is run through its repository, so that its SQL is what users get
          -> _listening     and every SELECT of it explained on its own connection, with its settings and values
          -> shape          what of a plan must not change: the indexes used, and that no large table is read whole
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import event

from prismcube.catalogue import Catalogue
from prismcube.catalogue.dialects import POSTGRESQL, SQLITE
from prismcube.model.collection import Collection
from server.bench import copies, data
from server.bench.searches import Queries

LARGE = ("dataset", "record", "container", "dataset_band", "record_tag", "collection_time", "outbox")
"""Tables that grow with the archive: none may be read from end to end."""

_INDEX = {
    SQLITE: re.compile(
        r"(?:SEARCH|SCAN) (?P<table>\w+) "
        r"(?:USING (?:(?:COVERING )?INDEX (?P<index>\w+)|(?:INTEGER )?PRIMARY KEY)|VIRTUAL TABLE)"
    ),
    POSTGRESQL: re.compile(r"Index (?:Only )?Scan (?:Backward )?(?:using|on) (?P<index>\w+)"),
}
_WHOLE = {
    SQLITE: re.compile(r"SCAN (\w+)(?: USING COVERING INDEX \w+)?$", re.MULTILINE),
    POSTGRESQL: re.compile(r"Seq Scan on (\w+)"),
}
_BOUNDED = re.compile(r"(Limit\n\s*->  )Seq Scan")
"""A scan that a limit ends; PostgreSQL takes it where it knows that many rows fit."""

_LITERAL = re.compile(r"'(?:[0-9A-F]{60,}|\{[0-9,]{60,}\})'")
"""Geometries and lists of ids."""


@dataclass(frozen=True)
class Explained:
    """A query with the plans of all its statements."""

    name: str
    plans: tuple[str, ...]
    """One a statement, as the database prints them."""
    indexes: tuple[str, ...]
    """Used by any of them, sorted. Of SQLite's own, the table's name: its primary key, or the whole of an R*Tree."""
    read_whole: tuple[str, ...]
    """Tables that are read from end to end, sorted."""


def explained(catalogue: Catalogue, found_in: Collection) -> list[Explained]:
    """Explain the hot queries on a catalogue that `copies.fill` has filled."""
    database = catalogue.engine.dialect.name
    found = []
    for name, work in _hot(catalogue, found_in):
        with _listening(catalogue) as plans:
            work()
        every = "\n".join(plans)
        told = tuple(dict.fromkeys(plans))
        found.append(Explained(name, told, _indexes(every, database), read_whole(every, database)))
    return found


def _hot(catalogue: Catalogue, found_in: Collection) -> Iterator[tuple[str, Callable[[], object]]]:
    queries = Queries(catalogue, found_in, datasets=copies.DATASETS)
    tagged = catalogue.collections.get("bench-tagged")
    yield "datasets by place and period", queries.by_place_and_period
    yield "datasets by period", queries.by_period
    yield "datasets by period and tags", Queries(catalogue, tagged, datasets=copies.DATASETS).by_period
    yield "records by a tag that few have", queries.by_few_tag
    yield "records by a tag that many have", queries.by_many_tag
    yield "records by the begin of a name", queries.by_name
    yield "records by area", queries.by_area
    yield "items, page 1", queries.items
    yield "items, page 1,000", partial(queries.items, after=queries.last_page)
    yield "items on one place, page 1", queries.items_of_place
    yield "items by name, page 1,000", partial(queries.items_by_name, after=queries.last_by_name)
    yield "items by a tag that few have", queries.items_by_few_tag
    yield "items by a tag that many have", queries.items_by_many_tag
    yield "times of a collection", partial(catalogue.collections.times, found_in, limit=data.PAGE)
    yield "outbox after an id", partial(catalogue.outbox.after, copies.DATASETS // 2)
    yield "collections, page 2", partial(catalogue.collections.list, after=("bench100",))


@contextmanager
def _listening(catalogue: Catalogue) -> Iterator[list[str]]:
    """The plans of all SELECTs that are run in the block."""
    plans: list[str] = []
    on_server = catalogue.engine.dialect.name == POSTGRESQL

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("SELECT") or "set_config" in statement:
            return
        cursor = connection.connection.cursor()
        try:
            cursor.execute(("EXPLAIN (COSTS OFF) " if on_server else "EXPLAIN QUERY PLAN ") + statement, parameters)
            rows = cursor.fetchall()
        finally:
            cursor.close()
        plans.append(_LITERAL.sub("'…'", "\n".join(row[0] for row in rows) if on_server else _tree(rows)))

    event.listen(catalogue.engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(catalogue.engine, "before_cursor_execute", explain)


def _tree(rows: Sequence[tuple[int, int, int, str]]) -> str:
    """SQLite's rows (id, parent, unused, text), each below its parent."""
    depth = {0: -1}
    for id, parent, _, _ in rows:
        depth[id] = depth[parent] + 1
    return "\n".join("  " * depth[id] + told for id, _, _, told in rows)


def _indexes(plans: str, database: str) -> tuple[str, ...]:
    found = (match.groupdict() for match in _INDEX[database].finditer(plans))
    return tuple(sorted({groups.get("index") or groups["table"] for groups in found}))


def read_whole(plans: str, database: str) -> tuple[str, ...]:
    found = _WHOLE[database].findall(_BOUNDED.sub(r"\1Scan", plans))
    return tuple(sorted({*found} & {*LARGE}))
