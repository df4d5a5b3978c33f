"""Series and small cubes as CSV (RFC 4180): a line a time step or pixel, empty cells where nothing is valid."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.model.cube import CubeHeader, Slice
from prismcube.model.period import format_instant
from prismcube.model.series import Series

MEDIA_TYPE = "text/csv; charset=utf-8"


def rows_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file; None becomes an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def cells(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> list[str]:
    """The shortest text that reads back as the same number of its type; empty where not valid. One dimension."""
    return [str(value) if good else "" for value, good in zip(values, valid, strict=True)]


def series_csv(series: Series, *, places: bool) -> bytes:
    """`time,<field>...`, or with `places` `time,x,y,<field>...`: a line a time step and place."""
    return rows_csv(["time", *(["x", "y"] if places else []), *(f.name for f in series.fields)], _rows(series, places))


def _rows(series: Series, places: bool) -> Iterator[Sequence[Any]]:
    where = zip(series.x.tolist(), series.y.tolist(), strict=True) if places else [()] * series.places
    pairs = list(where)
    for at, step in enumerate(series.steps):
        time = format_instant(step.start)
        columns = [cells(data[at], valid[at]) for data, valid in zip(series.data, series.valid, strict=True)]
        for pair, values in zip(pairs, zip(*columns, strict=True), strict=True):
            yield time, *pair, *values


def cube_csv(header: CubeHeader, slices: Iterable[Slice]) -> bytes:
    """`time,x,y,<field>...`: a line a pixel and time step; x and y are pixel centres."""
    return rows_csv(["time", "x", "y", *(f.name for f in header.fields)], _cube_rows(header, slices))


def _cube_rows(header: CubeHeader, slices: Iterable[Slice]) -> Iterator[Sequence[Any]]:
    xs, ys = header.grid.xs(), header.grid.ys()
    for one in slices:
        time = format_instant(header.steps[one.index].start)
        rows, cols = np.nonzero(np.logical_or.reduce(one.valid))  # pixels without any valid field are left out
        columns = [cells(d[rows, cols], v[rows, cols]) for d, v in zip(one.data, one.valid, strict=True)]
        for x, y, *values in zip(xs[cols].tolist(), ys[rows].tolist(), *columns, strict=True):
            yield time, x, y, *values
