"""One date as a Cloud Optimized GeoTIFF (OGC 21-026), written while its rows come.

    with writing_cog(path, image, pool=pool) as draft:
        for band, rows in ...:
            draft.write(rows, band=band)

Blocks are compressed as rows come and wait in a file without a name beside `path`; when all are there, they are copied
into their order. Memory is a few rows of blocks; the disk holds the compressed blocks twice for a moment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

from prismcube.model.layout import InterlacingPattern
from prismcube.tiff.assemble import assemble
from prismcube.tiff.draft import Draft, drafting
from prismcube.tiff.image import Image
from prismcube.tiff.publish import writing_to

BY_BAND = InterlacingPattern.parse("R>Z>B>T")
"""Bands one after the other, as GDAL writes them with INTERLEAVE=BAND."""


@contextmanager
def writing_cog(
    path: Path,
    image: Image,
    *,
    pool: Executor | None = None,
    pattern: InterlacingPattern = BY_BAND,
    big: bool = False,
    sync: bool = True,
) -> Iterator[Draft]:
    """Takes rows in the block; when it ends well, `path` is there, whole; else it is as it was.

    `pattern` orders the blocks of each level; levels come from the coarsest to the finest. See `assemble` for `big`
    and `sync`, `Draft` for `pool`.

    Raises ValueError when rows are missing at the end, StorageFull and SourceError as `publishing` does.
    """
    with writing_to(path):
        spool = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115  # closed below
    with spool, drafting(spool.fileno(), image, path=path, pool=pool) as draft:
        yield draft
        assemble(path, [draft.finish()], pattern=pattern, chained=True, big=big, sync=sync)
