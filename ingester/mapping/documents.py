"""The shape of a mapping file: one pydantic model for each block. What the blocks mean together: `checks.py`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^\w[\w.~-]*$", max_length=200)]
"""Safe in a URL path and in `variable/instance`."""
Text = Annotated[str, StringConstraints(min_length=1)]
BandNumber = Annotated[int, Field(ge=1)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class VariableBlock(_Block):
    """`variables.<name>`: what is measured, and in which format its values are handed out."""

    bands: Annotated[list[Text], Field(min_length=1)]
    dtype: str
    nodata: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    description: str = ""
    resampling: str = "nearest"


class ValueMappingBlock(_Block):
    """`mapping`: how stored values stand for real ones."""

    imin: float = 0.0
    imax: float = 1.0
    emin: float = 0.0
    emax: float = 1.0
    exponent: float = 1.0


class DatasetBlock(_Block):
    """`files.<n>.datasets.<m>`: bands of the file that hold an instance."""

    instance: Text
    bands: Annotated[list[BandNumber], Field(min_length=1)]
    mapping: ValueMappingBlock | None = None
    nodata: float | None = None
    """When it is given, also as null, it replaces what the file says."""
    subdir: str | None = None
    """In place of the file's."""


Datasets = Annotated[list[DatasetBlock], Field(min_length=1)]


class StackBlock(_Block):
    """`stack`: the file holds many dates, `bands` bands each."""

    dates: Literal["names", "times"] | Annotated[list[datetime | date | str], Field(min_length=1)] = "names"
    """`names`: the description of each date's first band; `times`: its coordinate of a netCDF dimension."""
    dimension: Text = "time"
    pattern: Text = "(?P<date>.+)"
    """Of a whole name."""
    bands: BandNumber = 1


class RecordBlock(_Block):
    """`files.<n>.records.<m>`: a record, and what the file holds for it."""

    record: Text
    time: Text
    tags: dict[Text, str] = {}
    datasets: Datasets


class FileBlock(RecordBlock):
    """`files.<n>`: files whose name matches, and what they hold."""

    pattern: Text
    subdir: str = ""
    stack: StackBlock | None = None


class FileOfManyBlock(_Block):
    """`files.<n>` of files that hold several records."""

    pattern: Text
    subdir: str = ""
    records: Annotated[list[RecordBlock], Field(min_length=1)]


class AssetBlock(_Block):
    """`items.<n>.assets.<m>`: assets whose key matches, and what they hold."""

    key: Text
    subdir: str = ""
    stack: StackBlock | None = None
    datasets: Datasets


class ItemBlock(_Block):
    """`items.<n>`: STAC items, and what their assets hold."""

    collection: Text | None = None
    record: Text = "{id}"
    time: Text = "{datetime}"
    tags: dict[Text, str] = {}
    assets: Annotated[list[AssetBlock], Field(min_length=1)]


class FieldBlock(_Block):
    """`collections.<name>.fields.<name>`: a band of an instance, or an expression over fields before it."""

    instance: str | None = None
    band: str | None = None
    """May be left out when the variable has one band."""
    expression: str | None = None
    unit: str | None = None
    """Of a stored field: the variable's unless given; likewise `description`."""
    description: str | None = None
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.instance is None) == (self.expression is None):
            raise ValueError("needs either instance or expression")
        if self.instance is None and self.band is not None:
            raise ValueError("band goes with instance only")
        if self.instance is not None and not self.minimum is self.maximum is None:
            raise ValueError("minimum and maximum of a stored field are the variable's")
        return self


class MaskBlock(_Block):
    """`collections.<name>.masks.<name>`"""

    rule: Text
    default_for: list[str] = []


class StyleBlock(_Block):
    """`collections.<name>.style`"""

    fields: list[str]
    ranges: list[Annotated[list[float], Field(min_length=2, max_length=2)]]


class CollectionBlock(_Block):
    """`collections.<name>`"""

    title: str = ""
    description: str = ""
    attribution: str = ""
    license: str = ""
    keywords: list[str] = []
    record_tags: dict[Text, str] = {}
    group: Literal["record", "day", "month", "year", "all"] = "record"
    fields: Annotated[dict[str, FieldBlock], Field(min_length=1)]
    masks: dict[Name, MaskBlock] = {}
    style: StyleBlock | None = None
