"""What a caller wants from the engine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from prismcube.cube.mosaic import mosaic_rule
from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection
from prismcube.model.entities import RESAMPLINGS
from prismcube.model.grid import Grid
from prismcube.model.grouping import Group
from prismcube.model.mask import MaskRule


@dataclass(frozen=True, kw_only=True)
class CubeRequest:
    """A cube: these fields, on this grid, one slice a group."""

    collection: Collection
    fields: tuple[str, ...]
    """Output fields, in the order wanted."""
    grid: Grid
    groups: tuple[Group, ...]
    """Time steps, in the order wanted."""
    mosaic: str = "last"
    """A name in `prismcube.cube.mosaic.RULES`."""
    resampling: str | None = None
    """One of `RESAMPLINGS` for every field; None: each variable's own."""
    masks: Mapping[str, MaskRule] = field(default_factory=lambda: MappingProxyType({}))
    """The rule that masks a field; fields without one are handed out whole."""

    def __post_init__(self) -> None:
        if not self.fields or len(set(self.fields)) != len(self.fields):
            raise InvalidInput("properties", f"must name distinct fields, got {', '.join(self.fields) or 'none'}")
        if self.resampling is not None and self.resampling not in RESAMPLINGS:
            raise InvalidInput("resampling", f"{self.resampling[:40]!r} is not one of {', '.join(RESAMPLINGS)}")
        mosaic_rule(self.mosaic)
        for name in self.fields:
            self.collection.field(name)


def choose_masks(collection: Collection, fields: tuple[str, ...], mask: str | None) -> dict[str, MaskRule]:
    """The rule for each field: `mask` is None (each field's default), `none`, a rule's name, or a rule's text form.

    Raises InvalidInput("mask", ...).
    """
    if mask is None:
        chosen = {name: collection.default_mask(name) for name in fields}
        return {name: rule for name, rule in chosen.items() if rule}
    if mask == "none":
        return {}
    named = next((rule for rule in collection.masks if rule.name == mask), None)
    if named is None and ":" not in mask:
        known = ", ".join(["none", *(rule.name for rule in collection.masks)])
        raise InvalidInput("mask", f"{mask[:60]!r} is not one of {known}, nor a rule such as SCL:4-7")
    rule = named or MaskRule.parse(mask)
    if rule.field not in {one.name for one in collection.stored_fields}:
        raise InvalidInput("mask", f"{rule.field!r} is not a stored field of {collection.name}")
    return dict.fromkeys(fields, rule)
