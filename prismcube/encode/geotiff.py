"""A cube as one GeoTIFF, a band for each (time step, field), steps outermost: uncompressed, written while it is read.

GDAL can read only uncompressed TIFFs from a stream, and only then is the size known before the first pixel. See
`prismcube.encode.tiff` for the layout; COG is the format for keeping (`prismcube.encode.cog`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prismcube.encode.tiff import Layout
from prismcube.errors import BudgetExceeded, InvalidInput
from prismcube.model.cube import CubeHeader, Slice, SliceStatus, common_format
from prismcube.model.formats import DataFormat, cast
from prismcube.model.period import format_instant
from prismcube.raster.geokeys import can_name, georeference
from prismcube.tiff.fields import short
from prismcube.tiff.metadata import item, metadata_tag, nodata_tag

MEDIA_TYPE = "image/tiff; application=geotiff"
"""The media type GDAL's OGCAPI driver looks for (OSGeo/gdal, frmts/ogcapi)."""
EXTENSION = "tif"

MAX_BANDS = 65535
"""TIFF's SamplesPerPixel is 16 bits wide."""

CHUNK_BYTES = 1 << 20

_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}

STATUS_BYTES = max(len(one.value) for one in SliceStatus)
_TAIL_BEGIN, _TAIL_END = b'\n{"prismcube:status":[', b"]}\n"


def check(header: CubeHeader) -> None:
    """Refuse a cube that has no place in a GeoTIFF, before anything is read.

    Raises BudgetExceeded for more bands than TIFF holds, InvalidInput("crs", ...) for a CRS that GeoTIFF can't say.
    """
    bands = len(header.steps) * len(header.fields)
    if bands > MAX_BANDS:
        raise BudgetExceeded(
            "bands of a GeoTIFF", asked=bands, allowed=MAX_BANDS, advice="ask for fewer dates or fields"
        )
    if not can_name(header.grid.crs):
        raise InvalidInput("crs", "can't be written into a GeoTIFF; ask for another, or for f=covjson")


@dataclass(frozen=True)
class Writer:
    """A GeoTIFF that is written part by part."""

    header: CubeHeader
    rows: int
    """Of a part; see `prismcube.cube.parts`."""
    status: tuple[tuple[SliceStatus, str], ...] | None = None
    """(status, message) of every slice, when all have been read; else the end of the file tells the status."""

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return len(self._head) + self._layout.pixel_bytes + self._layout.tail

    def head(self) -> bytes:
        """All that comes before the first pixel."""
        return self._head

    @cached_property
    def _head(self) -> bytes:
        format = self._format
        kind = _SAMPLE_FORMATS[np.dtype(format.dtype).kind]
        tags = [
            *georeference(self.header.grid.crs, self.header.grid.transform),
            short(339, *[kind] * self._layout.bands),
            metadata_tag(self._metadata()),
        ]
        if format.nodata is not None:
            tags.append(nodata_tag(format.nodata))
        return self._layout.head(tags)

    def part(self, one: Slice) -> Iterator[bytes]:
        """The rows of a slice, in pieces of `CHUNK_BYTES`; parts must come in order."""
        format = self._format
        for data, valid, field in zip(one.data, one.valid, self.header.fields, strict=True):
            # Cast anew only where the field's own nodata differs from the file's.
            pixels = data if field.format.stores_like(format) else cast(data, valid, format)
            little = np.ascontiguousarray(pixels, dtype=np.dtype(format.dtype).newbyteorder("<"))
            view = memoryview(little.reshape(-1).view(np.uint8))
            for begin in range(0, len(view), CHUNK_BYTES):
                yield bytes(view[begin : begin + CHUNK_BYTES])

    def tail(self, ends: Sequence[SliceStatus]) -> bytes:
        """How each slice ended, as a line of JSON after the last pixel; nothing when the head has told it."""
        if self.status is not None:
            return b""
        return _TAIL_BEGIN + b",".join(f'"{one.value}"'.ljust(STATUS_BYTES + 2).encode() for one in ends) + _TAIL_END

    @property
    def _format(self) -> DataFormat:
        return common_format(self.header.fields)

    @property
    def _layout(self) -> Layout:
        slices = len(self.header.steps)
        tail = len(_TAIL_BEGIN) + slices * (STATUS_BYTES + 3) - 1 + len(_TAIL_END)
        return Layout(
            width=self.header.grid.width,
            height=self.header.grid.height,
            slices=slices,
            fields=len(self.header.fields),
            itemsize=self._format.itemsize,
            rows=self.rows,
            tail=tail if self.status is None else 0,
        )

    def _metadata(self) -> list[str]:
        """Items of GDAL's XML: description, time, field, unit, records and, when known, status of each band."""
        lines = []
        band = 0
        for index, step in enumerate(self.header.steps):
            time = format_instant(step.start)
            items = {"time": time, "records": ",".join(step.records)}
            if self.status is not None:
                status, message = self.status[index]
                items |= {"status": status.value} | ({"message": message} if message else {})
            for field in self.header.fields:
                lines.append(item("DESCRIPTION", f"{time} {field.name}", band, role="description"))
                own = items | {"field": field.name} | ({"unit": field.unit} if field.unit else {})
                lines += [item(name, value, band) for name, value in own.items()]
                band += 1
        return lines
