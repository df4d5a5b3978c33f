"""The layout of an uncompressed TIFF, known to the last byte before the first pixel (TIFF 6.0; BigTIFF). Pure.

    header and directory │ slice 0, rows 0..R: field 0, field 1, ... │ slice 0, rows R..: ... │ slice 1 ... │ tail

A band is a (slice, field). Bands are separate planes of strips; strips may lie in the file in any order, so the file
can be written in the order in which pixels are computed. The directory comes first: what reads from a stream finds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prismcube.tiff.fields import (
    CLASSIC_LIMIT,
    Tag,
    directory,
    directory_bytes,
    header,
    header_bytes,
    long,
    places,
    short,
)

STRIP_BYTES = 1 << 20
"""About how large a strip is."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where each strip of a cube lies."""

    width: int
    height: int
    slices: int
    fields: int
    itemsize: int
    """Bytes a value."""
    rows: int
    """Of a part: as many as are computed at once."""
    tail: int = 0
    """Bytes after the last pixel."""

    @property
    def bands(self) -> int:
        return self.slices * self.fields

    @property
    def rows_per_strip(self) -> int:
        """The largest divisor of `rows` whose strip is about `STRIP_BYTES`; parts are made of whole strips."""
        most = max(1, STRIP_BYTES // (self.width * self.itemsize))
        return next(rows for rows in range(min(most, self.rows), 0, -1) if self.rows % rows == 0)

    @property
    def pixel_bytes(self) -> int:
        return self.bands * self.height * self.width * self.itemsize

    def strips(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """(offsets, sizes) in bytes of every strip, from the first pixel on, in the order of TIFF: band by band."""
        row_bytes = self.width * self.itemsize
        first = np.arange(0, self.height, self.rows_per_strip, dtype=np.uint64)
        heights = np.minimum(self.rows_per_strip, self.height - first.astype(np.int64)).astype(np.uint64)
        part = first // np.uint64(self.rows)
        part_height = np.minimum(np.uint64(self.rows), np.uint64(self.height) - part * np.uint64(self.rows))
        within = part * np.uint64(self.rows * row_bytes * self.fields)
        within += (first - part * np.uint64(self.rows)) * np.uint64(row_bytes)
        field = np.arange(self.fields, dtype=np.uint64)[:, None] * (part_height * np.uint64(row_bytes))[None, :]
        slice_bytes = np.uint64(self.height * row_bytes * self.fields)
        begin = np.arange(self.slices, dtype=np.uint64)[:, None, None] * slice_bytes
        offsets = begin + field[None, :, :] + within[None, None, :]
        sizes = np.broadcast_to(heights * np.uint64(row_bytes), (self.bands, len(first)))
        return offsets.reshape(-1), np.ascontiguousarray(sizes).reshape(-1)

    def head(self, tags: Sequence[Tag]) -> bytes:
        """Header and directory, with `tags` beside those of the layout; the first pixel follows at once."""
        offsets, sizes = self.strips()
        for big in (False, True):
            known = [
                *tags,
                long(256, self.width),
                long(257, self.height),
                short(258, *[8 * self.itemsize] * self.bands),
                short(259, 1),  # no compression
                short(262, 1),  # black is zero
                places(273, offsets, big=big),
                short(277, self.bands),
                long(278, self.rows_per_strip),
                places(279, sizes, big=big),
                short(284, 2),  # each band a plane of its own
            ]
            if self.bands > 1:
                known.append(short(338, *[0] * (self.bands - 1)))
            begin = header_bytes(big=big) + directory_bytes(known, big=big)
            if big or begin + self.pixel_bytes + self.tail <= CLASSIC_LIMIT:
                break
        moved = places(273, offsets + np.uint64(begin), big=big)
        at = header_bytes(big=big)
        return header(at, big=big) + directory([moved if one.number == 273 else one for one in known], at=at, big=big)
