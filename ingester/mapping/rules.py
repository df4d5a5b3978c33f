"""What a mapping file says, checked: rules that turn names, and what files say themselves, into records and datasets.

    Mapping ─ FileRule ─┐
            └ ItemRule ─ AssetRule ─┴─ Content ─ HoldingRule (a record) ─ DatasetRule (bands of an instance)

Templates are texts with `{name}` in them; `fill` replaces each by what a pattern, an item or a band said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import Record, Variable
from prismcube.model.formats import ValueMapping
from prismcube.model.period import parse_instant

PLACEHOLDER = re.compile(r"\{([\w.:/-]+)\}")

_COMPACT_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)


def instant(text: str) -> datetime:
    """RFC 3339 and its shorter forms, or as files are named: `20150801`, `20150801T103000`. Raises InvalidInput."""
    date = _COMPACT_DATE.fullmatch(text)  # with a time of day, `parse_instant` takes it as it is
    return parse_instant("-".join(date.groups()) if date else text)


def fill(template: str, values: Dict[str, str]) -> str:
    """The template with each `{name}` replaced by its value. Raises InvalidInput for one that has none."""
    return PLACEHOLDER.sub(lambda found: _value(found[1], values), template)


def _value(name: str, values: Dict[str, str]) -> str:
    if name not in values:
        raise InvalidInput("template", f"there is no {name!r} to fill in")
    return values[name]


@dataclass(frozen=True, kw_only=True)
class DatasetRule:
    """Bands of a file that hold an instance."""

    variable: str
    instance: str
    """Its name, without the variable's."""
    bands: tuple[int, ...]
    """1-based, one for each band of the variable; within a date when the file stacks dates."""
    mapping: ValueMapping
    nodata: float | None
    overrides_nodata: bool
    """True: `nodata` counts, whatever the file says."""
    subdir: str = ""
    """Template of the subdataset, TIFF directory or archive member that has the bands; empty for the file itself."""

    @property
    def key(self) -> str:
        """`variable/instance`"""
        return f"{self.variable}/{self.instance}"


@dataclass(frozen=True, kw_only=True)
class HoldingRule:
    """A record, and what a file holds for it."""

    record: str
    """Template of the record's name."""
    time: str
    """Template of its time."""
    tags: Dict[str, str]
    """Templates of its tags."""
    datasets: tuple[DatasetRule, ...]
    optional_tags: bool = False
    """True: a tag whose value is not known is left out, instead of refusing the record."""

    def as_record(self, values: Dict[str, str]) -> Record:
        """The record. Raises InvalidInput for a value that is missing, or a time that is none."""
        known = {
            key: text
            for key, text in self.tags.items()
            if not self.optional_tags or all(name in values for name in PLACEHOLDER.findall(text))
        }
        return Record(
            name=fill(self.record, values),
            time=instant(fill(self.time, values)),
            tags={key: fill(text, values) for key, text in known.items()},
        )


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """How the bands of a file are divided over dates: `size` bands a date, one date after the other."""

    size: int
    pattern: re.Pattern[str]
    """What a name must match as a whole; its groups are values for templates."""
    names: tuple[str, ...] | None
    """One for each date; None: the file tells the name of each band."""
    dimension: str = ""
    """The netCDF dimension whose coordinates are the names; empty: descriptions of bands are."""

    def dates(self, descriptions: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
        """For each date the number of bands before its own, and the values that its name gives.

        `descriptions`: the name of each band, as far as it has one.

        Raises InvalidInput when names and bands don't fit together, or a name does not match.
        """
        count = len(descriptions)
        if count % self.size:
            raise InvalidInput("stack", f"{count} bands can't be divided into dates of {self.size}")
        names = self.names if self.names is not None else descriptions[:: self.size]
        if len(names) * self.size != count:
            raise InvalidInput("stack", f"the mapping names {len(names)} dates, the file has {count // self.size}")
        for number, name in enumerate(names):
            found = self.pattern.fullmatch(name)
            if found is None:
                band = number * self.size + 1
                raise InvalidInput("stack", f"band {band} is named {name!r}, which {self.pattern.pattern!r} is not")
            yield number * self.size, {key: value or "" for key, value in found.groupdict().items()}


@dataclass(frozen=True, kw_only=True)
class Content:
    """What files of one kind hold."""

    holdings: tuple[HoldingRule, ...]
    """At least one; exactly one, for every date, when the file stacks dates."""
    stack: StackRule | None = None

    @property
    def datasets(self) -> Iterator[DatasetRule]:
        return (dataset for holding in self.holdings for dataset in holding.datasets)


@dataclass(frozen=True, kw_only=True)
class FileRule:
    """Files whose name matches a pattern, and what they hold."""

    pattern: re.Pattern[str]
    content: Content

    def match(self, path: Path) -> dict[str, str] | None:
        """The groups of the pattern when it matches the whole name, or the end of the path if it has a slash."""
        if "/" in self.pattern.pattern:
            text = path.as_posix()
            starts = [0, *(slash.end() for slash in re.finditer("/", text))]
            found = next(filter(None, (self.pattern.fullmatch(text, start) for start in starts)), None)
        else:
            found = self.pattern.fullmatch(path.name)
        return None if found is None else {key: value or "" for key, value in found.groupdict().items()}


@dataclass(frozen=True, kw_only=True)
class AssetRule:
    """Assets of an item whose key matches a pattern, and what they hold."""

    key: re.Pattern[str]
    content: Content
    """Its record is that of the item."""

    def match(self, key: str) -> dict[str, str] | None:
        """The groups of the pattern when it matches the whole key."""
        found = self.key.fullmatch(key)
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}


@dataclass(frozen=True, kw_only=True)
class ItemRule:
    """STAC items of some collections, and what their assets hold."""

    collection: re.Pattern[str] | None
    """What the id of the item's collection must match as a whole; None: any item."""
    assets: tuple[AssetRule, ...]

    def match(self, collection: str) -> bool:
        return self.collection is None or self.collection.fullmatch(collection) is not None


@dataclass(frozen=True, kw_only=True)
class CollectionRule:
    """A collection whose instances have no ids yet."""

    draft: Collection
    """Ids of instances in it mean nothing."""
    instances: Dict[str, str]
    """`variable/instance` of each stored field."""

    def bind(self, ids: Dict[str, int]) -> Collection:
        """The collection, with the ids that the catalogue gave to `variable/instance`."""
        fields = (
            replace(one, instance_id=ids[self.instances[one.name]]) if isinstance(one, StoredField) else one
            for one in self.draft.fields
        )
        return replace(self.draft, fields=tuple(fields))


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """A checked mapping file."""

    variables: Dict[str, Variable]
    files: tuple[FileRule, ...] = ()
    items: tuple[ItemRule, ...] = ()
    collections: tuple[CollectionRule, ...] = ()

    @property
    def contents(self) -> Iterator[Content]:
        """What its files and assets hold."""
        yield from (rule.content for rule in self.files)
        yield from (asset.content for rule in self.items for asset in rule.assets)

    @property
    def instances(self) -> list[str]:
        """All `variable/instance` it names, sorted."""
        stored = {key for one in self.collections for key in one.instances.values()}
        return sorted(stored | {dataset.key for content in self.contents for dataset in content.datasets})
