"""Grids: where pixels lie on the ground.

A grid is north-up: rows go down along y, columns right along x, cell (row 0, col 0) touches the origin corner.
Coordinates are always (x, y) = (east, north) or (longitude, latitude) inside; the axis order of a CRS is dealt with
once, where a request is parsed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from affine import Affine
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError, ProjError

from prismcube.errors import InvalidInput

ALIGNED_PX = 1e-6
"""Two grids are aligned when their origins differ by a whole number of pixels, to this fraction of a pixel."""

CRS84 = "OGC:CRS84"

DEGREES = (CRS84, "EPSG:4326")
"""The CRSs of clients that count in degrees; a box in them may lie across the date line, its west beyond its east."""

FARTHEST = 1e9
"""Coordinates beyond are no place: projections give such numbers near a point they can't show (the other pole)."""


@lru_cache(maxsize=512)
def parse_crs(text: str) -> CRS:
    """A CRS from an authority code, a URN, an OGC URI, PROJ or WKT text.

    Raises InvalidInput when it is not one, or has no horizontal axes.
    """
    try:
        crs = CRS.from_user_input(text)
    except CRSError as error:
        raise InvalidInput("crs", f"{text[:80]!r} is not a coordinate reference system") from error
    if len(crs.axis_info) < 2:
        raise InvalidInput("crs", f"{text[:80]!r} has no horizontal axes")
    return crs


@lru_cache(maxsize=512)
def crs_name(text: str) -> str:
    """The shortest text that stands for the same CRS: its authority code where it has one, else WKT."""
    authority = parse_crs(text).to_authority(min_confidence=100)
    return ":".join(authority) if authority else parse_crs(text).to_wkt()


def is_flat(text: str) -> bool:
    """True for the CRS of a map, or of longitudes and latitudes: two axes, so that there are no heights.

    Raises InvalidInput when the text is no CRS.
    """
    crs = parse_crs(text)
    return len(crs.axis_info) == 2 and (crs.is_projected or crs.is_geographic)


def flattened(text: str) -> str:
    """The `crs_name` of a CRS without its heights: where pixels lie they have no part in. Raises InvalidInput."""
    crs = parse_crs(text)
    if crs.is_geocentric:
        raise InvalidInput("crs", f"{crs_name(text)[:80]!r} is geocentric: a grid of pixels has no place in it")
    return crs_name(text if len(crs.axis_info) == 2 else crs.to_2d().to_wkt())


def crs_uri(text: str) -> str:
    """The OGC URI of a CRS with an authority code (OGC 09-048r3), else its WKT."""
    name = crs_name(text)
    if name == CRS84:
        return "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    authority, _, code = name.partition(":")
    return f"http://www.opengis.net/def/crs/{authority}/0/{code}" if code.isalnum() else name


def is_north_first(text: str) -> bool:
    """True when the CRS's own definition puts the northing or latitude first (EPSG:4326, EPSG:3035, ...)."""
    first, second = parse_crs(text).axis_info[:2]
    upright = ("north", "south")
    if first.direction.lower() in upright and second.direction.lower() in upright:
        return first.name.lower().startswith("north")  # around a pole every axis points north or south
    return first.direction.lower() in upright


def turns(crs: str) -> tuple[float, ...]:
    """By how much x may be shifted and mean the same place: whole turns of a geographic CRS, the nearest first."""
    if not parse_crs(crs).is_geographic:
        return (0.0,)
    full = 2 * math.pi / parse_crs(crs).axis_info[0].unit_conversion_factor
    return 0.0, full, -full


@lru_cache(maxsize=512)
def transformer(source: str, target: str) -> Transformer:
    """A cached transformer in (x, y) order on both sides."""
    return Transformer.from_crs(parse_crs(source), parse_crs(target), always_xy=True)


