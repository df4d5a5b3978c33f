"""Resampling, pixel by pixel, compiled: no interpreter, no lock of it, any number of threads.

Every kernel fills the pixels of `out` that are not `valid` yet from one window of one file, and leaves the others
alone: a mosaic whose top layer is warped first needs no more. What they have in common:

- `source`: (height, width) of the window, the type that is stored.
- `nodata`: of the file, of that type; `has_nodata` False: every number is valid. NaN never is.
- `x`, `y`: (points down, points right) where the control points of the mesh lie in the window, in pixels: 0 is the
  left edge of its first one. NaN: nowhere.
- `down`, `right`: (of the first pixel, from one pixel to the next) in cells of the mesh.
- `out`, `valid`: (height, width); `valid` is set to 1 where a pixel has been filled.
- `rounds`: numbers are rounded to the nearest whole one, halves upwards; never beyond the type, being means.
- `shunned`, `instead`: a result that would be `shunned` (nodata of the answer) becomes `instead`; NaN: none is.

They give back how many pixels they filled. Arithmetic is that of GDAL's warper (alg/gdalwarpkernel.cpp, 3.12:
GWKGeneralCase, GWKBilinearResample4Sample, GWKCubicResample4Sample, GWKResample, GWKAverageOrMode), so that both can be
compared count by count: a pixel is empty where the file's pixel that it falls on is, of the others only those
that are valid count, their weights scaled to 1.

All stand in one file: numba keeps what it has compiled until this very file changes, and each kernel holds the code of
those below it that it calls.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from prismcube.tiff.compiling import one_at_a_time

TYPES = ("uint8", "uint16", "int16", "float32", "float64")
"""Types of pixels that kernels are made for."""

u = np.uint64
"""Of indices: of a signed one it is asked whether it counts from the end, for every pixel."""

STRIP = 256
"""Pixels of a row that are computed together: what is kept of them fits into a core's own cache."""

EDGE = 1e-10
"""Pixels by which a place may miss the edge between two pixels: GDAL's."""

LEAST_WEIGHT = 1e-6
"""Below it nothing valid is near: GDAL's."""


@njit(nogil=True, cache=True)
def _stencil(cell, points):
    """How a line bends within a cell, by the points before, at both of its ends, and behind: weights, first and last.

    Half the second difference, the mean of those at both ends of the cell (Bessel's formula); at the edge of a mesh, of
    the only one there is.
    """
    before, behind = cell > 0, cell + 2 < points
    if before and behind:
        return 0.25, -0.25, -0.25, 0.25, cell - 1, cell + 2
    if behind:
        return 0.0, 0.5, -1.0, 0.5, cell, cell + 2
    if before:
        return 0.5, -1.0, 0.5, 0.0, cell - 1, cell
    return 0.0, 0.0, 0.0, 0.0, cell, cell


@njit(nogil=True, cache=True)
def _row(x, y, v, first, step, count, line, xs, ys):
    """Places of `count` pixels in a row: `v` cells down the mesh, `first`, `first + step`, ... cells right.

    Between control points a place follows a parabola, down and right: see `prismcube.cube.mesh`. At a control point
    its neighbours don't matter, even when they are nowhere.
    """
    rows, cols = x.shape
    top = min(max(math.floor(v), 0), max(rows - 2, 0))
    below = min(top + 1, rows - 1)
    t = v - top
    w0, w1, w2, w3, above, beneath = _stencil(top, rows)
    bend = t * (t - 1.0)
    for k in range(cols):  # the mesh at this row
        if t == 0:
            line[0, k], line[1, k] = x[top, k], y[top, k]
            continue
        curve = w0 * x[above, k] + w1 * x[top, k] + w2 * x[below, k] + w3 * x[beneath, k]
        line[0, k] = x[top, k] + (x[below, k] - x[top, k]) * t + curve * bend
        curve = w0 * y[above, k] + w1 * y[top, k] + w2 * y[below, k] + w3 * y[beneath, k]
        line[1, k] = y[top, k] + (y[below, k] - y[top, k]) * t + curve * bend
    last = max(cols - 2, 0)
    start = u(0)
    k = min(max(int(first), 0), last)
    while start < u(count):  # cell by cell: within one there is nothing to decide, so that it is computed in vectors
        end = u(count)
        if k < last:
            end = u(min(max(math.ceil((k + 1 - first) / step), 0), count))
        right = min(k + 1, cols - 1)
        w0, w1, w2, w3, west, east = _stencil(k, cols)
        x0, y0 = line[0, k], line[1, k]
        cx = w0 * line[0, west] + w1 * x0 + w2 * line[0, right] + w3 * line[0, east]
        cy = w0 * line[1, west] + w1 * y0 + w2 * line[1, right] + w3 * line[1, east]
        dx, dy = line[0, right] - x0 - cx, line[1, right] - y0 - cy
        for column in range(start, end):
            s = (first + column * step) - k
            xs[column] = x0 if s == 0 else x0 + (dx + cx * s) * s
            ys[column] = y0 if s == 0 else y0 + (dy + cy * s) * s
        start = max(start, end)
        k += 1


