"""What is consolidated of the images: a cell of zone 32, all dates of it in one file (MUCOG, zstd-1)."""

from __future__ import annotations

from datetime import datetime

from prismcube.model.grid import Grid
from server.bench.cube.scenes import BANDS, ZONES, Size, scene_grid

BAND = BANDS[0]
FOLDER = "consolidated"
NAME = f"{FOLDER}/{BAND}.tif"
"""In the folder of the images."""

COLLECTION = "bench-cell"
"""Of our catalogue."""


def cell_grid(size: Size) -> Grid:
    """Around the middle; neither the scenes' blocks nor the small cube begin where one of its blocks does."""
    start = (size.pixels - size.large) // 2 - size.large // 20
    return scene_grid(size, ZONES[0]).shifted(start, start, height=size.large, width=size.large)


def cell_block(size: Size) -> int:
    """A side of its blocks."""
    return size.block // 2


def record_name(time: datetime) -> str:
    return f"CELL_{time:%Y%m%d}"
