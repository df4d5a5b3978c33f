"""Tile matrix sets: how a CRS is cut into tiles, level by level (OGC 17-083r4).

standard_sets()      those that come with the server, by id
TileMatrixSet        one of them, or of a document of one's own
TileMatrix           one level: where its tiles lie, and which of them touch a box
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import morecantile
from morecantile.errors import DeprecationError
from pydantic import ValidationError
from pyproj.exceptions import CRSError

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_slug
from prismcube.model.grid import Bounds, Grid, crs_name, crs_uri, is_north_first, parse_crs

WEB_MERCATOR = "WebMercatorQuad"
LARGEST_TILE = 4096
"""Pixels a side of a tile may have."""

TOUCHING_PX = 1e-3
"""A box reaches into a tile when it does so by more than this fraction of a pixel."""


@dataclass(frozen=True)
class TileLimits:
    """A range of tiles of one matrix, both ends included."""

    first_row: int
    last_row: int
    first_col: int
    last_col: int

    def holds(self, row: int, col: int) -> bool:
        return self.first_row <= row <= self.last_row and self.first_col <= col <= self.last_col


@dataclass(frozen=True, kw_only=True)
class TileMatrix:
    """One level: tiles of the same size side by side, counted from a corner; columns go east."""

    id: str
    """A whole number."""
    scale_denominator: float
    cell_size: float
    """Of a square pixel, in units of the CRS."""
    west: float
    origin_y: float
    """The northern edge, or the southern one of a matrix that counts its rows from below."""
    from_below: bool
    """True: row 0 is the southernmost (`cornerOfOrigin` is `bottomLeft`)."""
    tile_width: int
    """In pixels, as `tile_height`."""
    tile_height: int
    width: int
    """In tiles, as `height`."""
    height: int

    @property
    def north(self) -> float:
        return self.origin_y + self.height * self.tile_height * self.cell_size if self.from_below else self.origin_y

    @property
    def bounds(self) -> Bounds:
        """Of all its tiles."""
        east = self.west + self.width * self.tile_width * self.cell_size
        return Bounds(self.west, self.north - self.height * self.tile_height * self.cell_size, east, self.north)

    @property
    def limits(self) -> TileLimits:
        """Of all its tiles."""
        return TileLimits(0, self.height - 1, 0, self.width - 1)

    def grid(self, crs: str, row: int, col: int) -> Grid:
        """The pixels of a tile of this matrix."""
        dx, dy = self.tile_width * self.cell_size, self.tile_height * self.cell_size
        north = self.origin_y + (row + 1) * dy if self.from_below else self.origin_y - row * dy
        west = self.west + col * dx
        bounds = Bounds(west, north - dy, west + dx, north)
        return Grid.from_bounds(crs, bounds, width=self.tile_width, height=self.tile_height)

    def touching(self, box: Bounds) -> TileLimits | None:
        """The tiles that a box reaches into; None when it lies beside all of them."""
        common = self.bounds.intersection(box)
        if common is None:
            return None
        dx, dy = self.tile_width * self.cell_size, self.tile_height * self.cell_size
        slack_x, slack_y = TOUCHING_PX / self.tile_width, TOUCHING_PX / self.tile_height
        first_col, last_col = _span((common.west - self.west) / dx, (common.east - self.west) / dx, slack_x)
        if self.from_below:
            low, high = (common.south - self.origin_y) / dy, (common.north - self.origin_y) / dy
        else:
            low, high = (self.origin_y - common.north) / dy, (self.origin_y - common.south) / dy
        first_row, last_row = _span(low, high, slack_y)
        return TileLimits(
            min(first_row, self.height - 1),
            min(last_row, self.height - 1),
            min(first_col, self.width - 1),
            min(last_col, self.width - 1),
        )


def _span(low: float, high: float, slack: float) -> tuple[int, int]:
    first = max(0, math.floor(low + slack))
    return first, max(first, math.ceil(high - slack) - 1)


@dataclass(frozen=True, kw_only=True)
class TileMatrixSet:
    """A CRS and its tile matrices."""

    id: str
    title: str
    crs: str
    """See `Grid.crs`."""
    north_first: bool
    """True: positions in its documents have northing or latitude first."""
    uri: str | None
    """Under which the set is registered; None for one of one's own."""
    matrices: Mapping[str, TileMatrix]
    """By id, the coarsest first."""
    document: Mapping[str, Any]
    """As the standard's JSON."""

    @property
    def crs_uri(self) -> str:
        return crs_uri(self.crs)

    def in_axis_order(self, x: float, y: float) -> tuple[float, float]:
        """A position as the set's documents write it."""
        return (y, x) if self.north_first else (x, y)

    @classmethod
    def from_json(cls, document: object) -> TileMatrixSet:
        """From a document of version 2.0 of the standard.

        Levels must have whole numbers for ids. Raises InvalidInput for a document that is none, and for what we don't
        draw: rows of fewer tiles (`variableMatrixWidths`), tiles of more than `LARGEST_TILE` pixels a side.
        """
        try:
            known = morecantile.TileMatrixSet.model_validate(document)
        except DeprecationError as error:
            raise InvalidInput("tileMatrixSet", "is of version 1 of the standard; write it as version 2.0") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(".".join(map(str, first["loc"])) or "tileMatrixSet", first["msg"]) from error
        except CRSError as error:
            raise InvalidInput("crs", "is not a coordinate reference system") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput("tileMatrixSet", f"is not one: {str(error)[:200]}") from error
        return _from_morecantile(known)


