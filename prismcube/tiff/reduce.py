"""Overviews: 2 × 2 pixels become one.

The rule, as of GDAL's AVERAGE where sides are even: the mean of the pixels that are valid; of none, nodata. Pixels are
valid unless they are nodata or NaN. Whole numbers are rounded to nearest, halves away from zero; a mean that happens to
be nodata becomes the next number above (below, at the type's greatest). The last row or column of an odd side has
only itself to be the mean of.

For classes: nearest takes the upper left pixel, mode the value that most of the valid pixels have, of several the first
in the order upper left, upper right, lower left, lower right.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from prismcube.model.formats import DataFormat
from prismcube.tiff.write_kernels import compiled

Reduction = Literal["average", "nearest", "mode"]


def reduce_into(out: npt.NDArray[Any], rows: npt.NDArray[Any], *, format: DataFormat, reduction: Reduction) -> None:
    """Write to `out` (ceil(height / 2), ceil(width / 2)) what becomes of `rows` (height, width), both in C order."""
    if reduction == "nearest":
        out[...] = rows[::2, ::2]
        return
    if reduction == "mode":
        _most_frequent(rows, out, format=format)
        return
    dtype = rows.dtype.type
    nodata = format.nodata
    has_nodata = nodata is not None and nodata == nodata
    value = dtype(nodata) if has_nodata else dtype(0)
    read_only = rows.view()
    read_only.flags.writeable = False  # one compiled form for both kinds of arrays
    if format.is_floating:
        empty = dtype(np.nan) if nodata is None else dtype(nodata)
        kernel = compiled("average_floats", rows.dtype.name)
        kernel(read_only, out, has_nodata, value, empty, np.nextafter(value, dtype(np.inf)))
    else:
        beside = dtype(value - 1) if value == np.iinfo(dtype).max else dtype(value + 1)
        compiled("average_whole", rows.dtype.name)(read_only, out, has_nodata, value, beside)


def _most_frequent(rows: npt.NDArray[Any], out: npt.NDArray[Any], *, format: DataFormat) -> None:
    height, width = rows.shape
    # Beyond odd sides pixels count as the ones before them, which changes no majority and no order.
    even = np.pad(rows, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else rows
    four = np.stack([even[::2, ::2], even[::2, 1::2], even[1::2, ::2], even[1::2, 1::2]])
    valid = four == four
    if format.nodata is not None:
        valid &= four != format.nodata
    counts = np.stack([((four == one) & valid).sum(axis=0) for one in four]) * valid
    out[...] = np.take_along_axis(four, counts.argmax(axis=0)[np.newaxis], axis=0)[0]
    nothing = ~valid.any(axis=0)
    if nothing.any():
        out[nothing] = np.nan if format.nodata is None else format.nodata