def ground_metres(crs: str, x: float, y: float) -> tuple[float, float]:
    """How many metres on the ground a unit of the CRS is at a place, along x and along y.

    Raises InvalidInput for a place that the CRS does not have.
    """
    geographic = parse_crs(crs).is_geographic
    step = 1e-4 if geographic else 10.0  # of the order of ten metres
    to_degrees = transformer(crs, CRS84)
    try:
        lon, lat = to_degrees.transform([x - step, x + step, x, x], [y, y, y - step, y + step], errcheck=True)
    except ProjError as error:
        raise InvalidInput("bbox", f"({x:g}, {y:g}) is no place of {crs_name(crs)}") from error
    _, _, (along_x, along_y) = Geod(ellps="WGS84").inv(lon[::2], lat[::2], lon[1::2], lat[1::2])
    if not (along_x > 0 and along_y > 0):  # a pole in degrees
        raise InvalidInput("bbox", f"a scale has no meaning at ({x:g}, {y:g}) of {crs_name(crs)}")
    return along_x / (2 * step), along_y / (2 * step)


@dataclass(frozen=True)
class Bounds:
    """A box `[west, east] x [south, north]` in the units of some CRS; x/y order."""

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in self.as_tuple()):
            raise InvalidInput("bbox", "coordinates must be finite numbers")
        if self.west > self.east or self.south > self.north:
            raise InvalidInput("bbox", f"lower corner must not exceed the upper one, got {self.as_tuple()}")

    @classmethod
    def across(cls, west: float, south: float, east: float, north: float) -> Bounds:
        """From the west to the east across the date line, in degrees: the east is a turn further (RFC 7946, 5.2)."""
        return cls(west, south, east + 360, north)

    def as_tuple(self) -> tuple[float, float, float, float]:
        """(west, south, east, north)"""
        return self.west, self.south, self.east, self.north

    def in_axis_order(self, crs: str) -> tuple[float, float, float, float]:
        """Lower, then upper corner, as the definition of `crs` orders its axes; what standards put on the wire."""
        west, south, east, north = self.as_tuple()
        return (south, west, north, east) if is_north_first(crs) else (west, south, east, north)

    def intersection(self, other: Bounds) -> Bounds | None:
        """The common part; None when it has no area."""
        west, south = max(self.west, other.west), max(self.south, other.south)
        east, north = min(self.east, other.east), min(self.north, other.north)
        return Bounds(west, south, east, north) if west < east and south < north else None

    def contains(self, other: Bounds) -> bool:
        """True when no point of the other box lies beyond this one."""
        return (
            self.west <= other.west
            and self.south <= other.south
            and self.east >= other.east
            and self.north >= other.north
        )

    def moved(self, east: float) -> Bounds:
        """The box so much further east."""
        return Bounds(self.west + east, self.south, self.east + east, self.north)

    def union(self, other: Bounds) -> Bounds:
        return Bounds(
            min(self.west, other.west),
            min(self.south, other.south),
            max(self.east, other.east),
            max(self.north, other.north),
        )

    def to_crs(self, source: str, target: str, *, points: int = 21) -> Bounds:
        """The box around this box in another CRS, its edges densified by so many points a side.

        Longitudes of a box across the date line are counted on beyond it: 179 to 181.

        Raises InvalidInput when the box can't be expressed there.
        """
        if parse_crs(source) == parse_crs(target):
            return self
        try:
            west, south, east, north = transformer(source, target).transform_bounds(
                *self.as_tuple(), densify_pts=points
            )
            # PROJ tells a box across the date line by a west that is greater than the east.
            moved = Bounds(west, south, east + max(turns(target)) if west > east else east, north)
        except (ProjError, InvalidInput):
            moved = None
        if moved is None or max(map(abs, moved.as_tuple())) > FARTHEST:
            raise InvalidInput("bbox", f"{self.as_tuple()} of {crs_name(source)} has no place in {crs_name(target)}")
        return moved


