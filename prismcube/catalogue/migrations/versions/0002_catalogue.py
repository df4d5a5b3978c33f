"""The catalogue on both databases.

Revision ID: 0002
Revises:
Create Date: 2026-11-24

Takes the place of 0001, which no release had. Frozen: types are spelt out as they were, never imported from
`tables.py`, which moves on.
"""

from __future__ import annotations

from typing import Any

import geoalchemy2
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0002"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.BigInteger().with_variant(TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(JSONB(), "postgresql")
GEOMETRY = sa.LargeBinary().with_variant(geoalchemy2.Geometry("GEOMETRY", 4326, spatial_index=False), "postgresql")
BOX = ("west", "south", "east", "north")

# An R*Tree has the box of every row, and a dataset's time; kept here, so that no writer forgets it.
RTREE = """
CREATE VIRTUAL TABLE {table}_rtree USING rtree(id, west, east, south, north);
CREATE TRIGGER {table}_rtree_insert AFTER INSERT ON {table} BEGIN
  INSERT INTO {table}_rtree VALUES (NEW.id, NEW.west, NEW.east, NEW.south, NEW.north);
END;
CREATE TRIGGER {table}_rtree_update AFTER UPDATE OF west, east, south, north ON {table} BEGIN
  DELETE FROM {table}_rtree WHERE id = OLD.id;
  INSERT INTO {table}_rtree VALUES (NEW.id, NEW.west, NEW.east, NEW.south, NEW.north);
END;
CREATE TRIGGER {table}_rtree_delete AFTER DELETE ON {table} BEGIN
  DELETE FROM {table}_rtree WHERE id = OLD.id;
END
"""
DATASET_RTREE = """
CREATE VIRTUAL TABLE dataset_rtree USING rtree(id, west, east, south, north, start, "end");
CREATE TRIGGER dataset_rtree_insert AFTER INSERT ON dataset BEGIN
  INSERT INTO dataset_rtree VALUES (NEW.id, NEW.west, NEW.east, NEW.south, NEW.north, NEW.time, NEW.time);
END;
CREATE TRIGGER dataset_rtree_update AFTER UPDATE OF west, east, south, north, time ON dataset BEGIN
  DELETE FROM dataset_rtree WHERE id = OLD.id;
  INSERT INTO dataset_rtree VALUES (NEW.id, NEW.west, NEW.east, NEW.south, NEW.north, NEW.time, NEW.time);
END;
CREATE TRIGGER dataset_rtree_delete AFTER DELETE ON dataset BEGIN
  DELETE FROM dataset_rtree WHERE id = OLD.id;
END
"""

# What GIN on jsonb is to PostgreSQL: the index that finds records by tag.
RECORD_TAG = """
CREATE TABLE record_tag (
  key TEXT NOT NULL, value TEXT NOT NULL, record_id INTEGER NOT NULL,
  PRIMARY KEY (key, value, record_id)
) WITHOUT ROWID;
CREATE INDEX ix_record_tag_record_id ON record_tag (record_id);
CREATE TRIGGER record_tag_insert AFTER INSERT ON record BEGIN
  INSERT INTO record_tag SELECT key, value, NEW.id FROM json_each(NEW.tags);
END;
CREATE TRIGGER record_tag_update AFTER UPDATE OF tags ON record BEGIN
  DELETE FROM record_tag WHERE record_id = OLD.id;
  INSERT INTO record_tag SELECT key, value, NEW.id FROM json_each(NEW.tags);
END;
CREATE TRIGGER record_tag_delete AFTER DELETE ON record BEGIN
  DELETE FROM record_tag WHERE record_id = OLD.id;
END
"""
ON_SQLITE = (RTREE.format(table="aoi"), RTREE.format(table="cell"), DATASET_RTREE, RECORD_TAG)

ON_POSTGRESQL = (
    ("ix_aoi_geometry", "aoi", "gist", ["geometry"]),
    ("ix_cell_outline", "cell", "gist", ["outline"]),
    ("ix_record_tags", "record", "gin", ["tags"]),
    ("ix_dataset_footprint", "dataset", "gist", ["instance_id", "time", "footprint"]),
)

TABLES = (
    "outbox", "collection_grid", "collection_time", "field", "collection", "dataset_lock", "dataset_band", "dataset",
    "container", "layout", "cell", "grid", "instance", "consolidation_params", "variable", "style", "palette",
    "record", "aoi",
)  # fmt: skip


