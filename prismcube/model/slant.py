"""Files whose pixels do not lie north-up: rotated, sheared, mirrored or upside down.

The catalogue holds such a file on the north-up grid around its pixels, and with it how they truly lie; GDAL reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from affine import Affine

from prismcube.errors import InvalidInput
from prismcube.model.grid import ALIGNED_PX, Grid


@dataclass(frozen=True)
class Slant:
    """How the pixels of a file lie that has no north-up grid of its own.

    Invariant: pixel (row, col) is the parallelogram of `transform` between (col, row) and (col + 1, row + 1).
    """

    transform: Affine
    """Pixel (col, row) to CRS (x, y) of that corner."""
    height: int
    """Rows of the file."""
    width: int
    """Columns of the file."""

    def __post_init__(self) -> None:
        t = self.transform
        if not all(map(math.isfinite, (*t[:6], t.determinant))) or t.determinant == 0:
            raise InvalidInput("transform", f"must give each pixel an area, got {tuple(t)[:6]}")
        if self.width < 1 or self.height < 1:
            raise InvalidInput("size", f"width and height must be positive, got {self.width} x {self.height}")

    @property
    def reason(self) -> str:
        """Why it is not read fast, in a few words."""
        return "its pixels are rotated" if self.transform.b or self.transform.d else "its pixels are upside down"

    def upright(self, crs: str) -> Grid:
        """The north-up grid from the north-western corner around all pixels.

        Its pixels are as wide and high as the file's are long along both axes: of a rotation, as large; of a file that
        is only mirrored or upside down, the very same. A side has no more of them than both sides of the file together.
        """
        t = self.transform
        corners = [t @ (col, row) for col in (0, self.width) for row in (0, self.height)]
        west, north = min(x for x, _ in corners), max(y for _, y in corners)
        east, south = max(x for x, _ in corners), min(y for _, y in corners)
        dx, dy = math.hypot(t.a, t.b), math.hypot(t.d, t.e)
        sides = (east - west) / dx, (north - south) / dy
        if not all(map(math.isfinite, (west, south, east, north, *sides))):
            raise InvalidInput("transform", f"puts pixels too far away, got {tuple(t)[:6]}")
        width, height = (math.ceil(side - ALIGNED_PX) for side in sides)
        return Grid(crs, Affine(dx, 0, west, 0, -dy, north), max(height, 1), max(width, 1))

    def along_own_axes(self, down: float, right: float) -> tuple[float, float]:
        """How many of the file's pixels, along its columns and its rows, `(down, right)` pixels of `upright` are."""
        t, back = self.transform, ~self.transform
        x, y = right * math.hypot(t.a, t.b), down * math.hypot(t.d, t.e)
        return math.hypot(back.d * x, back.e * y), math.hypot(back.a * x, back.b * y)

    def to_json(self) -> dict[str, Any]:
        return {"transform": list(self.transform)[:6], "width": self.width, "height": self.height}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Slant:
        return cls(Affine(*document["transform"]), int(document["height"]), int(document["width"]))