def nearest(source, nodata, has_nodata, x, y, down, right, out, valid, rounds, shunned, instead):
    """The pixel of the file that the centre falls on."""
    height, width = source.shape
    xs, ys, line = np.empty(out.shape[1]), np.empty(out.shape[1]), np.empty((2, x.shape[1]))
    filled = 0
    for row in range(out.shape[0]):
        _row(x, y, down[0] + row * down[1], right[0], right[1], out.shape[1], line, xs, ys)
        for col in range(out.shape[1]):
            px, py = xs[col] + EDGE, ys[col] + EDGE
            if valid[u(row), u(col)] or not (px >= 0 and py >= 0 and px < width and py < height):
                continue
            value = source[u(int(py)), u(int(px))]
            if (has_nodata and value == nodata) or value != value:
                continue
            out[u(row), u(col)] = instead if value == shunned else value
            valid[u(row), u(col)] = 1
            filled += 1
    return filled


@njit(nogil=True, cache=True)
def _bilinear_at(source, nodata, has_nodata, px, py):
    """The mean of four neighbours by distance, and their weight; (0, 0) where none is valid."""
    height, width = source.shape
    left, top = math.floor(px - 0.5), math.floor(py - 0.5)
    fx, fy = px - 0.5 - left, py - 0.5 - top
    total, weight = 0.0, 0.0
    for dy in range(2):
        row = top + dy
        if row < 0 or row >= height:
            continue
        wy = fy if dy else 1.0 - fy
        for dx in range(2):
            col = left + dx
            if col < 0 or col >= width:
                continue
            value = source[u(row), u(col)]
            if (has_nodata and value == nodata) or value != value:
                continue
            w = wy * (fx if dx else 1.0 - fx)
            total += w * value
            weight += w
    return total, weight


def bilinear(source, nodata, has_nodata, x, y, down, right, out, valid, rounds, shunned, instead):
    """The mean of the four pixels around the centre by their distance.

    In strips of a row, and those in steps: only the one that fetches pixels and the one that stores them look at each
    pixel alone, the others are computed in vectors. Twice as fast as one loop for all.
    """
    xs, ys, line = np.empty(out.shape[1]), np.empty(out.shape[1]), np.empty((2, x.shape[1]))
    lefts, tops = np.empty(STRIP, np.int32), np.empty(STRIP, np.int32)
    around = np.zeros((4, STRIP))
    results, whole = np.empty(STRIP), np.empty(STRIP, np.uint8)
    empty = float(nodata) if has_nodata else math.nan
    filled = 0
    for row in range(out.shape[0]):
        _row(x, y, down[0] + row * down[1], right[0], right[1], out.shape[1], line, xs, ys)
        for begin in range(0, out.shape[1], STRIP):
            start, end = _wanted(xs, ys, begin, min(begin + STRIP, out.shape[1]), valid, row, source.shape)
            if start == end:
                continue
            count = u(end - start)
            px, py = xs[start:end], ys[start:end]
            for k in range(count):  # what is nowhere, or far away, becomes the least number
                lefts[k], tops[k] = np.int32(math.floor(px[k] - 0.5)), np.int32(math.floor(py[k] - 0.5))
            _fetch(source, lefts, tops, count, around)
            for k in range(count):
                a, b, c, d = around[0, k], around[1, k], around[2, k], around[3, k]
                fx, fy = px[k] - 0.5 - lefts[k], py[k] - 0.5 - tops[k]
                upper, lower = a * (1.0 - fx) + b * fx, c * (1.0 - fx) + d * fx
                result = upper * (1.0 - fy) + lower * fy
                whole[k] = (a != empty) & (b != empty) & (c != empty) & (d != empty) & (result == result)
                results[k] = math.floor(result + 0.5) if rounds else result
            for k in range(count):
                col = u(start) + k
                if valid[u(row), col]:
                    continue
                result = results[k]
                if not whole[k]:
                    if not _is_on_valid(source, nodata, has_nodata, px[k], py[k]):
                        continue
                    total, weight = _bilinear_at(source, nodata, has_nodata, px[k], py[k])
                    if weight < 1e-5:
                        continue
                    result = math.floor(total / weight + 0.5) if rounds else total / weight
                out[u(row), col] = instead if result == shunned else result
                valid[u(row), col] = 1
                filled += 1
    return filled


