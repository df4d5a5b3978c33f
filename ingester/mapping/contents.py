"""The `files` and `items` of a mapping, checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from ingester.mapping.checks import Checks
from ingester.mapping.documents import (
    AssetBlock,
    DatasetBlock,
    FileBlock,
    FileOfManyBlock,
    ItemBlock,
    RecordBlock,
    StackBlock,
)
from ingester.mapping.rules import AssetRule, Content, DatasetRule, FileRule, HoldingRule, ItemRule, StackRule
from prismcube.errors import InvalidInput
from prismcube.model.entities import Variable
from prismcube.model.formats import ValueMapping

ITEM_VALUES = ("id", "datetime", "start", "end", "collection", "asset")
"""What every item says of itself; templates may use it besides its properties."""


def check_file(checks: Checks, where: str, value: Any) -> FileRule | None:
    """A block of `files`; None when it has a mistake."""
    many = isinstance(value, dict) and "records" in value
    block: Any = checks.block(FileOfManyBlock if many else FileBlock, value, where)
    if block is None:
        return None
    before = len(checks.mistakes)
    pattern = checks.pattern(f"{where}.pattern", block.pattern)
    groups = list(pattern.groupindex) if pattern else None
    stack = None if many else _stack(checks, f"{where}.stack", block.stack)
    if stack and groups is not None:
        groups += stack.pattern.groupindex
    records = [(f"{where}.records.{i}", one) for i, one in enumerate(block.records)] if many else [(where, block)]
    holdings = tuple(_holding(checks, place, one, groups, subdir=block.subdir) for place, one in records)
    _check_owners(checks, f"{where}.records" if many else f"{where}.datasets", holdings, stack)
    if pattern is None or len(checks.mistakes) > before:
        return None
    return FileRule(pattern=pattern, content=Content(holdings=holdings, stack=stack))


def check_item(checks: Checks, where: str, value: Any) -> ItemRule | None:
    """A block of `items`; None when it has a mistake."""
    block = checks.block(ItemBlock, value, where)
    if block is None:
        return None
    before = len(checks.mistakes)
    collection = checks.pattern(f"{where}.collection", block.collection) if block.collection else None
    assets = [_asset(checks, where, f"{where}.assets.{i}", block, one) for i, one in enumerate(block.assets)]
    if len(checks.mistakes) > before:
        checks.mistakes[before:] = dict.fromkeys(checks.mistakes[before:])  # each asset repeats what its item has wrong
        return None
    return ItemRule(collection=collection, assets=tuple(one for one in assets if one))


def _asset(checks: Checks, where: str, place: str, item: ItemBlock, block: AssetBlock) -> AssetRule | None:
    key = checks.pattern(f"{place}.key", block.key)
    groups = [*ITEM_VALUES, *key.groupindex] if key else None
    stack = _stack(checks, f"{place}.stack", block.stack)
    if stack and groups is not None:
        groups += stack.pattern.groupindex
    if groups is not None:
        _check_record(checks, where, item, groups, properties=True)
    datasets = _datasets(checks, place, block.datasets, groups, subdir=block.subdir, properties=True)
    holding = HoldingRule(record=item.record, time=item.time, tags=item.tags, datasets=datasets, optional_tags=True)
    _check_owners(checks, f"{place}.datasets", (holding,), stack)
    return AssetRule(key=key, content=Content(holdings=(holding,), stack=stack)) if key else None


def _holding(
    checks: Checks, where: str, block: RecordBlock, groups: Sequence[str] | None, *, subdir: str
) -> HoldingRule:
    if groups is not None:
        _check_record(checks, where, block, groups)
    datasets = _datasets(checks, where, block.datasets, groups, subdir=subdir)
    return HoldingRule(record=block.record, time=block.time, tags=block.tags, datasets=datasets)


def _check_record(
    checks: Checks, where: str, block: RecordBlock | ItemBlock, groups: Sequence[str], *, properties: bool = False
) -> None:
    checks.template(f"{where}.record", block.record, groups, properties=properties)
    checks.template(f"{where}.time", block.time, groups, properties=properties)
    for key, text in block.tags.items():
        checks.template(f"{where}.tags.{key}", text, groups, properties=properties)
    checks.time(f"{where}.time", block.time)


def _check_owners(checks: Checks, where: str, holdings: Sequence[HoldingRule], stack: StackRule | None) -> None:
    """A band of a file belongs to one instance of one record; of a stack, it lies within its date."""
    used = Counter((one.subdir, band) for holding in holdings for one in holding.datasets for band in one.bands)
    for (_, band), times in sorted(used.items()):
        if times > 1:
            checks.wrong(where, f"band {band} is used twice; it can belong to one instance only")
        if stack and band > stack.size:
            checks.wrong(where, f"band {band} is beyond the {stack.size} band(s) of a date, see stack.bands")


def _datasets(
    checks: Checks,
    where: str,
    blocks: Sequence[DatasetBlock],
    groups: Sequence[str] | None,
    *,
    subdir: str,
    properties: bool = False,
) -> tuple[DatasetRule, ...]:
    """The rules that have no mistake."""
    if groups is not None:
        checks.template(f"{where}.subdir", subdir, groups, properties=properties)
    rules = []
    for number, block in enumerate(blocks):
        place = f"{where}.datasets.{number}"
        if groups is not None and block.subdir is not None:
            checks.template(f"{place}.subdir", block.subdir, groups, properties=properties)
        rules.append(_dataset(checks, place, block, subdir=subdir))
    return tuple(rule for rule in rules if rule)


def _dataset(checks: Checks, where: str, block: DatasetBlock, *, subdir: str) -> DatasetRule | None:
    before = len(checks.mistakes)
    variable = checks.instance(f"{where}.instance", block.instance)
    if variable and len(block.bands) != len(variable.bands):
        names = ", ".join(variable.bands)
        checks.wrong(f"{where}.bands", f"{len(block.bands)} given, but {variable.name} has {names}")
    mapping = ValueMapping()
    try:
        if block.mapping:
            mapping = ValueMapping(**block.mapping.model_dump())
    except InvalidInput as error:
        checks.wrong(f"{where}.mapping.{error.parameter}", error.reason)
    if variable and not mapping.is_identity:
        _check_range(checks, f"{where}.mapping", mapping, variable)
    if variable is None or len(checks.mistakes) > before:
        return None
    return DatasetRule(
        variable=variable.name,
        instance=block.instance.partition("/")[2],
        bands=tuple(block.bands),
        mapping=mapping,
        nodata=block.nodata,
        overrides_nodata="nodata" in block.model_fields_set,
        subdir=subdir if block.subdir is None else block.subdir,
    )


def _check_range(checks: Checks, where: str, mapping: ValueMapping, variable: Variable) -> None:
    low, high = variable.format.minimum, variable.format.maximum
    if (high is not None and mapping.emin > high) or (low is not None and mapping.emax < low):
        reason = f"gives {mapping.emin} to {mapping.emax}, but {variable.name} expects {low} to {high}"
        checks.wrong(where, reason)


def _stack(checks: Checks, where: str, block: StackBlock | None) -> StackRule | None:
    if block is None:
        return None
    pattern = checks.pattern(f"{where}.pattern", block.pattern)
    names = None if isinstance(block.dates, str) else tuple(_text(one) for one in block.dates)
    for name in names or ():
        if pattern and not pattern.fullmatch(name):
            checks.wrong(f"{where}.dates", f"{name!r} does not match the pattern {block.pattern!r}")
    for name in sorted({name for name in names or () if (names or ()).count(name) > 1}):
        checks.wrong(f"{where}.dates", f"{name!r} is there twice")
    if pattern is None:
        return None
    dimension = block.dimension if block.dates == "times" else ""
    return StackRule(size=block.bands, pattern=pattern, names=names, dimension=dimension)


def _text(one: datetime | date | str) -> str:
    """A date as it is written: YAML turns what looks like one into an object."""
    return one if isinstance(one, str) else one.isoformat()