def upgrade() -> None:
    _records()
    _variables()
    _layouts()
    _datasets()
    _collections()
    if op.get_bind().dialect.name == "sqlite":
        for script in ON_SQLITE:
            for statement in _statements(script):
                op.execute(statement)
        return
    for name, table, kind, columns in ON_POSTGRESQL:
        op.create_index(name, table, columns, postgresql_using=kind)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in ("dataset_rtree", "cell_rtree", "aoi_rtree", "record_tag"):
            for change in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER {table}_{change}")
            op.execute(f"DROP TABLE {table}")
    for table in TABLES:
        op.drop_table(table)


def _records() -> None:
    op.create_table(
        "aoi",
        *_id("aoi"),
        _column("hash", sa.Text()),
        _column("geometry", GEOMETRY),
        *(_column(name, sa.Double()) for name in BOX),
        sa.UniqueConstraint("hash", name="uq_aoi_hash"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "record",
        *_id("record"),
        _column("name", NAME),
        _column("time", TIME),
        _column("tags", JSON),
        _column("digest", sa.LargeBinary()),
        sa.Column("aoi_id", ID),
        _to("record", "aoi"),
        sa.UniqueConstraint("digest", name="uq_record_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_record_aoi_id", "record", ["aoi_id"])
    op.create_index("ix_record_time_id", "record", ["time", "id"])
    op.create_index("ix_record_name", "record", [sa.text("substr(name, 1, 100)")])


def _variables() -> None:
    op.create_table(
        "palette",
        *_id("palette"),
        _column("name", NAME),
        _column("document", JSON),
        sa.UniqueConstraint("name", name="uq_palette_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "style",
        *_id("style"),
        _column("name", NAME),
        _column("document", JSON),
        sa.Column("palette_id", ID),
        _to("style", "palette"),
        sa.UniqueConstraint("name", name="uq_style_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_style_palette_id", "style", ["palette_id"])
    op.create_table(
        "variable",
        *_id("variable"),
        _column("name", NAME),
        _column("bands", JSON),
        *(_column(name, sa.Text()) for name in ("format", "unit", "description", "resampling")),
        sa.Column("palette_id", ID),
        _to("variable", "palette"),
        sa.UniqueConstraint("name", name="uq_variable_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_variable_palette_id", "variable", ["palette_id"])
    op.create_table(
        "consolidation_params",
        sa.Column("variable_id", ID, nullable=False, autoincrement=False),
        _column("document", JSON),
        _to("consolidation_params", "variable"),
        sa.PrimaryKeyConstraint("variable_id", name="pk_consolidation_params"),
    )
    op.create_table(
        "instance",
        *_id("instance"),
        _column("variable_id", ID),
        _column("name", NAME),
        _column("metadata", JSON),
        _to("instance", "variable"),
        sa.UniqueConstraint("variable_id", "name", name="uq_instance_variable_id_name"),
        sqlite_autoincrement=True,
    )


def _layouts() -> None:
    op.create_table(
        "grid",
        *_id("grid"),
        _column("name", NAME),
        _column("document", JSON),
        sa.UniqueConstraint("name", name="uq_grid_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "cell",
        *_id("cell"),
        _column("grid_id", ID),
        _column("name", NAME),
        _column("crs", sa.Text()),
        _column("outline", GEOMETRY),
        sa.Column("bounds", JSON),
        *(_column(name, sa.Double()) for name in BOX),
        _to("cell", "grid", cascade=True),
        sa.UniqueConstraint("grid_id", "name", name="uq_cell_grid_id_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "layout",
        *_id("layout"),
        _column("name", NAME),
        _column("document", JSON),
        sa.Column("grid_id", ID),
        _to("layout", "grid"),
        sa.UniqueConstraint("name", name="uq_layout_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_layout_grid_id", "layout", ["grid_id"])


def _datasets() -> None:
    op.create_table(
        "container",
        *_id("container"),
        _column("uri", NAME),
        _column("managed", sa.Boolean()),
        _column("storage_class", sa.Text()),
        _column("etag", sa.Text()),
        sa.Column("layout_id", ID),
        _to("container", "layout"),
        sa.UniqueConstraint("uri", name="uq_container_uri"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_container_layout_id", "container", ["layout_id"])
    op.create_table(
        "dataset",
        *_id("dataset"),
        *(_column(f"{name}_id", ID) for name in ("record", "instance", "container")),
        _column("subdir", sa.Text()),
        _column("bands", JSON),
        _column("status", sa.Text()),
        _column("time", TIME),
        _column("format", sa.Text()),
        _column("mapping", sa.Text()),
        _column("crs", NAME),
        *(_column(name, sa.Double()) for name in ("x0", "y0", "dx", "dy")),
        *(_column(name, sa.Integer()) for name in ("width", "height")),
        _column("footprint", GEOMETRY),
        *(_column(name, sa.Double()) for name in BOX),
        sa.CheckConstraint("status IN ('active', 'inactive', 'to-delete')", name="ck_dataset_status"),
        *(_to("dataset", name) for name in ("record", "instance", "container")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dataset_instance_id_time", "dataset", ["instance_id", "time"])
    op.create_index("ix_dataset_record_id_instance_id", "dataset", ["record_id", "instance_id"])
    op.create_index("ix_dataset_container_id", "dataset", ["container_id"])
    op.create_table(
        "dataset_band",
        sa.Column("container_id", ID, nullable=False, autoincrement=False),
        _column("subdir", sa.Text()),
        _column("band", sa.Integer()),
        _column("dataset_id", ID),
        _to("dataset_band", "container"),
        _to("dataset_band", "dataset", cascade=True),
        sa.PrimaryKeyConstraint("container_id", "subdir", "band", name="pk_dataset_band"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_dataset_band_dataset_id", "dataset_band", ["dataset_id"])
    op.create_table(
        "dataset_lock",
        sa.Column("dataset_id", ID, nullable=False, autoincrement=False),
        _column("job", NAME),
        _column("time", TIME),
        _to("dataset_lock", "dataset", cascade=True),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_dataset_lock"),
    )
    op.create_index("ix_dataset_lock_job", "dataset_lock", ["job"])


def _collections() -> None:
    op.create_table(
        "collection",
        *_id("collection"),
        _column("name", NAME),
        *(_column(name, sa.Text()) for name in ("title", "description", "attribution", "license")),
        *(_column(name, JSON) for name in ("keywords", "masks", "record_tags")),
        _column("group", sa.Text()),
        sa.Column("style", JSON),
        *(sa.Column(name, sa.Double()) for name in BOX),
        sa.Column("start", TIME),
        sa.Column("end", TIME),
        sa.Column("native", JSON),
        sa.UniqueConstraint("name", name="uq_collection_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "field",
        sa.Column("collection_id", ID, nullable=False, autoincrement=False),
        _column("position", sa.Integer()),
        _column("name", NAME),
        _column("unit", sa.Text()),
        _column("description", sa.Text()),
        sa.Column("instance_id", ID),
        sa.Column("band", sa.Integer()),
        sa.Column("expression", sa.Text()),
        sa.Column("minimum", sa.Double()),
        sa.Column("maximum", sa.Double()),
        sa.CheckConstraint("(instance_id IS NULL) = (band IS NULL)", name="ck_field_stored"),
        sa.CheckConstraint("(instance_id IS NULL) <> (expression IS NULL)", name="ck_field_kind"),
        _to("field", "collection", cascade=True),
        _to("field", "instance"),
        sa.PrimaryKeyConstraint("collection_id", "position", name="pk_field"),
        sa.UniqueConstraint("collection_id", "name", name="uq_field_collection_id_name"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_field_instance_id", "field", ["instance_id"])
    op.create_table(
        "collection_time",
        sa.Column("collection_id", ID, nullable=False, autoincrement=False),
        _column("time", TIME),
        _column("number", sa.Integer()),
        _to("collection_time", "collection", cascade=True),
        sa.PrimaryKeyConstraint("collection_id", "time", name="pk_collection_time"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "collection_grid",
        sa.Column("collection_id", ID, nullable=False, autoincrement=False),
        _column("digest", sa.Text()),
        _column("dx", sa.Double()),
        _column("dy", sa.Double()),
        _column("crs", sa.Text()),
        _column("number", sa.Integer()),
        _column("anchor", ID),
        *(_column(name, sa.Double()) for name in ("x0", "y0", *BOX, "left", "bottom", "right", "top")),
        _to("collection_grid", "collection", cascade=True),
        sa.PrimaryKeyConstraint("collection_id", "digest", "dx", "dy", name="pk_collection_grid"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outbox",
        *_id("outbox"),
        _column("time", TIME),
        _column("collection", NAME),
        _column("kind", sa.Text()),
        sa.Column("footprint", GEOMETRY),
        sa.Column("start", TIME),
        sa.Column("end", TIME),
        sa.CheckConstraint("kind IN ('data', 'definition', 'deleted')", name="ck_outbox_kind"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_time", "outbox", ["time"])


def _id(table: str) -> tuple[sa.Column[int], sa.PrimaryKeyConstraint]:
    return sa.Column("id", ID, sa.Identity(), nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{table}")


def _column(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _to(table: str, other: str, *, cascade: bool = False) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{other}_id"
    return sa.ForeignKeyConstraint([f"{other}_id"], [f"{other}.id"], name=name, ondelete="CASCADE" if cascade else None)


def _statements(script: str) -> list[str]:
    """The statements of a script: each begins with CREATE at the start of a line (triggers hold semicolons)."""
    return [f"CREATE {rest.strip().rstrip(';')}" for rest in script.split("\nCREATE ")[1:]]
