"""The catalogue: records, variables, files, datasets, collections.

Revision ID: 0001
Revises:
Create Date: 2025-01-01

Frozen: types are spelt out as they were, never imported from `tables.py`, which moves on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The R*Tree has the box and time of every dataset; kept here and not in the program, so that no writer forgets it.
RTREE = """
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


def upgrade() -> None:
    _records()
    _variables()
    _datasets()
    _collections()
    for script in (RTREE, RECORD_TAG):
        for statement in _statements(script):
            op.execute(statement)


def downgrade() -> None:
    for trigger in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER dataset_rtree_{trigger}")
        op.execute(f"DROP TRIGGER record_tag_{trigger}")
    for name in ("record_tag", "dataset_rtree"):
        op.execute(f"DROP TABLE {name}")
    names = ("field", "collection", "dataset_band", "dataset", "container", "instance", "variable", "record", "aoi")
    for name in names:
        op.drop_table(name)


def _records() -> None:
    op.create_table(
        "aoi",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("geometry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_aoi"),
        sa.UniqueConstraint("hash", name="uq_aoi_hash"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "record",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("aoi_id", sa.Integer()),
        sa.ForeignKeyConstraint(["aoi_id"], ["aoi.id"], name="fk_record_aoi_id"),
        sa.PrimaryKeyConstraint("id", name="pk_record"),
        sa.UniqueConstraint("name", "time", "tags", name="uq_record_name_time_tags"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_record_aoi_id", "record", ["aoi_id"])
    op.create_index("ix_record_time_id", "record", ["time", "id"])


def _variables() -> None:
    op.create_table(
        "variable",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bands", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("resampling", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_variable"),
        sa.UniqueConstraint("name", name="uq_variable_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("variable_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["variable_id"], ["variable.id"], name="fk_instance_variable_id"),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
        sa.UniqueConstraint("variable_id", "name", name="uq_instance_variable_id_name"),
        sqlite_autoincrement=True,
    )


def _datasets() -> None:
    op.create_table(
        "container",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_container"),
        sa.UniqueConstraint("uri", name="uq_container_uri"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.Integer(), nullable=False),
        sa.Column("container_id", sa.Integer(), nullable=False),
        sa.Column("subdir", sa.Text(), nullable=False),
        sa.Column("bands", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("crs", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("x0", "y0", "dx", "dy")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("width", "height")),
        sa.Column("footprint", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("west", "south", "east", "north")),
        sa.CheckConstraint("status IN ('active', 'inactive', 'to-delete')", name="ck_dataset_status"),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name="fk_dataset_record_id"),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name="fk_dataset_instance_id"),
        sa.ForeignKeyConstraint(["container_id"], ["container.id"], name="fk_dataset_container_id"),
        sa.PrimaryKeyConstraint("id", name="pk_dataset"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dataset_instance_id_time", "dataset", ["instance_id", "time"])
    op.create_index("ix_dataset_record_id_instance_id", "dataset", ["record_id", "instance_id"])
    op.create_index("ix_dataset_container_id", "dataset", ["container_id"])
    op.create_table(
        "dataset_band",
        sa.Column("container_id", sa.Integer(), nullable=False),
        sa.Column("subdir", sa.Text(), nullable=False),
        sa.Column("band", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["container_id"], ["container.id"], name="fk_dataset_band_container_id"),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name="fk_dataset_band_dataset_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("container_id", "subdir", "band", name="pk_dataset_band"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_dataset_band_dataset_id", "dataset_band", ["dataset_id"])


def _collections() -> None:
    texts = ("name", "title", "description", "attribution", "license", "keywords", "masks", "record_tags", "group")
    op.create_table(
        "collection",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("style", sa.Text()),
        *(sa.Column(name, sa.Float()) for name in ("west", "south", "east", "north")),
        sa.Column("start", sa.BigInteger()),
        sa.Column("end", sa.BigInteger()),
        sa.Column("native", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_collection"),
        sa.UniqueConstraint("name", name="uq_collection_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "field",
        sa.Column("collection_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("instance_id", sa.Integer()),
        sa.Column("band", sa.Integer()),
        sa.Column("expression", sa.Text()),
        sa.Column("minimum", sa.Float()),
        sa.Column("maximum", sa.Float()),
        sa.CheckConstraint("(instance_id IS NULL) = (band IS NULL)", name="ck_field_stored"),
        sa.CheckConstraint("(instance_id IS NULL) <> (expression IS NULL)", name="ck_field_kind"),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name="fk_field_collection_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name="fk_field_instance_id"),
        sa.PrimaryKeyConstraint("collection_id", "position", name="pk_field"),
        sa.UniqueConstraint("collection_id", "name", name="uq_field_collection_id_name"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_field_instance_id", "field", ["instance_id"])


def _statements(script: str) -> list[str]:
    """The statements of a script: each begins with CREATE at the start of a line (triggers hold semicolons)."""
    return [f"CREATE {rest.strip().rstrip(';')}" for rest in script.split("\nCREATE ")[1:]]
