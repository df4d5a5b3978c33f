"""Palettes: how the numbers from 0 to 1 become colours.

Below the palette stand the checks of stored documents that styles, layouts and consolidation settings share.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_number, check_slug, check_whole, elements, members

MAX_POINTS = 256
"""Of a palette: as many as a picture with a colour table has colours."""

MAX_COLOURS = 65_536
"""That a palette is asked for at once: one for each count of 16 bits."""


@dataclass(frozen=True, kw_only=True)
class ColourPoint:
    """A place on the scale and its colour."""

    value: float
    """0 to 1."""
    r: int
    """Red, 0 to 255."""
    g: int
    """Green, 0 to 255."""
    b: int
    """Blue, 0 to 255."""
    a: int = 255
    """Opacity, 0 (not seen) to 255; not multiplied into the colours."""

    def __post_init__(self) -> None:
        if not 0 <= check_number("value", self.value) <= 1:
            raise InvalidInput("value", f"must be 0 to 1, got {self.value}")
        for channel in "rgba":
            check_whole(channel, getattr(self, channel), least=0, most=255)

    @property
    def rgba(self) -> tuple[int, int, int, int]:
        return self.r, self.g, self.b, self.a

    def to_json(self) -> dict[str, Any]:
        return {"value": self.value, "r": self.r, "g": self.g, "b": self.b, "a": self.a}

    @classmethod
    def from_json(cls, document: object) -> ColourPoint:
        return cls(**members(document, "points", required={"value", "r", "g", "b"}, optional={"a"}))


@dataclass(frozen=True)
class Palette:
    """A named scale of colours, straight lines between its points. Semantics of Geocube's palettes."""

    name: str
    points: tuple[ColourPoint, ...]
    """By rising value, the first at 0 and the last at 1."""

    def __post_init__(self) -> None:
        check_slug("name", self.name)
        if not 2 <= len(self.points) <= MAX_POINTS:
            raise InvalidInput("points", f"must be 2 to {MAX_POINTS}, got {len(self.points)}")
        values = [point.value for point in self.points]
        if values[0] != 0 or values[-1] != 1:
            raise InvalidInput("points", f"must begin at 0 and end at 1, got {values[0]} to {values[-1]}")
        for before, after in pairwise(values):
            if not before < after:
                raise InvalidInput("points", f"values must rise, got {before} then {after}")

    def colours(self, n: int = 256) -> npt.NDArray[np.uint8]:
        """`n` colours at even steps from 0 to 1, both included; shape (n, 4): red, green, blue, opacity.

        Each channel is rounded to the nearest count, halves to even.
        """
        check_whole("n", n, least=2, most=MAX_COLOURS)
        at = np.linspace(0, 1, n)
        values = [point.value for point in self.points]
        channels = zip(*(point.rgba for point in self.points), strict=True)
        return np.rint(np.column_stack([np.interp(at, values, channel) for channel in channels])).astype(np.uint8)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "points": [point.to_json() for point in self.points]}

    @classmethod
    def from_json(cls, document: object) -> Palette:
        given = members(document, "palette", required={"name", "points"})
        return cls(given["name"], tuple(map(ColourPoint.from_json, elements("points", given["points"]))))


GREY = Palette("grey", (ColourPoint(value=0, r=0, g=0, b=0), ColourPoint(value=1, r=255, g=255, b=255)))
"""Black to white; always there, never stored."""
