"""Pictures in the formats that browsers show; the register of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.io import MemoryFile

from prismcube.encode import png
from prismcube.raster.quiet import ignore_missing_georeference

Bands = npt.NDArray[np.uint8]
"""Of shape (4, height, width), red, green, blue, opacity; (3, height, width) where a format has no opacity."""


@dataclass(frozen=True, kw_only=True)
class PictureFormat:
    """How a picture is written."""

    media_type: str
    encode: Callable[[Bands], bytes]
    has_opacity: bool
    longest_side: int
    """In pixels: what the format has room for."""


def encode_jpeg(rgb: Bands) -> bytes:
    """A picture of shape (3, height, width) as JPEG of quality 85."""
    return _encode(rgb, driver="JPEG", quality=85)


def encode_webp(rgba: Bands) -> bytes:
    """A picture of shape (4, height, width) as WebP of quality 80; opacity is kept exactly."""
    return _encode(rgba, driver="WEBP", quality=80)


def _encode(bands: Bands, *, driver: str, **options: Any) -> bytes:
    count, height, width = bands.shape
    ignore_missing_georeference()
    with MemoryFile() as memory:
        with memory.open(driver=driver, width=width, height=height, count=count, dtype="uint8", **options) as file:
            file.write(bands)
        return bytes(memory.read())


PICTURES: Mapping[str, PictureFormat] = {
    "png": PictureFormat(media_type=png.MEDIA_TYPE, encode=png.encode_png, has_opacity=True, longest_side=1_000_000),
    "jpeg": PictureFormat(media_type="image/jpeg", encode=encode_jpeg, has_opacity=False, longest_side=65_500),
    "webp": PictureFormat(media_type="image/webp", encode=encode_webp, has_opacity=True, longest_side=16_383),
}
"""By the name in `f`, the default first."""