@dataclass(frozen=True)
class Grid:
    """A north-up raster of square-cornered pixels: CRS, transform and shape, kept together.

    Invariant: pixel (row, col) covers `[x0 + col*dx, x0 + (col+1)*dx) x (y0 - (row+1)*dy, y0 - row*dy]`.
    """

    crs: str
    """Authority code or WKT, see `crs_name`."""
    transform: Affine
    """Pixel (col, row) to CRS (x, y) of its upper left corner; no rotation, rows go down."""
    height: int
    """Rows."""
    width: int
    """Columns."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InvalidInput("size", f"width and height must be positive, got {self.width} x {self.height}")
        t = self.transform
        if t.b != 0 or t.d != 0 or t.a <= 0 or t.e >= 0:
            raise InvalidInput("transform", f"must be north-up without rotation, got {tuple(t)[:6]}")

    @classmethod
    def from_bounds(cls, crs: str, bounds: Bounds, *, width: int, height: int) -> Grid:
        """The grid of `width` x `height` pixels that fills `bounds` exactly."""
        if bounds.west == bounds.east or bounds.south == bounds.north:
            raise InvalidInput("bbox", "the area is empty")
        if width < 1 or height < 1:
            raise InvalidInput("size", f"width and height must be positive, got {width} x {height}")
        dx, dy = (bounds.east - bounds.west) / width, (bounds.north - bounds.south) / height
        return cls(crs, Affine(dx, 0, bounds.west, 0, -dy, bounds.north), height, width)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)"""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def resolution(self) -> tuple[float, float]:
        """Pixel size (dx, dy) in CRS units, both positive."""
        return self.transform.a, -self.transform.e

    @cached_property
    def bounds(self) -> Bounds:
        west, north = self.transform @ (0, 0)
        east, south = self.transform @ (self.width, self.height)
        return Bounds(west, south, east, north)

    def xs(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """x of the pixel centres, shape (width,)."""
        return np.asarray(self.transform.c + (np.arange(self.width) + 0.5) * self.transform.a, dtype=np.float64)

    def ys(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """y of the pixel centres, north to south, shape (height,)."""
        return np.asarray(self.transform.f + (np.arange(self.height) + 0.5) * self.transform.e, dtype=np.float64)

    def window(self, bounds: Bounds) -> Grid:
        """The part of this grid's lattice that covers `bounds`: whole pixels, also beyond this grid's own edge.

        A bound within `ALIGNED_PX` of a pixel edge counts as on it.
        """
        dx, dy = self.resolution
        col0 = math.floor((bounds.west - self.transform.c) / dx + ALIGNED_PX)
        col1 = math.ceil((bounds.east - self.transform.c) / dx - ALIGNED_PX)
        row0 = math.floor((self.transform.f - bounds.north) / dy + ALIGNED_PX)
        row1 = math.ceil((self.transform.f - bounds.south) / dy - ALIGNED_PX)
        return self.shifted(row0, col0, height=max(1, row1 - row0), width=max(1, col1 - col0))

    def shifted(self, row: int, col: int, *, height: int, width: int) -> Grid:
        """The grid of the same lattice whose first pixel is this grid's (row, col)."""
        return Grid(self.crs, self.transform @ Affine.translation(col, row), height, width)

    def moved(self, east: float) -> Grid:
        """The grid so much further east."""
        return Grid(self.crs, Affine.translation(east, 0) @ self.transform, self.height, self.width)

    def pixel_offset(self, other: Grid) -> tuple[int, int] | None:
        """(row, col) of `other`'s first pixel in this grid when both share CRS, pixel size and lattice; else None."""
        if parse_crs(self.crs) != parse_crs(other.crs):
            return None
        (dx, dy), (ox, oy) = self.resolution, other.resolution
        # The sizes may differ by so little that they still agree to ALIGNED_PX at the far edge.
        if abs(dx - ox) * other.width > ALIGNED_PX * dx or abs(dy - oy) * other.height > ALIGNED_PX * dy:
            return None
        col = (other.transform.c - self.transform.c) / dx
        row = (self.transform.f - other.transform.f) / dy
        if abs(col - round(col)) > ALIGNED_PX or abs(row - round(row)) > ALIGNED_PX:
            return None
        return round(row), round(col)

    def to_json(self) -> dict[str, Any]:
        return {
            "crs": crs_name(self.crs),
            "transform": list(self.transform)[:6],
            "width": self.width,
            "height": self.height,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Grid:
        return cls(document["crs"], Affine(*document["transform"]), int(document["height"]), int(document["width"]))