@njit(nogil=True, cache=True)
def _fetch(source, lefts, tops, count, around):
    """The four pixels around each place; NaN among them where one is beyond the edge."""
    height, width = source.shape
    inside = True
    for k in range(count):
        inside &= (lefts[k] >= 0) & (tops[k] >= 0) & (lefts[k] < width - 1) & (tops[k] < height - 1)
    for k in range(count):
        left, top = u(lefts[k]), u(tops[k])
        if inside or (left < u(width - 1) and top < u(height - 1)):  # not so for what is negative
            around[0, k], around[1, k] = source[top, left], source[top, left + u(1)]
            around[2, k], around[3, k] = source[top + u(1), left], source[top + u(1), left + u(1)]
        else:
            around[0, k] = math.nan


@njit(nogil=True, cache=True)
def _is_on_valid(source, nodata, has_nodata, px, py):
    """True when a place is within the window, and the pixel that it falls on is valid."""
    height, width = source.shape
    if not (px + EDGE >= 0 and py + EDGE >= 0 and px + EDGE < width and py + EDGE < height):
        return False
    value = source[u(int(py + EDGE)), u(int(px + EDGE))]
    return not ((has_nodata and value == nodata) or value != value)


@njit(nogil=True, cache=True)
def _keys(a, b, c, d, t):
    """Cubic convolution with A = -1/2 between b and c (Keys 1981)."""
    return b + 0.5 * (t * (c - a) + t * t * (2.0 * a - 5.0 * b + 4.0 * c - d) + t * t * t * (3.0 * (b - c) + d - a))


def cubic(source, nodata, has_nodata, x, y, down, right, out, valid, rounds, least, most, shunned, instead):
    """Cubic convolution of the sixteen pixels around the centre; bilinear where not all of them are valid.

    It can overshoot: `least` and `most` are the limits of the type.
    """
    height, width = source.shape
    xs, ys, line = np.empty(out.shape[1]), np.empty(out.shape[1]), np.empty((2, x.shape[1]))
    rows = np.empty(4)
    filled = 0
    for row in range(out.shape[0]):
        _row(x, y, down[0] + row * down[1], right[0], right[1], out.shape[1], line, xs, ys)
        for col in range(out.shape[1]):
            px, py = xs[col], ys[col]
            if valid[u(row), u(col)] or not _is_on_valid(source, nodata, has_nodata, px, py):
                continue
            left, top = int(px + 0.5) - 1, int(py + 0.5) - 1
            fx, fy = px - 0.5 - left, py - 0.5 - top
            whole = left >= 1 and top >= 1 and left < width - 2 and top < height - 2
            if whole:
                for i in range(4):
                    for k in range(4):
                        value = source[u(top - 1 + i), u(left - 1 + k)]
                        if (has_nodata and value == nodata) or value != value:
                            whole = False
                    rows[i] = _keys(
                        float(source[u(top - 1 + i), u(left - 1)]),
                        float(source[u(top - 1 + i), u(left)]),
                        float(source[u(top - 1 + i), u(left + 1)]),
                        float(source[u(top - 1 + i), u(left + 2)]),
                        fx,
                    )
            if whole:
                result = _keys(rows[0], rows[1], rows[2], rows[3], fy)
            else:
                total, weight = _bilinear_at(source, nodata, has_nodata, px, py)
                if weight < 1e-5:
                    continue
                result = total / weight
            if rounds:
                result = math.floor(result + 0.5)
            result = min(max(result, least), most)
            out[u(row), u(col)] = instead if result == shunned else result
            valid[u(row), u(col)] = 1
            filled += 1
    return filled


