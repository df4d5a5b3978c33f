"""The entities of the catalogue, in Geocube's vocabulary (docs/concepts/glossary.md).

Entities carry `id: int | None`: None until the catalogue has stored them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.globe import on_globe
from prismcube.model.grid import Bounds, Grid
from prismcube.model.slant import Slant
from prismcube.model.text import LONGEST_NAME, check_name, check_text

LONGEST_URI, LONGEST_SUBDIR = 2_048, 500
"""Bytes of a URI, characters of a subdir; an index of PostgreSQL can't hold much more."""

RESAMPLINGS = (
    "nearest", "bilinear", "cubic", "cubic_spline", "lanczos", "average", "mode",
    "max", "min", "med", "q1", "q3", "sum", "rms",
)  # fmt: skip
"""All resamplings of rasterio's warper, by its names (`gauss` works for overviews only)."""


def own_etag(etag: str) -> str:
    """That of a file alone, of one that names its sidecars too (`prismcube.storage.versions`)."""
    return etag.partition(" ")[0]


def _no_tags() -> Mapping[str, str]:
    return MappingProxyType({})


def footprint_hash(geometry: BaseGeometry) -> str:
    """SHA-256 of the normalised geometry: the same area has the same hash, however its rings begin."""
    return hashlib.sha256(shapely.to_wkb(shapely.normalize(geometry), byte_order=1)).hexdigest()


def _is_on_globe(geometry: BaseGeometry) -> bool:
    west, south, east, north = geometry.bounds
    return west >= -180 and east <= 180 and south >= -90 and north <= 90


@dataclass(frozen=True, kw_only=True)
class AOI:
    """An area of interest in longitude and latitude, shared by records and identified by its hash."""

    geometry: MultiPolygon | Polygon
    """Longitude, latitude (OGC:CRS84); what lies beyond -180 or 180 comes round from the other side."""
    id: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.geometry, Polygon):
            object.__setattr__(self, "geometry", MultiPolygon([self.geometry]))
        object.__setattr__(self, "geometry", shapely.force_2d(self.geometry))  # heights are no part of an area
        if isinstance(self.geometry, MultiPolygon) and not _is_on_globe(self.geometry):
            object.__setattr__(self, "geometry", on_globe(self.geometry))
        if not isinstance(self.geometry, MultiPolygon) or self.geometry.is_empty or not self.geometry.is_valid:
            raise InvalidInput("aoi", "must be a valid, non-empty polygon or multipolygon")

    @property
    def hash(self) -> str:
        return footprint_hash(self.geometry)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One acquisition: a name, a time and tags, unique together."""

    name: str
    time: datetime
    """Aware, UTC."""
    tags: Mapping[str, str] = field(default_factory=_no_tags)
    aoi_id: int | None = None
    id: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidInput("record.name", "must not be empty")
        if self.time.tzinfo is None:
            raise InvalidInput("record.time", "must carry a time zone")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What is measured. Its bands and data format never change once it is stored."""

    name: str
    bands: tuple[str, ...]
    """Names of the bands, in order; a dataset stores one file band for each."""
    format: DataFormat
    """In which values are handed out."""
    unit: str = ""
    """UCUM symbol; empty for pure numbers."""
    description: str = ""
    resampling: str = "nearest"
    """One of `RESAMPLINGS`, used when a request names none."""
    palette: str = ""
    """The name of one that is stored; empty for shades of grey."""
    id: int | None = None

    def __post_init__(self) -> None:
        check_name("variable.name", self.name)
        check_text("variable.palette", self.palette, longest=LONGEST_NAME)
        check_text("variable.unit", self.unit, longest=LONGEST_NAME)
        check_text("variable.description", self.description)
        for band in self.bands:
            check_name("variable.bands", band)
        if not self.bands or len(set(self.bands)) != len(self.bands):
            raise InvalidInput("variable.bands", f"must be distinct names, got {list(self.bands)}")
        if self.resampling not in RESAMPLINGS:
            raise InvalidInput("variable.resampling", f"{self.resampling!r} is not one of {', '.join(RESAMPLINGS)}")


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A variable processed one way: the unit of access."""

    variable_id: int
    name: str
    metadata: Mapping[str, str] = field(default_factory=_no_tags)
    id: int | None = None

    def __post_init__(self) -> None:
        check_name("instance.name", self.name)
        for key, value in self.metadata.items():
            check_text("instance.metadata", key)
            check_text("instance.metadata", value)


@dataclass(frozen=True, kw_only=True)
class Container:
    """A file of the archive."""

    uri: str
    managed: bool = False
    """True: we own the file and delete it with its last dataset."""
    storage_class: str = ""
    etag: str = ""
    """What tells a changed file: the store's ETag, or size and modification time of a local file."""
    layout_id: int | None = None
    """Of a file that a consolidation wrote."""
    loss: str = ""
    """Of such a file: the options by which its numbers are no longer those of its sources, `MAX_Z_ERROR=0.5`."""
    id: int | None = None

    def __post_init__(self) -> None:
        check_text("container.uri", self.uri)
        if len(self.uri.encode()) > LONGEST_URI:
            raise InvalidInput("container.uri", f"has more than {LONGEST_URI:,} bytes")
        check_text("container.storage_class", self.storage_class, longest=LONGEST_NAME)
        check_text("container.etag", self.etag, longest=LONGEST_URI)
        check_text("container.loss", self.loss, longest=LONGEST_NAME)