def _from_morecantile(known: morecantile.TileMatrixSet) -> TileMatrixSet:
    check_slug("id", known.id)
    crs = crs_name(known.crs.to_wkt())
    parsed = parse_crs(crs)
    if len(parsed.axis_info) != 2 or not (parsed.is_projected or parsed.is_geographic):
        raise InvalidInput("crs", "must have two dimensions")
    first_axis = known.orderedAxes[0].upper() if known.orderedAxes else ""
    north_first = first_axis in ("Y", "N", "LAT", "LATITUDE", "NORTHING") if first_axis else is_north_first(crs)
    document = known.model_dump(mode="json", exclude_none=True)
    # One set of morecantile's goes by the address of another, whose axes have another order.
    uri = known.uri if known.uri and known.uri.rpartition("/")[2] == known.id else None
    if uri is None:
        document.pop("uri", None)
    matrices = {one.id: _matrix(one, north_first=north_first) for one in known.tileMatrices}
    if len(matrices) != len(known.tileMatrices):
        raise InvalidInput("tileMatrices", "ids must be distinct")
    return TileMatrixSet(
        id=str(known.id),
        title=known.title or str(known.id),
        crs=crs,
        north_first=north_first,
        uri=uri,
        matrices=MappingProxyType(matrices),
        document=MappingProxyType(document),
    )


def _matrix(one: morecantile.models.TileMatrix, *, north_first: bool) -> TileMatrix:
    where = f"tileMatrices.{one.id}"
    if one.variableMatrixWidths:
        raise InvalidInput(f"{where}.variableMatrixWidths", "rows of fewer, wider tiles are not supported")
    if max(one.tileWidth, one.tileHeight) > LARGEST_TILE:
        raise InvalidInput(where, f"tiles have at most {LARGEST_TILE} pixels a side")
    for name in ("cellSize", "scaleDenominator"):
        if not (math.isfinite(getattr(one, name)) and getattr(one, name) > 0):
            raise InvalidInput(f"{where}.{name}", "must be positive")
    x, y = reversed(one.pointOfOrigin) if north_first else one.pointOfOrigin
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InvalidInput(f"{where}.pointOfOrigin", "must be finite numbers")
    return TileMatrix(
        id=one.id,
        scale_denominator=one.scaleDenominator,
        cell_size=one.cellSize,
        west=x,
        origin_y=y,
        from_below=one.cornerOfOrigin == "bottomLeft",
        tile_width=one.tileWidth,
        tile_height=one.tileHeight,
        width=one.matrixWidth,
        height=one.matrixHeight,
    )


@cache
def standard_sets() -> Mapping[str, TileMatrixSet]:
    """The sets that come with the server, by id; without those whose rows have fewer tiles towards the poles."""
    known = (morecantile.tms.get(name) for name in sorted(morecantile.tms.list()))
    return MappingProxyType({str(one.id): _from_morecantile(one) for one in known if not one.is_variable})
