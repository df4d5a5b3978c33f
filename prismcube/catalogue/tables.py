"""The tables of the catalogue; those of the ledger are in `job_tables.py`.

Ids are never reused: page cursors, caches and job documents outlive a deleted row.
Not listed here, since they serve SQLite alone and are kept by its triggers (`migrations/versions/0002_*.py`):
`dataset_rtree`, `aoi_rtree` and `cell_rtree`, the R*Trees over footprints (`spatial.py`), and `record_tag`, one row for
each tag of a record (`filters.py`). PostgreSQL has indexes for both.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from prismcube.catalogue.dialects import POSTGRESQL
from prismcube.catalogue.types import FormatType, Geometry, GridType, Id, Json, MappingType, Name, UTCDateTime

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
    return Column("id", Id, Identity(), primary_key=True)


def _to(key: str, *, cascade: bool = False) -> ForeignKey:
    return ForeignKey(key, ondelete="CASCADE" if cascade else None)


def _box() -> list[Column[Any]]:
    """The box of a geometry of the same row, in longitude and latitude."""
    return [Column(name, Double, nullable=False) for name in ("west", "south", "east", "north")]


def _on_postgresql(name: str, using: str, *expressions: Any) -> Index:
    return Index(name, *expressions, postgresql_using=using).ddl_if(dialect=POSTGRESQL)


aoi = Table(
    "aoi",
    metadata,
    _id(),
    Column("hash", Text, nullable=False, unique=True),
    Column("geometry", Geometry, nullable=False),
    *_box(),
    _on_postgresql("ix_aoi_geometry", "gist", "geometry"),
    sqlite_autoincrement=True,
)

record = Table(
    "record",
    metadata,
    _id(),
    Column("name", Name, nullable=False),
    Column("time", UTCDateTime, nullable=False),
    Column("tags", Json, nullable=False),
    # Of name, time and tags: names and tags may be longer than an index of PostgreSQL can hold.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("aoi_id", Id, _to("aoi.id"), index=True),
    Index(None, "time", "id"),
    Index("ix_record_name", text("substr(name, 1, 100)")),
    _on_postgresql("ix_record_tags", "gin", "tags"),
    sqlite_autoincrement=True,
)

palette = Table(
    "palette",
    metadata,
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("document", Json, nullable=False),
    sqlite_autoincrement=True,
)

style = Table(
    "style",
    metadata,
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("document", Json, nullable=False),
    Column("palette_id", Id, _to("palette.id"), index=True),
    sqlite_autoincrement=True,
)

variable = Table(
    "variable",
    metadata,
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("bands", Json, nullable=False),
    Column("format", FormatType, nullable=False),
    Column("unit", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("resampling", Text, nullable=False),
    Column("palette_id", Id, _to("palette.id"), index=True),
    sqlite_autoincrement=True,
)

consolidation_params = Table(
    "consolidation_params",
    metadata,
    Column("variable_id", Id, _to("variable.id"), primary_key=True, autoincrement=False),
    Column("document", Json, nullable=False),
)

instance = Table(
    "instance",
    metadata,
    _id(),
    Column("variable_id", Id, _to("variable.id"), nullable=False),
    Column("name", Name, nullable=False),
    Column("metadata", Json, nullable=False),
    UniqueConstraint("variable_id", "name"),
    sqlite_autoincrement=True,
)

grid = Table(  # custom grids; regular ones and single cells are written out in the layout
    "grid",
    metadata,
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("document", Json, nullable=False),  # all but the cells
    sqlite_autoincrement=True,
)

cell = Table(
    "cell",
    metadata,
    _id(),
    Column("grid_id", Id, _to("grid.id", cascade=True), nullable=False),
    Column("name", Name, nullable=False),
    Column("crs", Text, nullable=False),
    Column("outline", Geometry, nullable=False),
    Column("bounds", Json),  # in the cell's CRS; NULL: the cell is its outline
    *_box(),
    UniqueConstraint("grid_id", "name"),
    _on_postgresql("ix_cell_outline", "gist", "outline"),
    sqlite_autoincrement=True,
)

layout = Table(
    "layout",
    metadata,
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("document", Json, nullable=False),
    Column("grid_id", Id, _to("grid.id"), index=True),
    sqlite_autoincrement=True,
)

container = Table(
    "container",
    metadata,
    _id(),
    Column("uri", Name, nullable=False, unique=True),
    Column("managed", Boolean(create_constraint=False), nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("etag", Text, nullable=False),
    Column("layout_id", Id, _to("layout.id"), index=True),  # of files that a consolidation wrote
    Column("loss", Text, nullable=False, server_default=text("''")),
    sqlite_autoincrement=True,
)

# Of files of datasets; see headers.py. Each of these layouts of blocks takes about a kilobyte.
tiff_header = Table(
    "tiff_header",
    metadata,
    Column("container_id", Id, _to("container.id", cascade=True), primary_key=True, autoincrement=False),
    Column("subdir", Text, primary_key=True),
    Column("etag", Text, nullable=False),  # of the file when its header was read
    Column("packed", LargeBinary),  # the layout; NULL: GDAL must read the file
    Column("reason", Text, nullable=False),
    CheckConstraint("(packed IS NULL) = (reason <> '')", name="kind"),
)

dataset = Table(
    "dataset",
    metadata,
    _id(),
    Column("record_id", Id, _to("record.id"), nullable=False),
    Column("instance_id", Id, _to("instance.id"), nullable=False),
    Column("container_id", Id, _to("container.id"), nullable=False),
    Column("subdir", Text, nullable=False),
    Column("bands", Json, nullable=False),
    Column("status", Text, nullable=False),
    Column("time", UTCDateTime, nullable=False),  # the record's, copied: see the index
    Column("format", FormatType, nullable=False),
    Column("mapping", MappingType, nullable=False),
    # The grid in plain columns, and the part of it that holds data: the extent of a collection is aggregated over them.
    Column("crs", Name, nullable=False),
    Column("x0", Double, nullable=False),
    Column("y0", Double, nullable=False),
    Column("dx", Double, nullable=False),
    Column("dy", Double, nullable=False),  # positive
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    *(Column(name, Double, nullable=False, server_default=text("0")) for name in ("left", "bottom", "right", "top")),
    Column("slant", Json),  # how the pixels lie when not on that grid
    Column("footprint", Geometry, nullable=False),
    *_box(),  # of the footprint
    CheckConstraint("status IN ('active', 'inactive', 'to-delete')", name="status"),
    Index(None, "instance_id", "time"),
    Index(None, "record_id", "instance_id"),
    Index(None, "container_id"),
    # Instance and time as well: where thousands of dates lie on one place, the box alone selects them all.
    _on_postgresql("ix_dataset_footprint", "gist", "instance_id", "time", "footprint"),
    sqlite_autoincrement=True,
)

# One owner: a band of a file belongs to one dataset, so to one record and one instance.
dataset_band = Table(
    "dataset_band",
    metadata,
    Column("container_id", Id, _to("container.id"), primary_key=True, autoincrement=False),
    Column("subdir", Text, primary_key=True),
    Column("band", Integer, primary_key=True, autoincrement=False),
    Column("dataset_id", Id, _to("dataset.id", cascade=True), nullable=False, index=True),
    sqlite_with_rowid=False,
)

dataset_lock = Table(  # a row while a job works with a dataset
    "dataset_lock",
    metadata,
    Column("dataset_id", Id, _to("dataset.id", cascade=True), primary_key=True, autoincrement=False),
    Column("job", Name, nullable=False, index=True),
    Column("time", UTCDateTime, nullable=False),
)

collection = Table(
    "collection",
    metadata,
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("attribution", Text, nullable=False),
    Column("license", Text, nullable=False),
    Column("keywords", Json, nullable=False),
    Column("masks", Json, nullable=False),  # JSON: always read with the collection, never searched by
    Column("record_tags", Json, nullable=False),
    Column("group", Text, nullable=False),
    Column("style", Json),
    Column("words", Text, nullable=False, server_default=""),  # of name, title, description and keywords, to search in
    # The extent, kept by `changes.py`; all NULL while there is no data.
    Column("west", Double),
    Column("south", Double),
    Column("east", Double),
    Column("north", Double),
    Column("start", UTCDateTime),
    Column("end", UTCDateTime),
    Column("native", GridType),
    sqlite_autoincrement=True,
)

# Rows, not JSON: so the database refuses to drop an instance in use, and finds the collections that a file touches.
field = Table(
    "field",
    metadata,
    Column("collection_id", Id, _to("collection.id", cascade=True), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", Name, nullable=False),
    Column("unit", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("instance_id", Id, _to("instance.id"), index=True),  # stored fields
    Column("band", Integer),
    Column("expression", Text),  # computed fields
    Column("minimum", Double),
    Column("maximum", Double),
    UniqueConstraint("collection_id", "name"),
    CheckConstraint("(instance_id IS NULL) = (band IS NULL)", name="stored"),
    CheckConstraint("(instance_id IS NULL) <> (expression IS NULL)", name="kind"),
    sqlite_with_rowid=False,
)

# Kept by `changes.py`: how many active datasets a collection has at each time.
collection_time = Table(
    "collection_time",
    metadata,
    Column("collection_id", Id, _to("collection.id", cascade=True), primary_key=True, autoincrement=False),
    Column("time", UTCDateTime, primary_key=True),
    Column("number", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Kept by `changes.py`: how many it has of each CRS and pixel size, and where they lie. The extent follows from these.
collection_grid = Table(
    "collection_grid",
    metadata,
    Column("collection_id", Id, _to("collection.id", cascade=True), primary_key=True, autoincrement=False),
    Column("digest", Text, primary_key=True),  # of the CRS, whose text may be longer than an index can hold
    Column("dx", Double, primary_key=True),
    Column("dy", Double, primary_key=True),
    Column("crs", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("anchor", Id, nullable=False),  # the dataset with the lowest id, on whose pixels the native grid lies
    Column("x0", Double, nullable=False),  # the anchor's
    Column("y0", Double, nullable=False),
    *_box(),  # of the footprints
    *(Column(name, Double, nullable=False) for name in ("left", "bottom", "right", "top")),  # of the data, in the CRS
    sqlite_with_rowid=False,
)

outbox = Table(  # what has changed in the data that readers see, in the order of the changes
    "outbox",
    metadata,
    _id(),
    Column("time", UTCDateTime, nullable=False, index=True),
    Column("collection", Name, nullable=False),
    Column("kind", Text, nullable=False),
    Column("footprint", Geometry),  # NULL: everywhere
    Column("start", UTCDateTime),  # NULL: at all times
    Column("end", UTCDateTime),
    CheckConstraint("kind IN ('data', 'definition', 'deleted')", name="kind"),
    sqlite_autoincrement=True,
)

api_key = Table(
    "api_key",
    metadata,
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("public", Text, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the secret, which is kept nowhere
    Column("scopes", Json, nullable=False),
    Column("groups", Json, nullable=False),
    Column("created", UTCDateTime, nullable=False),
    Column("expires", UTCDateTime),
    Column("used", UTCDateTime),
    Column("revoked", UTCDateTime),
    sqlite_autoincrement=True,
)
