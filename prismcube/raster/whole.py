"""Is a file whole? A copy that was broken off has a good header, and fails years later when its end is read."""

from __future__ import annotations

from typing import Any

from rasterio.errors import RasterioError
from rasterio.windows import Window

from prismcube.errors import SourceError
from prismcube.storage.uri import is_remote, without_secret

PIXELS_AT_ONCE = 2**24
"""Of all bands, in a read."""


def check_whole(source: Any, uri: str, size: int, *, deep: bool) -> None:
    """Refuse a TIFF whose last block lies beyond the file's end; `deep`: read all pixels of any file.

    `size` of the file in bytes. Raises SourceError that tells where.
    """
    if deep:
        _read_all(source, uri)
    elif source.driver == "GTiff" and not is_remote(uri) and not source.name.startswith(("/vsi", "GTIFF_DIR:/vsi")):
        # The table of offsets may be megabytes long and far from the header: of a remote file that is more requests.
        _check_last_block(source, uri, size)


def _check_last_block(source: Any, uri: str, size: int) -> None:
    height, width = source.block_shapes[-1]
    row, col = (source.height - 1) // height, (source.width - 1) // width
    place, length = (
        source.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=source.count) for what in ("OFFSET", "SIZE")
    )
    if place and length and int(place) + int(length) > size:
        raise SourceError(uri, f"is truncated: its last block ends at byte {int(place) + int(length):,} of {size:,}")


def _read_all(source: Any, uri: str) -> None:
    height, width = source.block_shapes[0]
    columns = source.width if source.width * height * source.count <= PIXELS_AT_ONCE else width
    rows = max(1, PIXELS_AT_ONCE // (columns * source.count) // height) * height
    for row in range(0, source.height, rows):
        for col in range(0, source.width, columns):
            window = Window(col, row, min(columns, source.width - col), min(rows, source.height - row))
            try:
                source.read(window=window)
            except RasterioError as error:
                last_row, last_col = row + window.height - 1, col + window.width - 1
                where = f"rows {row} to {last_row}, columns {col} to {last_col}"
                reason = str(error.__cause__ or error).replace(source.name, "").strip(" :'").splitlines()
                raise SourceError(
                    without_secret(uri), f"is truncated or damaged: can't read {where} ({''.join(reason[:1])})"
                ) from error
