"""Lines on a grid: cut to the data, moved into their CRS, followed pixel by pixel. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiLineString
from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.grid import Bounds, Grid, turns
from prismcube.model.shapes import to_native

Segments = npt.NDArray[np.float64]
"""Straight pieces of a line in their order: (pieces, begin and end, x and y)."""


def segments_of(line: BaseGeometry) -> Segments:
    """The pieces between neighbouring vertices of a line, or of each line of several."""
    pieces = [
        np.stack([points[:-1], points[1:]], axis=1) for points in map(shapely.get_coordinates, shapely.get_parts(line))
    ]
    return np.concatenate(pieces)


def near_data(segments: Segments, crs: str, native: Grid, *, margin: float = 0.0) -> Segments:
    """The parts of segments near the data, in their order: what is far away may have no place in the native CRS.

    `margin` is in units of `crs`, beside a tenth of the data's own size.
    """
    try:
        box = native.bounds.to_crs(native.crs, crs)
    except InvalidInput:  # the data lie around a pole: no such box
        return segments
    margin += 0.1 * max(box.east - box.west, box.north - box.south)
    parts: list[tuple[int, float, Segments]] = []
    for turn in turns(crs):  # data with longitudes of 0 to 360 lie partly a turn away
        wide = Bounds(box.west - turn - margin, box.south - margin, box.east - turn + margin, box.north + margin)
        begin, end = _clip(segments, wide)
        for at in np.flatnonzero(begin <= end):
            start, step = segments[at, 0], segments[at, 1] - segments[at, 0]
            piece = np.stack([start + begin[at] * step, start + end[at] * step])
            parts.append((int(at), float(begin[at]), piece))
    ordered = [piece for _, _, piece in sorted(parts, key=lambda part: part[:2])]
    return np.array(ordered, dtype=np.float64).reshape(-1, 2, 2)


def _clip(segments: Segments, box: Bounds) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where each segment enters and leaves the box, as fractions of its length; enters after it leaves: beside it."""
    start, step = segments[:, 0], segments[:, 1] - segments[:, 0]
    low, high = np.array([box.west, box.south]), np.array([box.east, box.north])
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (low - start) / step, (high - start) / step
    inside = (start >= low) & (start <= high)
    still = step == 0
    first = np.where(still, np.where(inside, -np.inf, np.inf), first)
    second = np.where(still, np.where(inside, np.inf, -np.inf), second)
    begin = np.where(still, first, np.minimum(first, second)).max(axis=1)
    end = np.where(still, second, np.maximum(first, second)).min(axis=1)
    return np.maximum(begin, 0.0), np.minimum(end, 1.0)


def segments_to_native(segments: Segments, crs: str, native: Grid) -> Segments:
    """Segments, straight in `crs`, in the collection's CRS, with points put in where they bend.

    Raises InvalidInput when they have no place there.
    """
    return segments_of(to_native(MultiLineString([*segments]), crs, native))


class Crossed(NamedTuple):
    """The pixels that a line crosses, in its order; the first of them again when it comes back."""

    rows: npt.NDArray[np.intp]
    cols: npt.NDArray[np.intp]
    x: npt.NDArray[np.float64]
    """The middle of the line's way through the pixel, or the first part of that way where it bends."""
    y: npt.NDArray[np.float64]


def pixels_crossed(segments: Segments, grid: Grid) -> Crossed:
    """The grid's pixels that segments in its own CRS cross; what lies beside the grid is left out."""
    begin, end = _in_pixels(segments[:, 0], grid), _in_pixels(segments[:, 1], grid)
    middles = [_middles(a, b) for a, b in zip(begin, end, strict=True)]
    points = np.concatenate(middles) if middles else np.empty((0, 2))
    if turn := turns(grid.crs)[1:]:  # a file may count its longitudes from 0 to 360
        width = turn[0] / grid.resolution[0]
        points[:, 0] -= np.floor(points[:, 0] / width) * width
    cells = np.floor(points).astype(np.intp)
    inside = ((cells >= 0) & (cells < [grid.width, grid.height])).all(axis=1)
    points, cells = points[inside], cells[inside]
    new = np.ones(len(cells), dtype=bool)
    new[1:] = (cells[1:] != cells[:-1]).any(axis=1)
    points, cells = points[new], cells[new]
    x = grid.transform.c + points[:, 0] * grid.transform.a
    y = grid.transform.f + points[:, 1] * grid.transform.e
    return Crossed(cells[:, 1], cells[:, 0], x, y)


def count_crossings(segments: Segments, grid: Grid) -> int:
    """At most how many pixels the segments cross; asked before they are followed."""
    extent = np.array([grid.width, grid.height], dtype=np.float64)
    begin, end = (np.clip(_in_pixels(segments[:, at], grid), -1, extent + 1) for at in (0, 1))
    return int(np.abs(end - begin).sum()) + 2 * len(segments)


def _in_pixels(points: npt.NDArray[np.float64], grid: Grid) -> npt.NDArray[np.float64]:
    """(column, row) of points, with fractions."""
    return np.column_stack(
        [(points[:, 0] - grid.transform.c) / grid.transform.a, (points[:, 1] - grid.transform.f) / grid.transform.e]
    )


def _middles(begin: npt.NDArray[np.float64], end: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The middle of each part of a straight way between two lines of the lattice."""
    step = end - begin
    cuts = [np.array([0.0, 1.0])]
    for axis in (0, 1):
        if step[axis]:
            low, high = sorted((begin[axis], end[axis]))
            lattice = np.arange(np.ceil(low), np.floor(high) + 1)
            cuts.append((lattice - begin[axis]) / step[axis])
    places = np.unique(np.clip(np.concatenate(cuts), 0.0, 1.0))
    middles: npt.NDArray[np.float64] = begin + np.outer((places[1:] + places[:-1]) / 2, step)
    return middles