@njit(nogil=True, cache=True)
def _weight(distance, is_cubic):
    t = abs(distance)
    if not is_cubic:
        return 1.0 - t if t <= 1.0 else 0.0
    if t <= 1.0:
        return 1.0 + t * t * (1.5 * t - 2.5)
    return 2.0 + t * (-4.0 + t * (2.5 - 0.5 * t)) if t <= 2.0 else 0.0


def widened(
    source, nodata, has_nodata, x, y, down, right, out, valid, rounds, least, most, shunned, instead, scale, is_cubic
):
    """A bilinear or cubic kernel, stretched to cover the pixels of the file that fall into one of the answer.

    `scale`: (down, right) pixels of the answer for one of the file, one of which is below 0.95; the kernel is 1 / scale
    times as wide where that is below 1. In strips as `bilinear`; where a strip lies along a row of the window, as all
    do of a file of the answer's own CRS, columns are summed up first, once for all pixels that need them.
    """
    xs, ys, line = np.empty(out.shape[1]), np.empty(out.shape[1]), np.empty((2, x.shape[1]))
    size = 2 if is_cubic else 1
    # More than the window has pixels are never under it, however small the scale.
    taps_x = min(math.floor(2 * size / min(scale[1], 1.0)) + 1, source.shape[1])
    taps_y = min(math.floor(2 * size / min(scale[0], 1.0)) + 1, source.shape[0])
    lefts, tops = np.empty(STRIP, np.int32), np.empty(STRIP, np.int32)
    weights_x, weights_y = np.empty((taps_x, STRIP)), np.empty((taps_y, STRIP))
    totals, weights, values = np.empty(STRIP), np.empty(STRIP), np.empty(STRIP)
    sums = np.empty((2, source.shape[1]))
    filled = 0
    for row in range(out.shape[0]):
        _row(x, y, down[0] + row * down[1], right[0], right[1], out.shape[1], line, xs, ys)
        for begin in range(0, out.shape[1], STRIP):
            start, end = _wanted(xs, ys, begin, min(begin + STRIP, out.shape[1]), valid, row, source.shape)
            if start == end:
                continue
            count = u(end - start)
            px, py = xs[start:end], ys[start:end]
            _weigh(px, count, scale[1], is_cubic, lefts, weights_x)
            if _is_level(py):
                _weigh(py, u(1), scale[0], is_cubic, tops, weights_y)
                weight = _sum_columns(source, nodata, has_nodata, tops[0], weights_y, lefts, count, taps_x, sums)
                whole = _sum_row(sums, weight, lefts, weights_x, count, totals, weights)
            else:
                _weigh(py, count, scale[0], is_cubic, tops, weights_y)
                whole = _sum_up(
                    source, nodata, has_nodata, tops, weights_y, lefts, weights_x, count, values, totals, weights
                )
            whole &= _are_within(px, source.shape[1]) & _are_within(py, source.shape[0])
            for k in range(count):
                result = totals[k] / weights[k]
                result = math.floor(result + 0.5) if rounds else result
                totals[k] = min(max(result, least), most)
            for k in range(count):
                col = u(start) + k
                if valid[u(row), col] or weights[k] < LEAST_WEIGHT:
                    continue
                if not whole and not _is_on_valid(source, nodata, has_nodata, px[k], py[k]):
                    continue
                out[u(row), col] = instead if totals[k] == shunned else totals[k]
                valid[u(row), col] = 1
                filled += 1
    return filled


@njit(nogil=True, cache=True)
def _are_within(places, length):
    """True when all fall on a pixel of the window."""
    within = True
    for k in range(u(len(places))):
        within &= (places[k] >= 0.0) & (places[k] < length)
    return within


@njit(nogil=True, cache=True)
def _is_level(places):
    """True when all are one and the same."""
    level = True
    for k in range(u(len(places))):
        level &= places[k] == places[0]
    return level


