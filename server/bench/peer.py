"""The search for a place and period as the original (airbusgeo/geocube) writes it, on the same PostgreSQL.

Geocube keeps the date with the record alone, and indexes footprints by place only: all dates of the place are found
first. Here the indexes are changed so within a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from prismcube.catalogue import Catalogue
from prismcube.model.collection import Collection
from server.bench import data
from server.bench.figures import Figure, call_figure

INDEXES = (
    "DROP INDEX ix_dataset_footprint",
    "DROP INDEX ix_dataset_instance_id_time",
    "CREATE INDEX ON dataset USING gist (footprint)",
    "CREATE INDEX ON dataset (instance_id)",
    "ANALYZE dataset",
)
AS_WRITTEN = text(
    "SELECT d.*, ST_AsBinary(d.footprint) AS wkb FROM dataset d JOIN record r ON r.id = d.record_id "
    "WHERE ST_Intersects(d.footprint, ST_GeomFromText(:area, 4326)) AND r.time BETWEEN :start AND :end "
    "AND d.instance_id = :instance AND d.status = 'active' ORDER BY r.time, d.id"
)
PLACE_FIRST = text(
    "WITH here AS MATERIALIZED (SELECT d.* FROM dataset d "
    "WHERE ST_Intersects(d.footprint, ST_GeomFromText(:area, 4326)) AND d.instance_id = :instance "
    "AND d.status = 'active') "
    "SELECT d.*, ST_AsBinary(d.footprint) AS wkb FROM here d JOIN record r ON r.id = d.record_id "
    "WHERE r.time BETWEEN :start AND :end ORDER BY r.time, d.id"
)
WAYS = (("the server chooses the way", AS_WRITTEN), ("place first", PLACE_FIRST))


def figures(
    catalogue: Catalogue, database: str, found_in: Collection, *, datasets: int, repeats: int, ours: float
) -> Iterator[Figure]:
    """How long the same search takes there; `ours` in milliseconds, for the ratio."""
    period = data.period_of(datasets // data.SHARE // 2)
    wanted: dict[str, Any] = {
        "area": data.area_of(0).wkt,
        "start": period.start,
        "end": period.end,
        "instance": found_in.stored_fields[0].instance_id,
    }
    with catalogue.engine.connect() as connection, connection.begin() as part:
        for statement in INDEXES:
            connection.exec_driver_sql(statement)
        for told, query in WAYS:

            def work(query: Any = query) -> None:
                number = len(connection.execute(query, wanted).all())
                if number != data.DATES:
                    raise AssertionError(f"the peer's search found {number} instead of {data.DATES}")

            figure = call_figure("the same by the original's query", database, work, repeats=repeats)
            yield Figure(**{**figure.__dict__, "note": f"{told}; {figure.value / ours:.1f} times our time"})
        part.rollback()
