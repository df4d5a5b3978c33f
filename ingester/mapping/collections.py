"""The `variables` and `collections` of a mapping, checked."""

from __future__ import annotations

from typing import Any

from ingester.mapping.checks import Checks
from ingester.mapping.documents import CollectionBlock, FieldBlock, VariableBlock
from ingester.mapping.rules import CollectionRule
from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Collection, ComputedField, Field, RGBStyle, StoredField
from prismcube.model.entities import Variable
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat
from prismcube.model.mask import MaskRule


def check_variable(checks: Checks, name: Any, value: Any) -> Variable | None:
    """A block of `variables`; None when it has a mistake."""
    where = f"variables.{name}"
    block = checks.block(VariableBlock, value, where)
    if not checks.is_name(name, where) or block is None:
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
        checks.wrong(f"{where}.{error.parameter.removeprefix('variable.')}", error.reason)
        return None


def check_collection(checks: Checks, name: Any, value: Any) -> CollectionRule | None:
    """A block of `collections`; None when it has a mistake."""
    where = f"collections.{name}"
    block = checks.block(CollectionBlock, value, where)
    if not checks.is_name(name, where) or block is None:
        return None
    before = len(checks.mistakes)
    fields = [_field(checks, f"{where}.fields.{key}", key, one) for key, one in block.fields.items()]
    masks = []
    for key, mask in block.masks.items():
        try:
            masks.append(MaskRule.parse(mask.rule, name=key, default_for=tuple(mask.default_for)))
        except InvalidInput as error:
            checks.wrong(f"{where}.masks.{key}.rule", error.reason)
    style = None
    try:
        if block.style:
            ranges = tuple((low, high) for low, high in block.style.ranges)
            style = RGBStyle(fields=tuple(block.style.fields), ranges=ranges)
    except InvalidInput as error:
        checks.wrong(f"{where}.style", error.reason)
    if len(checks.mistakes) > before:
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
        checks.wrong(f"{where}.{error.parameter}", error.reason)
        return None
    except NotFound as error:
        checks.wrong(where, f"its masks or style name {error.key!r}, which is not a field")
        return None
    instances = {key: one.instance for key, one in block.fields.items() if one.instance}
    return CollectionRule(draft=draft, instances=instances)


def _field(checks: Checks, where: str, name: str, block: FieldBlock) -> Field | None:
    if block.expression is not None:
        try:
            expression = Expression(block.expression)
        except InvalidInput as error:
            checks.wrong(f"{where}.expression", error.reason)
            return None
        return ComputedField(
            name=name,
            expression=expression,
            unit=block.unit or "",
            description=block.description or "",
            minimum=block.minimum,
            maximum=block.maximum,
        )
    variable = checks.instance(f"{where}.instance", block.instance or "")
    if variable is None:
        return None
    band = block.band or (variable.bands[0] if len(variable.bands) == 1 else "")
    if band not in variable.bands:
        checks.wrong(f"{where}.band", f"{band!r} is not one of {', '.join(variable.bands)}")
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