class DatasetStatus(StrEnum):
    """Whether readers see a dataset."""

    ACTIVE = "active"  # seen by every reader
    INACTIVE = "inactive"  # written by a job that has not yet been published
    TO_DELETE = "to-delete"  # replaced; its file goes with the next deletion job


MOVES = {
    DatasetStatus.INACTIVE: (DatasetStatus.ACTIVE, DatasetStatus.TO_DELETE),  # published; given up
    DatasetStatus.ACTIVE: (DatasetStatus.INACTIVE, DatasetStatus.TO_DELETE),  # hidden; replaced
    DatasetStatus.TO_DELETE: (DatasetStatus.ACTIVE, DatasetStatus.INACTIVE),  # rolled back
}
"""What the status of a dataset may become; it goes by deletion alone."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Some bands of one file, holding one instance for one record."""

    record_id: int
    instance_id: int
    container_id: int
    time: datetime
    """The record's time, copied: the index (instance, time) answers most searches alone."""
    uri: str
    """The container's."""
    bands: tuple[int, ...]
    """1-based band of the file for each band of the variable."""
    format: DataFormat
    """Of the stored (internal) values."""
    mapping: ValueMapping
    """Stored to external values."""
    grid: Grid
    """Of the file; around its pixels where they have a slant."""
    footprint: MultiPolygon
    """Longitude, latitude."""
    slant: Slant | None = None
    """How the pixels lie when not on `grid`."""
    part: Bounds | None = None
    """Of the grid: beyond it are no data. In the grid's CRS and its units; None: all of the grid may hold some."""
    subdir: str = ""
    """GDAL subdataset or TIFF directory inside the file; empty for the file itself."""
    status: DatasetStatus = DatasetStatus.ACTIVE
    etag: str = field(default="", compare=False)
    """The container's, as far as it is known."""
    id: int | None = None

    def __post_init__(self) -> None:
        check_text("dataset.subdir", self.subdir, longest=LONGEST_SUBDIR)
        if self.part is not None:
            if not self.grid.bounds.contains(self.part):
                raise InvalidInput("dataset.part", f"{self.part.as_tuple()} lies beyond {self.grid.bounds.as_tuple()}")
            if self.part == self.grid.bounds:
                object.__setattr__(self, "part", None)

    @property
    def covered(self) -> Bounds:
        """Beyond it are no data; in the grid's CRS."""
        return self.part or self.grid.bounds
