"""What the entities of the catalogue look like as JSON. The docstrings are the descriptions in the OpenAPI document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prismcube.model.collection import Collection, ComputedField, RGBStyle, StoredField
from prismcube.model.consolidation import Compression, StorageClass, format_to_json
from prismcube.model.entities import RESAMPLINGS, DatasetStatus, Variable
from prismcube.model.formats import DTYPES, DataFormat, ValueMapping
from providers.catalogue.texts import Name, Slug, Tags, Text, Word

Geometry = Annotated[
    dict[str, Any],
    Field(
        description="GeoJSON Polygon or MultiPolygon; longitudes beyond 180 come round from the other side.",
        json_schema_extra={
            "required": ["type", "coordinates"],
            "properties": {
                "type": {"type": "string", "enum": ["Polygon", "MultiPolygon"]},
                "coordinates": {"type": "array", "items": {"type": "array", "items": {"type": "array"}}},
            },
            "example": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        },
    ),
]
Special = Literal["nan", "inf", "-inf"]
Number = float | Special
"""JSON has no word for these three."""
Id = Annotated[int, Field(ge=0, lt=2**63)]


class Document(BaseModel):
    """Strict about names and types; descriptions are the docstrings of the attributes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True, allow_inf_nan=False
    )


class AOI(Document):
    """An area of interest, shared by records. Known by its geometry: the same one is never stored twice."""

    geometry: Geometry


class Record(Document):
    """One acquisition; name, time and tags together are unique. The time never changes."""

    name: Annotated[Text, Field(min_length=1)]
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """RFC 3339; a date alone is its first moment, UTC."""
    tags: Tags = {}
    aoi: Id | None = None
    """Id of its area."""


class Format(Document):
    """A number type and the value that stands for "nothing here"."""

    dtype: Literal[DTYPES]  # type: ignore[valid-type]  # the tuple is the one list of them
    nodata: Number | None = None
    """Of empty pixels; null: every value is valid."""
    minimum: Number | None = None
    maximum: Number | None = None

    def value(self) -> DataFormat:
        return DataFormat(
            dtype=self.dtype, nodata=number(self.nodata), minimum=number(self.minimum), maximum=number(self.maximum)
        )

    @staticmethod
    def of(one: DataFormat) -> dict[str, Any]:
        return {"dtype": one.dtype, **{k: _told(getattr(one, k)) for k in ("nodata", "minimum", "maximum")}}


class ValueMappingDocument(Document):
    """How stored values stand for real ones: emin + (emax - emin) * ((v - imin) / (imax - imin)) ** exponent."""

    model_config = ConfigDict(title="Mapping")

    imin: float = 0.0
    imax: float = 1.0
    emin: float = 0.0
    emax: float = 1.0
    exponent: float = 1.0

    def value(self) -> ValueMapping:
        return ValueMapping(**self.model_dump())


class VariableDocument(Document):
    """What is measured. Bands and format never change once it is stored."""

    model_config = ConfigDict(title="Variable")

    name: Name
    bands: Annotated[list[Name], Field(min_length=1, json_schema_extra={"uniqueItems": True})]
    """Names of the bands, in order; a dataset has one file band for each."""
    format: Format
    """In which values are handed out."""
    unit: Word = ""
    """UCUM symbol; empty for pure numbers."""
    description: Text = ""
    resampling: Literal[RESAMPLINGS] = "nearest"  # type: ignore[valid-type]  # the tuple is the one list of them
    """Used when a request names none."""
    palette: Word = ""
    """Name of a palette; empty for shades of grey."""

    @staticmethod
    def of(one: Variable) -> dict[str, Any]:
        return {
            "name": one.name,
            "bands": list(one.bands),
            "format": Format.of(one.format),
            "unit": one.unit,
            "description": one.description,
            "resampling": one.resampling,
            "palette": one.palette,
        }


class Instance(Document):
    """A variable processed one way; the unit of access."""

    variable: Id
    """Id of the variable; never changes."""
    name: Name
    metadata: Tags = {}


class Container(Document):
    """A file of the archive. The URI and who owns the file never change."""

    uri: str
    """Of a file that is there: file, s3, gs, az or http."""
    managed: bool = False
    """True: the file is ours, and goes with its container."""
    storage_class: Word = ""
    etag: Text = ""
    """What tells a changed file; by default what the storage says."""
    layout: Slug | None = None
    """Name of the layout in which it was written."""
    loss: Word = ""
    """By which options a consolidation wrote it that cost its numbers exactness: `MAX_Z_ERROR=0.5`."""