@njit(nogil=True, cache=True)
def _sum_columns(source, nodata, has_nodata, top, weights_y, lefts, count, taps_x, sums):
    """Of each column under the kernels of a strip: the weighted sum of its valid pixels, and of their weights.

    Gives back the weight of all columns where all their pixels are valid, else NaN.
    """
    height, width = source.shape
    first, last = lefts[0], lefts[0]
    for k in range(count):
        first, last = min(first, lefts[k]), max(last, lefts[k])
    first, last = u(min(max(first, 0), width)), u(min(max(last + taps_x, 0), width))
    for col in range(first, last):
        sums[0, col], sums[1, col] = 0.0, 0.0
    whole, total = True, 0.0
    for tap in range(weights_y.shape[0]):
        at, w = top + tap, weights_y[tap, 0]
        if not 0 <= at < height or w == 0.0:
            continue
        total += w
        for col in range(first, last):
            value = source[u(at), col]
            is_valid = not ((has_nodata and value == nodata) or value != value)
            whole &= is_valid
            sums[0, col] += w * value if is_valid else 0.0
            sums[1, col] += w if is_valid else 0.0
    return total if whole else math.nan


@njit(nogil=True, cache=True)
def _sum_row(sums, weight, lefts, weights_x, count, totals, weights):
    """Of each kernel of a strip, from the sums of the columns under it; whether all its pixels are valid.

    `weight`: of each column, when it is the same for all.
    """
    width = sums.shape[1]
    inside = _is_inside(lefts, count, weights_x.shape[0], width)
    whole = inside and weight == weight
    totals[:], weights[:] = 0.0, 0.0
    for tap in range(weights_x.shape[0]):
        if whole:
            for k in range(count):
                totals[k] += weights_x[tap, k] * sums[0, u(lefts[k] + tap)]
                weights[k] += weights_x[tap, k] * weight
            continue
        for k in range(count):
            col = u(np.int64(lefts[k]) + tap)
            if inside or col < u(width):  # not so for what is negative
                totals[k] += weights_x[tap, k] * sums[0, col]
                weights[k] += weights_x[tap, k] * sums[1, col]
    return whole


@njit(nogil=True, cache=True)
def _sum_up(source, nodata, has_nodata, tops, weights_y, lefts, weights_x, count, values, totals, weights):
    """Of each kernel of a strip: the weighted sum of the valid pixels under it, and of their weights.

    Gives back whether all of them are valid.
    """
    height, width = source.shape
    taps_y, taps_x = weights_y.shape[0], weights_x.shape[0]
    inside = _is_inside(lefts, count, taps_x, width) & _is_inside(tops, count, taps_y, height)
    totals[:], weights[:] = 0.0, 0.0
    empty = float(nodata) if has_nodata else math.nan
    whole = True
    for i in range(taps_y):
        for j in range(taps_x):
            for k in range(count):  # the one that fetches looks at each pixel alone, the other is computed in vectors
                row, col = u(np.int64(tops[k]) + i), u(np.int64(lefts[k]) + j)
                if inside or (row < u(height) and col < u(width)):  # not so for what is negative
                    values[k] = source[row, col]
                else:
                    values[k] = math.nan
            for k in range(count):
                is_valid = (values[k] == values[k]) & (values[k] != empty)
                whole &= is_valid
                w = weights_y[i, k] * weights_x[j, k] if is_valid else 0.0
                totals[k] += w * (values[k] if is_valid else 0.0)
                weights[k] += w
    return whole


@njit(nogil=True, cache=True)
def _wanted(xs, ys, start, end, valid, row, shape):
    """The part of a strip outside of which all pixels are valid already or fall beside the window."""
    while start < end:
        at = end - 1
        if not valid[u(row), u(at)] and -1.0 <= xs[at] <= shape[1] + 1.0 and -1.0 <= ys[at] <= shape[0] + 1.0:
            break
        end -= 1
    while start < end:
        if not valid[u(row), u(start)] and -1.0 <= xs[start] <= shape[1] + 1.0 and -1.0 <= ys[start] <= shape[0] + 1.0:
            break
        start += 1
    return start, end


@njit(nogil=True, cache=True)
def _weigh(places, count, scale, is_cubic, firsts, weights):
    """The first pixel of the window under the kernel along one axis, and the weight of it and those that follow."""
    size = 2 if is_cubic else 1
    narrow = min(scale, 1.0)
    for k in range(count):
        firsts[k] = np.int32(max(math.ceil(places[k] - 0.5 - size / narrow), 0.0))
    for tap in range(weights.shape[0]):
        for k in range(count):
            weights[tap, k] = _weight((firsts[k] + tap - (places[k] - 0.5)) * narrow, is_cubic)


