"""What a written image is, but for its pixels and their places. Pure.

Image ─ size of each level, blocks, codec ─> the describing fields of each directory
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from prismcube.errors import InvalidInput
from prismcube.model.checks import check_whole
from prismcube.model.formats import DataFormat
from prismcube.model.layout import MAX_CELL
from prismcube.tiff.fields import Tag, long, short, text
from prismcube.tiff.layout import Window
from prismcube.tiff.metadata import item, metadata_tag, nodata_tag
from prismcube.tiff.reduce import Reduction

WrittenCodec = Literal["none", "deflate", "zstd"]

_COMPRESSIONS = {"none": 1, "deflate": 8, "zstd": 50000}
_LEVELS = {"none": (0, 0), "deflate": (1, 12), "zstd": (1, 22)}
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}

MAX_BLOCK_BYTES = 2**29
"""Of a block's pixels; stored blocks are counted in 32 bits."""

MAX_BANDS = 65535
"""TIFF's SamplesPerPixel is 16 bits wide."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One date: one or several bands of one type, each with blocks of its own. Raises InvalidInput."""

    height: int
    """Pixels."""
    width: int
    """Pixels."""
    format: DataFormat
    """Type and nodata of every band."""
    bands: int = 1
    block_height: int = 256
    """Pixels; a multiple of 16 (TIFF 6.0, section 15)."""
    block_width: int = 256
    """See `block_height`."""
    codec: WrittenCodec = "zstd"
    level: int = 1
    """Effort of the codec: zstd 1 to 22, deflate 1 to 12."""
    predictor: Literal[1, 2, 3] | None = None
    """1: none; 2: differences along rows, of whole numbers; 3: of the bytes of floating-point numbers; None: what fits
    the type."""
    overviews: int | None = None
    """How many, each half of the one before; None: until one block holds the picture."""
    reduction: Reduction = "average"
    """How 2 × 2 pixels become one; see `prismcube.tiff.reduce`. Nearest and mode are for classes."""
    reductions: tuple[Reduction, ...] = ()
    """The same of each band; empty: `reduction` for all."""
    alpha: bool = False
    """True: the last band tells which pixels are valid; told to readers, not looked at here."""
    georeference: tuple[Tag, ...] = ()
    """Fields that say where it lies; see `prismcube.raster.geokeys`."""
    title: str = ""
    """TIFF's ImageDescription."""
    name: str = ""
    """Of the record; TIFF's DocumentName."""
    time: datetime | None = None
    """Aware; TIFF's DateTime, in UTC and whole seconds."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """GDAL's items of the image."""
    descriptions: tuple[str, ...] = ()
    """Of each band; empty: none."""
    band_metadata: tuple[Mapping[str, str], ...] = ()
    """GDAL's items of each band; empty: none."""
    scale: float = 1.0
    """Real values are stored ones times `scale` plus `offset`, as GDAL tells readers; pixels are not touched."""
    offset: float = 0.0

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            check_whole(name, getattr(self, name), least=1, most=2**31 - 1)
        check_whole("bands", self.bands, least=1, most=MAX_BANDS)
        for name in ("block_height", "block_width"):
            if check_whole(name, getattr(self, name), least=16, most=MAX_CELL) % 16:
                raise InvalidInput(name, f"must be a multiple of 16, got {getattr(self, name)}")
        if self.block_height * self.block_width * self.format.itemsize > MAX_BLOCK_BYTES:
            raise InvalidInput("block_width", f"blocks hold at most {MAX_BLOCK_BYTES:,} bytes")
        if self.codec not in _COMPRESSIONS:
            raise InvalidInput("codec", f"must be one of {', '.join(_COMPRESSIONS)}, got {self.codec!r}")
        least, most = _LEVELS[self.codec]
        if self.codec != "none":
            check_whole("level", self.level, least=least, most=most)
        if self.predictor not in ((None, 1, 3) if self.format.is_floating else (None, 1, 2)):
            raise InvalidInput("predictor", f"{self.predictor} does not fit {self.format.dtype}")
        if self.overviews is not None:
            check_whole("overviews", self.overviews, least=0, most=31)
        for name in ("reductions", "descriptions", "band_metadata"):
            given = getattr(self, name)
            if given and len(given) != self.bands:
                raise InvalidInput(name, f"must be {self.bands}, one a band, got {len(given)}")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.format.dtype)

    @property
    def fill(self) -> Any:
        """Value of a pixel whose block is not stored, in the image's type: nodata, 0 without."""
        return self.dtype.type(0 if self.format.nodata is None else self.format.nodata)

    @property
    def used_predictor(self) -> Literal[1, 2, 3]:
        """The predictor, chosen; nothing is predicted that isn't compressed, as in GDAL."""
        if self.codec == "none":
            return 1
        return self.predictor or (3 if self.format.is_floating else 2)

    def reduction_of(self, band: int) -> Reduction:
        """Of a band, counted from 0."""
        return self.reductions[band] if self.reductions else self.reduction

    @property
    def levels(self) -> tuple[Window, ...]:
        """The pixels of each level, full resolution first; odd sides are rounded up."""
        sizes = [Window(0, 0, self.height, self.width)]
        while self._wants_more(sizes):
            sizes.append(Window(0, 0, -(-sizes[-1].height // 2), -(-sizes[-1].width // 2)))
        return tuple(sizes)

    def _wants_more(self, sizes: list[Window]) -> bool:
        last = sizes[-1]
        if last.pixels == 1:
            return False
        if self.overviews is not None:
            return len(sizes) <= self.overviews
        return last.height > self.block_height or last.width > self.block_width

    def blocks(self, level: int) -> tuple[int, int]:
        """(block rows, block columns) of a level."""
        size = self.levels[level]
        return -(-size.height // self.block_height), -(-size.width // self.block_width)

    def tags(self, level: int) -> list[Tag]:
        """All fields of the level's directory but those that say where its blocks lie."""
        size, bands = self.levels[level], self.bands
        found = [
            long(256, size.width),
            long(257, size.height),
            short(258, *[8 * self.format.itemsize] * bands),
            short(259, _COMPRESSIONS[self.codec]),
            short(262, 1),  # black is zero
            short(277, bands),
            short(284, 2 if bands > 1 else 1),  # each band a plane of its own
            long(322, self.block_width),
            long(323, self.block_height),
            short(339, *[_SAMPLE_FORMATS[self.dtype.kind]] * bands),
        ]
        if level > 0:
            found.append(long(254, 1))  # a picture of reduced resolution
        if self.used_predictor != 1:
            found.append(short(317, self.used_predictor))
        if bands > 1:
            found.append(short(338, *[0] * (bands - 2), 2 if self.alpha else 0))  # 2: unassociated alpha
        if self.format.nodata is not None:
            found.append(nodata_tag(self.format.nodata))
        return found if level > 0 else found + self._about()

    def _about(self) -> list[Tag]:
        found = list(self.georeference)
        if self.title:
            found.append(text(270, self.title.replace("\0", " ")))
        if self.name:
            found.append(text(269, self.name.replace("\0", " ")))
        if self.time is not None:
            found.append(text(306, self.time.astimezone(UTC).strftime("%Y:%m:%d %H:%M:%S")))
        items = [item(name, value) for name, value in self.metadata.items()]
        for band in range(self.bands):
            if self.descriptions and self.descriptions[band]:
                items.append(item("DESCRIPTION", self.descriptions[band], band, role="description"))
            if self.band_metadata:
                items += [item(name, value, band) for name, value in self.band_metadata[band].items()]
            if (self.scale, self.offset) != (1, 0):
                items.append(item("OFFSET", f"{self.offset:.17g}", band, role="offset"))
                items.append(item("SCALE", f"{self.scale:.17g}", band, role="scale"))
        if items:
            found.append(metadata_tag(items))
        return found