class Dataset(Document):
    """Some bands of one file, holding one instance for one record. The file is opened and checked."""

    record: Id
    """Id."""
    instance: Id
    """Id."""
    uri: str
    """Of the file; its container is made when there is none."""
    subdir: str = ""
    """Subdataset, page or member of an archive; empty for the file itself."""
    bands: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Bands of the file, from 1 on, one for each band of the variable."""
    nodata: Number | Literal["file"] | None = "file"
    """Stored value of empty pixels, null for none; by default what the file says."""
    minimum: float | None = None
    """Least stored value to expect."""
    maximum: float | None = None
    mapping: ValueMappingDocument = ValueMappingDocument()
    status: DatasetStatus = Field(DatasetStatus.ACTIVE, strict=False)


class Point(Document):
    """A point of a palette."""

    value: Annotated[float, Field(ge=0, le=1)]
    r: Annotated[int, Field(ge=0, le=255)]
    g: Annotated[int, Field(ge=0, le=255)]
    b: Annotated[int, Field(ge=0, le=255)]
    a: Annotated[int, Field(ge=0, le=255)] = 255


class Palette(Document):
    """A scale of colours, straight lines between its points; the first is at 0, the last at 1."""

    name: Slug
    points: Annotated[list[Point], Field(min_length=2)]


class Channel(Document):
    """How one field becomes brightness."""

    field: str
    low: float
    high: float
    gamma: Annotated[float, Field(gt=0)] = 1.0


class Style(Document):
    """A named way to draw fields: three as red, green and blue, or one through a palette."""

    name: Slug
    kind: Literal["rgb", "palette"]
    channels: list[Channel]
    palette: str = ""
    title: Text = ""
    description: Text = ""


class Consolidation(Document):
    """How the consolidated files of a variable are written."""

    format: Format
    """Of the stored values; its range stands for the variable's."""
    exponent: Annotated[float, Field(gt=0)] = 1.0
    resampling: Literal[RESAMPLINGS] = "nearest"  # type: ignore[valid-type]  # the tuple is the one list of them
    overview_resampling: Annotated[str, Field(json_schema_extra={"enum": ["", *RESAMPLINGS]})] = ""
    """Empty: the average for smooth kernels, else the same as `resampling`."""
    compression: Compression = Field(Compression.LOSSLESS, strict=False)
    max_error: Annotated[float, Field(gt=0, lt=1)] = 0.001
    """Of lossy files, as a share of the format's range."""
    creation_options: Tags = {}
    storage_class: StorageClass = Field(StorageClass.STANDARD, strict=False)


class FieldDocument(Document):
    """A field: a band of an instance, or an expression over fields before it."""

    model_config = ConfigDict(title="Field")

    name: str
    instance: Id | None = None
    """Id, of stored fields."""
    band: str | None = None
    """Name of a band of the variable; needed when it has several."""
    expression: str | None = None
    """Of computed fields."""
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    """Least value to expect, of computed fields."""
    maximum: float | None = None


class Mask(Document):
    """Which pixels count."""

    name: str
    rule: str
    """Such as `SCL:4-7` or `QA:!bits:3,4`."""
    default_for: list[str] = []
    """Fields that are masked so unless a request says otherwise."""


class Picture(Document):
    """The default picture: three fields as red, green, blue, or one as grey."""

    fields: list[str]
    ranges: list[Annotated[list[float], Field(min_length=2, max_length=2)]]
    """Darkest and brightest value of each."""


class CollectionDocument(Document):
    """What the outside world sees as a collection: fields over the records that have certain tags."""

    model_config = ConfigDict(title="Collection")

    name: Slug
    title: Text = ""
    description: Text = ""
    attribution: Text = ""
    license: Text = ""
    keywords: list[Text] = []
    fields: list[FieldDocument] = []
    masks: list[Mask] = []
    record_tags: Tags = {}
    """A record belongs when it has all these keys with values that match the patterns; an empty one is any value."""
    group: str = "record"
    """How records become time steps when a request does not say."""
    style: Picture | None = None

    @staticmethod
    def of(one: Collection, bands: Mapping[int, tuple[str, ...]]) -> dict[str, Any]:
        """`bands` are the variable's, by instance."""
        return {
            "name": one.name,
            "title": one.title,
            "description": one.description,
            "attribution": one.attribution,
            "license": one.license,
            "keywords": list(one.keywords),
            "fields": [_field(field, bands) for field in one.fields],
            "masks": [{"name": m.name, "rule": str(m), "default_for": list(m.default_for)} for m in one.masks],
            "record_tags": dict(one.record_tags),
            "group": one.group,
            "style": _style(one.style),
        }


def number(value: Number | None) -> float | None:
    """The number that a document means."""
    return None if value is None else float(value)


def consolidation(one: Any) -> dict[str, Any]:
    """Consolidation settings as a document."""
    return {
        **one.to_json(),
        "format": {**dict.fromkeys(("nodata", "minimum", "maximum")), **format_to_json(one.format)},
    }


def _told(value: float | None) -> Number | None:
    return value if value is None or math.isfinite(value) else str(value)  # type: ignore[return-value]  # nan, inf, -inf


def _field(one: StoredField | ComputedField, bands: Mapping[int, tuple[str, ...]]) -> dict[str, Any]:
    shared = {"name": one.name, "unit": one.unit, "description": one.description}
    if isinstance(one, StoredField):
        own = {"instance": one.instance_id, "band": bands[one.instance_id][one.band]}
        return {**shared, **own, "expression": None, "minimum": None, "maximum": None}
    own_computed = {"expression": one.expression.text, "minimum": one.minimum, "maximum": one.maximum}
    return {**shared, "instance": None, "band": None, **own_computed}


def _style(one: RGBStyle | None) -> dict[str, Any] | None:
    return None if one is None else {"fields": list(one.fields), "ranges": [list(pair) for pair in one.ranges]}
