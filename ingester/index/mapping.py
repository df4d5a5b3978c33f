"""Mapping files: which files hold what. The format is shown in examples/*.yml and documents.py.

Everything is checked before the first file is opened, and every mistake is reported at once with its dotted name.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from ingester.index.documents import CollectionBlock, DatasetBlock, FieldBlock, FileBlock, Name, VariableBlock
from prismcube.errors import ConfigurationError, InvalidInput, NotFound
from prismcube.model.collection import Collection, ComputedField, Field, RGBStyle, StoredField
from prismcube.model.entities import Variable
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.mask import MaskRule
from prismcube.model.period import parse_instant

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_SECTIONS = ("variables", "files", "collections")


@dataclass(frozen=True, kw_only=True)
class DatasetRule:
    """Bands of a file that hold an instance."""

    variable: str
    instance: str
    """Its name, without the variable's."""
    bands: tuple[int, ...]
    """1-based, one for each band of the variable."""
    mapping: ValueMapping
    nodata: float | None
    overrides_nodata: bool
    """True: `nodata` counts, whatever the file says."""

    @property
    def key(self) -> str:
        """`variable/instance`"""
        return f"{self.variable}/{self.instance}"


@dataclass(frozen=True, kw_only=True)
class FileRule:
    """Files whose name matches a pattern, and what they hold."""

    pattern: re.Pattern[str]
    record: str
    """Template of the record's name; `{group}` stands for a group of the pattern."""
    time: str
    """Template of its time."""
    tags: Dict[str, str]
    """Templates of its tags."""
    datasets: tuple[DatasetRule, ...]

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
    files: tuple[FileRule, ...]
    collections: tuple[CollectionRule, ...]

    @property
    def instances(self) -> list[str]:
        """All `variable/instance` it names, sorted."""
        stored = {key for one in self.collections for key in one.instances.values()}
        return sorted(stored | {dataset.key for rule in self.files for dataset in rule.datasets})


def fill(template: str, groups: Dict[str, str]) -> str:
    """The template with each `{group}` replaced by what the pattern found."""
    return _PLACEHOLDER.sub(lambda found: groups[found[1]], template)


def read_mapping(path: Path) -> Mapping:
    """A mapping from a YAML file. Raises ConfigurationError with every mistake."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  a SafeLoader
    except OSError as error:
        raise ConfigurationError(str(path), [("file", str(error.strerror))]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(path), [("file", "is not UTF-8 text")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(str(path), [("yaml", " ".join(str(error).split()) or "nested too deeply")]) from error
    return parse_mapping(document, source=str(path))


def parse_mapping(document: Any, *, source: str = "mapping") -> Mapping:
    """A mapping from a document. Raises ConfigurationError with every mistake."""
    checker = _Checker()
    mapping = checker.mapping(document)
    if checker.mistakes:
        raise ConfigurationError(source, checker.mistakes)
    return mapping


class _Loader(yaml.SafeLoader):
    """Safe, and refuses a key that is written twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    "in a mapping", node.start_mark, f"key {key_node.value!r} is written twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


