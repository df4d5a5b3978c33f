"""Collections: what the outside world sees as a coverage.

A collection is a named set of fields over a filter of records. A field is *stored* (a band of an instance) or
*computed* (an expression over other fields). Mask rules say which pixels of a field count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.entities import Record
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Bounds, Grid
from prismcube.model.mask import MaskRule
from prismcube.model.pattern import Pattern
from prismcube.model.text import check_text

COMPUTED_FORMAT = DataFormat(dtype="float32", nodata=float("nan"))
"""In which computed fields are handed out."""


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)  # it is a part of URLs
RESERVED = frozenset({"records"})
"""Names with a meaning of their own under `/collections`."""


@dataclass(frozen=True, kw_only=True)
class StoredField:
    """A field read from files: one band of an instance."""

    name: str
    instance_id: int
    band: int
    """0-based position among the variable's bands."""
    format: DataFormat
    """The variable's."""
    unit: str = ""
    description: str = ""
    resampling: str = "nearest"
    """The variable's; used when a request names none."""


@dataclass(frozen=True, kw_only=True)
class ComputedField:
    """A field computed from others, pixel by pixel and record by record, in float64, handed out as float32."""

    name: str
    expression: Expression
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    """Least value to expect, for display; values are never cut at it."""
    maximum: float | None = None
    """Greatest value to expect; see `minimum`."""

    def __post_init__(self) -> None:
        try:
            _ = self.format
        except InvalidInput as error:
            raise InvalidInput(f"fields.{self.name}", f"{error.parameter} {error.reason}") from error

    @property
    def format(self) -> DataFormat:
        return DataFormat(
            dtype=COMPUTED_FORMAT.dtype, nodata=COMPUTED_FORMAT.nodata, minimum=self.minimum, maximum=self.maximum
        )


Field = StoredField | ComputedField


@dataclass(frozen=True)
class RGBStyle:
    """The default picture: three fields as red, green, blue, or one as grey, stretched linearly."""

    fields: tuple[str, ...]
    """One or three field names."""
    ranges: tuple[tuple[float, float], ...]
    """(darkest, brightest) value for each field."""

    def __post_init__(self) -> None:
        if len(self.fields) not in (1, 3) or len(self.ranges) != len(self.fields):
            raise InvalidInput("style", "needs one or three fields, each with a range")
        for low, high in self.ranges:
            if not low < high:
                raise InvalidInput("style", f"range must rise, got {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Where and when a collection has data; kept by the catalogue."""

    bounds: Bounds
    """Longitude, latitude."""
    start: datetime
    end: datetime
    native: Grid
    """The smallest grid of the collection's own CRS and pixel size that covers all its datasets."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A named set of fields over the records that match a filter."""

    name: str
    title: str = ""
    description: str = ""
    attribution: str = ""
    license: str = ""
    keywords: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    masks: tuple[MaskRule, ...] = ()
    record_tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """A record belongs when it has all these tags, each with a value that matches the pattern; empty: any value."""
    group: str = "record"
    """How records become time steps when a request does not say: see `prismcube.model.grouping`."""
    style: RGBStyle | None = None
    extent: Extent | None = None
    """None while the collection has no data."""
    id: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in RESERVED:
            raise InvalidInput(
                "collection.name", f"{self.name[:60]!r} must be letters, digits, '.', '_' and '-', and not 'records'"
            )
        for text in (self.title, self.description, self.attribution, self.license, *self.keywords, *self.record_tags):
            check_text("collection", text)
        for value in self.record_tags.values():
            Pattern(value)
        seen: set[str] = set()
        for one in self.fields:
            if not one.name.isidentifier():
                raise InvalidInput("fields", f"{one.name!r} must be letters, digits and _")
            if one.name in seen:
                raise InvalidInput("fields", f"{one.name!r} is defined twice")
            if isinstance(one, ComputedField):
                for used in sorted(one.expression.names - seen):
                    raise InvalidInput(f"fields.{one.name}", f"uses {used!r}, which is not a field before it")
            seen.add(one.name)
        for rule in self.masks:
            if not isinstance(self.field(rule.field), StoredField):
                raise InvalidInput(f"masks.{rule.name}", f"{rule.field!r} must be a stored field")
            for name in rule.default_for:
                self.field(name)
        if len({rule.name for rule in self.masks}) != len(self.masks):
            raise InvalidInput("masks", "names must be distinct")
        for name in self.style.fields if self.style else ():
            self.field(name)

    def field(self, name: str) -> Field:
        """The field of that name. Raises NotFound."""
        for one in self.fields:
            if one.name == name:
                return one
        raise NotFound("field", name)

    @property
    def stored_fields(self) -> tuple[StoredField, ...]:
        return tuple(one for one in self.fields if isinstance(one, StoredField))

    def default_mask(self, name: str) -> MaskRule | None:
        """The rule that masks field `name` unless a request says otherwise."""
        return next((rule for rule in self.masks if name in rule.default_for), None)

    def sources(self, names: Iterable[str]) -> tuple[StoredField, ...]:
        """The stored fields needed to produce `names`, in the collection's order."""
        wanted = set(names)
        for one in reversed(self.fields):
            if one.name in wanted and isinstance(one, ComputedField):
                wanted |= one.expression.names
        return tuple(one for one in self.stored_fields if one.name in wanted)

    def has_record(self, record: Record) -> bool:
        return matches_tags(self.record_tags, record.tags)


def matches_tags(patterns: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    """True when the tags have all these keys, each with a value that matches its pattern; an empty one: any value."""
    return all(key in tags and (not text or Pattern(text).matches(tags[key])) for key, text in patterns.items())
