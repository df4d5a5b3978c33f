"""The tables of the catalogue.

Ids are never reused (`sqlite_autoincrement`): page cursors, caches and job documents outlive a deleted row.
Not listed here, since they serve the database alone and are kept by its triggers (`migrations/versions/0001_*.py`):
`dataset_rtree`, the R*Tree over dataset footprints (`spatial.py`), and `record_tag`, one row for each tag of a record
(`filters.py`).
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from prismcube.catalogue.types import FormatType, Geometry, GridType, Json, MappingType, UTCDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


aoi = Table(
    "aoi",
    metadata,
    _id(),
    Column("hash", Text, nullable=False, unique=True),
    Column("geometry", Geometry, nullable=False),
    sqlite_autoincrement=True,
)

record = Table(
    "record",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("time", UTCDateTime, nullable=False),
    Column("tags", Json, nullable=False),
    Column("aoi_id", ForeignKey("aoi.id"), index=True),
    UniqueConstraint("name", "time", "tags"),
    Index(None, "time", "id"),
    sqlite_autoincrement=True,
)

variable = Table(
    "variable",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("bands", Json, nullable=False),
    Column("format", FormatType, nullable=False),
    Column("unit", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("resampling", Text, nullable=False),
    sqlite_autoincrement=True,
)

instance = Table(
    "instance",
    metadata,
    _id(),
    Column("variable_id", ForeignKey("variable.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("metadata", Json, nullable=False),
    UniqueConstraint("variable_id", "name"),
    sqlite_autoincrement=True,
)

container = Table(
    "container",
    metadata,
    _id(),
    Column("uri", Text, nullable=False, unique=True),
    Column("managed", Boolean(create_constraint=False), nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("etag", Text, nullable=False),
    sqlite_autoincrement=True,
)

dataset = Table(
    "dataset",
    metadata,
    _id(),
    Column("record_id", ForeignKey("record.id"), nullable=False),
    Column("instance_id", ForeignKey("instance.id"), nullable=False),
    Column("container_id", ForeignKey("container.id"), nullable=False),
    Column("subdir", Text, nullable=False),
    Column("bands", Json, nullable=False),
    Column("status", Text, nullable=False),
    Column("time", UTCDateTime, nullable=False),  # the record's, copied: see the index
    Column("format", FormatType, nullable=False),
    Column("mapping", MappingType, nullable=False),
    # The grid in plain columns, since the extent of a collection is aggregated over them.
    Column("crs", Text, nullable=False),
    Column("x0", Float, nullable=False),
    Column("y0", Float, nullable=False),
    Column("dx", Float, nullable=False),
    Column("dy", Float, nullable=False),  # positive
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("footprint", Geometry, nullable=False),
    Column("west", Float, nullable=False),  # the box of the footprint; feeds the R*Tree
    Column("south", Float, nullable=False),
    Column("east", Float, nullable=False),
    Column("north", Float, nullable=False),
    CheckConstraint("status IN ('active', 'inactive', 'to-delete')", name="status"),
    Index(None, "instance_id", "time"),
    Index(None, "record_id", "instance_id"),
    Index(None, "container_id"),
    sqlite_autoincrement=True,
)

# One owner: a band of a file belongs to one dataset, so to one record and one instance.
dataset_band = Table(
    "dataset_band",
    metadata,
    Column("container_id", ForeignKey("container.id"), primary_key=True),
    Column("subdir", Text, primary_key=True),
    Column("band", Integer, primary_key=True),
    Column("dataset_id", ForeignKey("dataset.id", ondelete="CASCADE"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

collection = Table(
    "collection",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("attribution", Text, nullable=False),
    Column("license", Text, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("masks", Json, nullable=False),  # JSON: always read with the collection, never searched by
    Column("record_tags", Json, nullable=False),
    Column("group", Text, nullable=False),
    Column("style", Json),
    # The extent, kept by `extent.py`; all NULL while there is no data.
    Column("west", Float),
    Column("south", Float),
    Column("east", Float),
    Column("north", Float),
    Column("start", UTCDateTime),
    Column("end", UTCDateTime),
    Column("native", GridType),
    sqlite_autoincrement=True,
)

# Rows, not JSON: so the database refuses to drop an instance in use, and finds the collections that a file touches.
field = Table(
    "field",
    metadata,
    Column("collection_id", ForeignKey("collection.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("instance_id", ForeignKey("instance.id"), index=True),  # stored fields
    Column("band", Integer),
    Column("expression", Text),  # computed fields
    Column("minimum", Float),
    Column("maximum", Float),
    UniqueConstraint("collection_id", "name"),
    CheckConstraint("(instance_id IS NULL) = (band IS NULL)", name="stored"),
    CheckConstraint("(instance_id IS NULL) <> (expression IS NULL)", name="kind"),
    sqlite_with_rowid=False,
)
