"""Series and small cubes as CSV (RFC 4180): a line a time step or pixel, empty cells where nothing is valid."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prismcube.model.cube import CubeHeader, Slice
from prismcube.model.period import format_instant

MEDIA_TYPE = "text/csv; charset=utf-8"


def rows_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file; None becomes an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def cube_csv(header: CubeHeader, slices: Iterable[Slice]) -> bytes:
    """`time,x,y,<field>...`: a line a pixel and time step; x and y are pixel centres."""
    return rows_csv(["time", "x", "y", *(f.name for f in header.fields)], _cube_rows(header, slices))


def _cube_rows(header: CubeHeader, slices: Iterable[Slice]) -> Iterator[Sequence[Any]]:
    xs, ys = header.grid.xs().tolist(), header.grid.ys().tolist()
    for one in slices:
        time = format_instant(header.steps[one.index].start)
        data = [array.tolist() for array in one.data]
        valid = [array.tolist() for array in one.valid]
        for row, y in enumerate(ys):
            for col, x in enumerate(xs):
                if any(mask[row][col] for mask in valid):
                    cells = [d[row][col] if v[row][col] else None for d, v in zip(data, valid, strict=True)]
                    yield time, x, y, *cells