@njit(nogil=True, cache=True)
def _is_inside(firsts, count, taps, length):
    """True when the kernels of a strip reach over no edge."""
    inside = True
    for k in range(count):
        inside &= (firsts[k] >= 0) & (firsts[k] <= length - taps)
    return inside


def average(source, nodata, has_nodata, x, y, down, right, out, valid, rounds, shunned, instead):
    """The mean of the file's pixels between the places of a pixel's upper left and lower right corners, by area.

    `down` and `right` are those of the corner, half a pixel before the centre.
    """
    height, width = source.shape
    count = out.shape[1]
    line = np.empty((2, x.shape[1]))
    x0, y0, x1, y1 = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    filled = 0
    for row in range(out.shape[0]):
        v = down[0] + row * down[1]
        _row(x, y, v, right[0], right[1], count, line, x0, y0)
        _row(x, y, v + down[1], right[0] + right[1], right[1], count, line, x1, y1)
        for col in range(count):
            if valid[u(row), u(col)]:
                continue
            west, east = min(x0[col], x1[col]), max(x0[col], x1[col])
            north, south = min(y0[col], y1[col]), max(y0[col], y1[col])
            if not (west < width and east > 0 and north < height and south > 0):
                continue
            west, north, east, south = (
                max(west, 0.0),
                max(north, 0.0),
                min(east, float(width)),
                min(south, float(height)),
            )
            left, right_end = int(west + EDGE), min(math.ceil(east - EDGE), width)
            top, bottom_end = int(north + EDGE), min(math.ceil(south - EDGE), height)
            if left == right_end and right_end < width:
                right_end += 1
            if top == bottom_end and bottom_end < height:
                bottom_end += 1
            total, weight = 0.0, 0.0
            for i in range(top, bottom_end):
                wy = 1.0
                if bottom_end > top + 1:
                    wy = (
                        1.0 - (north - top)
                        if i == top
                        else (1.0 - (bottom_end - south) if i == bottom_end - 1 else 1.0)
                    )
                for k in range(left, right_end):
                    value = source[u(i), u(k)]
                    if (has_nodata and value == nodata) or value != value:
                        continue
                    w = wy
                    if right_end > left + 1:
                        w *= (
                            1.0 - (west - left)
                            if k == left
                            else (1.0 - (right_end - east) if k == right_end - 1 else 1.0)
                        )
                    total += w * value
                    weight += w
            if weight <= 0.0:
                continue
            result = total / weight
            if rounds:
                result = math.floor(result + 0.5)
            out[u(row), u(col)] = instead if result == shunned else result
            valid[u(row), u(col)] = 1
            filled += 1
    return filled


def fill(source, nodata, has_nodata, out, valid, shunned, instead):
    """Copies the pixels of an aligned window of the same shape into those that are not valid yet."""
    filled = 0
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            value = source[u(row), u(col)]
            if valid[u(row), u(col)] or (has_nodata and value == nodata) or value != value:
                continue
            out[u(row), u(col)] = instead if value == shunned else value
            valid[u(row), u(col)] = 1
            filled += 1
    return filled


def _signature(name: str, dtype: str) -> Any:
    """Of the arguments: pixels may be part of a larger answer, so that rows need not follow each other."""
    value = getattr(types, dtype)
    pair = types.UniTuple(types.float64, 2)
    start = [types.Array(value, 2, "C"), value, types.boolean]
    target = [types.Array(value, 2, "A"), types.Array(types.boolean, 2, "A")]
    end = [types.float64, value]
    if name == "fill":
        return types.int64(types.Array(value, 2, "A"), *start[1:], *target, *end)
    mesh = [types.Array(types.float64, 2, "C")] * 2
    limits = [types.float64] * 2 if name in ("cubic", "widened") else []
    scale = [pair, types.boolean] if name == "widened" else []
    return types.int64(*start, *mesh, pair, pair, *target, types.boolean, *limits, *end, *scale)


KERNELS = {one.__name__: one for one in (nearest, bilinear, cubic, widened, average, fill)}


@cache  # of its own: those that are there are given without a lock
@one_at_a_time
def compiled(name: str, dtype: str) -> Any:
    """The kernel of that name for pixels of one of `TYPES`.

    The first call compiles it, which takes seconds, or fetches it from the folder where the last process left it. One
    signature each, whatever the arrays look like: no request ever waits for another.
    """
    return njit(_signature(name, dtype), nogil=True, cache=True, error_model="numpy")(KERNELS[name])