class _Checker:
    """Turns blocks into rules and collects what is wrong with them; a block with a mistake becomes None."""

    def __init__(self) -> None:
        self.mistakes: list[tuple[str, str]] = []
        self._variables: dict[str, Variable | None] = {}

    def mapping(self, document: Any) -> Mapping:
        sections: dict[str, Any] = {"variables": {}, "files": [], "collections": {}}
        if not isinstance(document, dict):
            self._wrong("mapping", f"must have the keys {', '.join(_SECTIONS)}")
            document = {}
        for key, value in document.items():
            if key not in sections:
                self._wrong(str(key), f"unknown; a mapping has {', '.join(_SECTIONS)}")
            elif not isinstance(value, type(sections[key])):
                self._wrong(key, "must be a list" if key == "files" else "must have names as keys")
            else:
                sections[key] = value
        for name, block in sections["variables"].items():
            self._variables[name] = self._variable(name, block)
        files = [self._file(f"files.{number}", block) for number, block in enumerate(sections["files"])]
        collections = [self._collection(name, block) for name, block in sections["collections"].items()]
        return Mapping(
            variables={name: one for name, one in self._variables.items() if one},
            files=tuple(rule for rule in files if rule),
            collections=tuple(rule for rule in collections if rule),
        )

    def _variable(self, name: Any, value: Any) -> Variable | None:
        where = f"variables.{name}"
        block = self._block(VariableBlock, value, where)
        if not self._is_name(name, where) or block is None:
            return None
        try:
            format = DataFormat(dtype=block.dtype, nodata=block.nodata, minimum=block.minimum, maximum=block.maximum)
            return Variable(
                name=name,
                bands=tuple(block.bands),
                format=format,
                unit=block.unit,
                description=block.description,
                resampling=block.resampling,
            )
        except InvalidInput as error:
            self._wrong(f"{where}.{error.parameter.removeprefix('variable.')}", error.reason)
            return None

    def _file(self, where: str, value: Any) -> FileRule | None:
        block = self._block(FileBlock, value, where)
        if block is None:
            return None
        before = len(self.mistakes)
        try:
            pattern = re.compile(block.pattern)
        except re.error as error:
            self._wrong(f"{where}.pattern", f"is not a regular expression: {error}")
        else:
            self._template(f"{where}.record", block.record, pattern)
            self._template(f"{where}.time", block.time, pattern)
            for key, text in block.tags.items():
                self._template(f"{where}.tags.{key}", text, pattern)
        if not _PLACEHOLDER.search(block.time):
            try:
                parse_instant(block.time)
            except InvalidInput as error:
                self._wrong(f"{where}.time", error.reason)
        datasets = [self._dataset(f"{where}.datasets.{i}", one) for i, one in enumerate(block.datasets)]
        bands = [band for one in block.datasets for band in one.bands]
        for band in sorted({band for band in bands if bands.count(band) > 1}):
            self._wrong(f"{where}.datasets", f"band {band} is used twice; it can belong to one instance only")
        if len(self.mistakes) > before:
            return None
        return FileRule(
            pattern=pattern,
            record=block.record,
            time=block.time,
            tags=block.tags,
            datasets=tuple(one for one in datasets if one),
        )

    def _template(self, where: str, text: str, pattern: re.Pattern[str]) -> None:
        for name in _PLACEHOLDER.findall(text):
            if name not in pattern.groupindex:
                known = ", ".join(pattern.groupindex) or "none"
                self._wrong(where, f"{{{name}}} is not a group of the pattern (it has: {known})")
        if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
            self._wrong(where, "has a brace that is not part of a {group}")

    def _dataset(self, where: str, block: DatasetBlock) -> DatasetRule | None:
        before = len(self.mistakes)
        variable = self._instance(f"{where}.instance", block.instance)
        if variable and len(block.bands) != len(variable.bands):
            names = ", ".join(variable.bands)
            self._wrong(f"{where}.bands", f"{len(block.bands)} given, but {variable.name} has {names}")
        mapping = ValueMapping()
        try:
            if block.mapping:
                mapping = ValueMapping(**block.mapping.model_dump())
        except InvalidInput as error:
            self._wrong(f"{where}.mapping.{error.parameter}", error.reason)
        if variable and not mapping.is_identity:
            low, high = variable.format.minimum, variable.format.maximum
            if (high is not None and mapping.emin > high) or (low is not None and mapping.emax < low):
                reason = f"gives {mapping.emin} to {mapping.emax}, but {variable.name} expects {low} to {high}"
                self._wrong(f"{where}.mapping", reason)
        if variable is None or len(self.mistakes) > before:
            return None
        return DatasetRule(
            variable=variable.name,
            instance=block.instance.partition("/")[2],
            bands=tuple(block.bands),
            mapping=mapping,
            nodata=block.nodata,
            overrides_nodata="nodata" in block.model_fields_set,
        )

    def _collection(self, name: Any, value: Any) -> CollectionRule | None:
        where = f"collections.{name}"
        block = self._block(CollectionBlock, value, where)
        if not self._is_name(name, where) or block is None:
            return None
        before = len(self.mistakes)
        fields = [self._field(f"{where}.fields.{key}", key, one) for key, one in block.fields.items()]
        masks = []
        for key, mask in block.masks.items():
            try:
                masks.append(MaskRule.parse(mask.rule, name=key, default_for=tuple(mask.default_for)))
            except InvalidInput as error:
                self._wrong(f"{where}.masks.{key}.rule", error.reason)
        style = None
        try:
            if block.style:
                ranges = tuple((low, high) for low, high in block.style.ranges)
                style = RGBStyle(fields=tuple(block.style.fields), ranges=ranges)
        except InvalidInput as error:
            self._wrong(f"{where}.style", error.reason)
        if len(self.mistakes) > before:
            return None
        try:
            draft = Collection(
                name=name,
                title=block.title,
                description=block.description,
                attribution=block.attribution,
                license=block.license,
                keywords=tuple(block.keywords),
                fields=tuple(one for one in fields if one),
                masks=tuple(masks),
                record_tags=block.record_tags,
                group=block.group,
                style=style,
            )
        except InvalidInput as error:
            self._wrong(f"{where}.{error.parameter}", error.reason)
            return None
        except NotFound as error:
            self._wrong(where, f"its masks or style name {error.key!r}, which is not a field")
            return None
        instances = {key: one.instance for key, one in block.fields.items() if one.instance}
        return CollectionRule(draft=draft, instances=instances)

    def _field(self, where: str, name: str, block: FieldBlock) -> Field | None:
        if block.expression is not None:
            try:
                expression = Expression(block.expression)
            except InvalidInput as error:
                self._wrong(f"{where}.expression", error.reason)
                return None
            return ComputedField(
                name=name,
                expression=expression,
                unit=block.unit or "",
                description=block.description or "",
                minimum=block.minimum,
                maximum=block.maximum,
            )
        variable = self._instance(f"{where}.instance", block.instance or "")
        if variable is None:
            return None
        band = block.band or (variable.bands[0] if len(variable.bands) == 1 else "")
        if band not in variable.bands:
            self._wrong(f"{where}.band", f"{band!r} is not one of {', '.join(variable.bands)}")
            return None
        return StoredField(
            name=name,
            instance_id=0,
            band=variable.bands.index(band),
            format=variable.format,
            unit=variable.unit if block.unit is None else block.unit,
            description=variable.description if block.description is None else block.description,
            resampling=variable.resampling,
        )

    def _instance(self, where: str, key: str) -> Variable | None:
        """The variable of `variable/instance`."""
        name, _, instance = key.partition("/")
        if not self._is_name(instance, where, "must be written variable/instance"):
            return None
        if name not in self._variables:
            self._wrong(where, f"no variable {name!r}; there are {', '.join(map(str, self._variables)) or 'none'}")
        return self._variables.get(name)

    def _is_name(self, name: Any, where: str, reason: str = "must be letters, digits and _ . ~ -") -> bool:
        try:
            _NAME.validate_python(name, strict=True)
        except ValidationError:
            self._wrong(where, f"{reason}, got {name!r}")
            return False
        return True

    def _block[B: BaseModel](self, kind: type[B], value: Any, where: str) -> B | None:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                place = ".".join([where, *(str(part) for part in one["loc"] if part != "[key]")])
                self._wrong(place, one["msg"].removeprefix("Value error, "))
        return None

    def _wrong(self, where: str, reason: str) -> None:
        self.mistakes.append((where, reason))
