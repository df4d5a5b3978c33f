"""Styles: named ways to draw the fields of a collection. What draws them comes after; here is what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_number, check_slug, elements, members
from prismcube.model.collection import RGBStyle
from prismcube.model.palette import GREY
from prismcube.model.text import check_text


class StyleKind(StrEnum):
    """How channels become colours."""

    RGB = "rgb"  # three channels are red, green and blue
    PALETTE = "palette"  # one channel goes through a palette


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A field and how its values are stretched to 0..1."""

    field: str
    """Of the collection."""
    low: float
    """The value that becomes 0, as all below it."""
    high: float
    """The value that becomes 1, as all above it."""
    gamma: float = 1.0
    """More than 1 brightens what lies between; 1 is a straight line."""

    def __post_init__(self) -> None:
        _check_field(self.field)
        if not check_number("low", self.low) < check_number("high", self.high):
            raise InvalidInput("low", f"must be less than high, got {self.low} >= {self.high}")
        if not check_number("gamma", self.gamma) > 0:
            raise InvalidInput("gamma", f"must be positive, got {self.gamma}")

    def unit(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """`clip((v - low) / (high - low), 0, 1) ** (1 / gamma)`, same shape as `values`."""
        straight = np.clip((values.astype(np.float64) - self.low) / (self.high - self.low), 0, 1)
        return straight if self.gamma == 1 else np.asarray(straight ** (1 / self.gamma), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        return {"field": self.field, "low": self.low, "high": self.high, "gamma": self.gamma}

    @classmethod
    def from_json(cls, document: object) -> Channel:
        return cls(**members(document, "channels", required={"field", "low", "high"}, optional={"gamma"}))


@dataclass(frozen=True, kw_only=True)
class Style:
    """A named way to draw a collection's fields."""

    name: str
    kind: StyleKind
    channels: tuple[Channel, ...]
    """Three for `rgb`, one for `palette`."""
    palette: str = ""
    """Name of the palette of the kind `palette`; `grey` is always there. Empty for `rgb`."""
    title: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        check_slug("name", self.name)
        for text in ("title", "description"):
            if not isinstance(getattr(self, text), str):
                raise InvalidInput(text, "must be text")
            check_text(text, getattr(self, text))
        if self.kind not in list(StyleKind):
            raise InvalidInput("kind", f"{str(self.kind)[:60]!r} is not one of {', '.join(StyleKind)}")
        object.__setattr__(self, "kind", StyleKind(self.kind))
        wanted = 3 if self.kind is StyleKind.RGB else 1
        if len(self.channels) != wanted:
            raise InvalidInput("channels", f"the kind {self.kind.value!r} has {wanted}, got {len(self.channels)}")
        if self.kind is StyleKind.PALETTE:
            check_slug("palette", self.palette)
        elif self.palette:
            raise InvalidInput("palette", f"the kind 'rgb' has none, got {str(self.palette)[:60]!r}")

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields it draws, in the order of its channels."""
        return tuple(channel.field for channel in self.channels)

    @classmethod
    def of(cls, name: str, default: RGBStyle) -> Style:
        """A collection's default picture as a named style."""
        channels = tuple(
            Channel(field=field, low=low, high=high)
            for field, (low, high) in zip(default.fields, default.ranges, strict=True)
        )
        if len(channels) == 1:
            return cls(name=name, kind=StyleKind.PALETTE, channels=channels, palette=GREY.name)
        return cls(name=name, kind=StyleKind.RGB, channels=channels)

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "kind": self.kind.value,
            "channels": [channel.to_json() for channel in self.channels],
        }
        return document | ({"palette": self.palette} if self.palette else {})

    @classmethod
    def from_json(cls, document: object) -> Style:
        given = members(
            document, "style", required={"name", "kind", "channels"}, optional={"palette", "title", "description"}
        )
        channels = tuple(map(Channel.from_json, elements("channels", given["channels"])))
        return cls(**given | {"channels": channels})


def _check_field(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidInput("field", f"{str(name)[:60]!r} must be letters, digits and _")
