"""The images that are consolidated, and home folders whose catalogue knows them.

The scenes are those of `server.bench.cube.scenes`, smaller: a date each of the same place. In the case of two zones,
every other one lies in the zone beside, and is warped.

    make(folder, ...) ─ a process a core ─ images, kept ─┐
    new_home(home, ...) ─────────────────────────────────┴─ index, a layout of one cell
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from affine import Affine

from config.settings import Settings
from ingester.index import Options
from prismcube.errors import PrismcubeError
from prismcube.model.grid import Grid, transformer
from server import operations
from server.bench.consolidation import put_layout
from server.bench.cube import scenes
from server.bench.home import settings_of
from server.bench.jobs.sizes import Size
from server.bench.progress import Progress

BAND, COLLECTION, LAYOUT, INSTANCE = "B04", "bench", "bench-cell", "bench-B04/made"

CELL_BLOCK = 256
"""A side of the blocks of the new file."""

SLANT = 1.08
"""How much wider a square is that holds another, turned by the four degrees between the zones."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Images of many dates of one place."""

    folder: Path
    size: Size
    zones: int
    """1, or 2: every other date lies in the zone beside."""

    @property
    def times(self) -> list[datetime]:
        """Of the dates."""
        return [scenes.T0 + date * scenes.EVERY for date in range(self.size.dates)]

    def crs(self, date: int) -> str:
        return scenes.ZONES[date % self.zones]

    def path(self, date: int) -> Path:
        return self.folder / f"S2_{self.times[date]:%Y%m%d}_{self.crs(date)[-2:]}N_{BAND}.tif"

    def grid(self, date: int) -> Grid:
        """Of an image."""
        return _around_centre(self.crs(date), self.size.pixels)

    @property
    def cell(self) -> Grid:
        """Of the new file: that of the images, or one that holds all of them."""
        side = self.size.pixels
        if self.zones > 1:
            side = int(-(-side * SLANT // (2 * CELL_BLOCK))) * 2 * CELL_BLOCK
        return _around_centre(scenes.ZONES[0], side)

    @property
    def raw_bytes(self) -> int:
        """Of the pixels of all dates in the new file."""
        return self.cell.pixels * 2 * self.size.dates


def _around_centre(crs: str, side: int) -> Grid:
    x, y = scenes.CENTRE_X[scenes.ZONES[0]], scenes.CENTRE_Y
    if crs != scenes.ZONES[0]:
        x, y = (round(one / scenes.PIXEL) * scenes.PIXEL for one in transformer(scenes.ZONES[0], crs).transform(x, y))
    half = scenes.PIXEL * side / 2
    return Grid(crs, Affine(scenes.PIXEL, 0, x - half, 0, -scenes.PIXEL, y + half), side, side)


def make(folder: Path, size: Size, *, zones: int, progress: Progress) -> Archive:
    """The images below `folder`; those that are there already are kept."""
    place = folder / f"jobs-{size.name}-{zones}"
    archive = Archive(folder=place, size=size, zones=zones)
    scenes.keep_only(
        place,
        {"version": scenes.VERSION, "seed": scenes.SEED, "pixels": size.pixels, "block": size.block, "zones": zones},
    )
    missing = [date for date in range(size.dates) if not archive.path(date).exists()]
    wanted = [partial(_make_image, archive, date) for date in missing]
    start = get_context("spawn")
    scenes.make_scenes(place, size.pixels, wanted, start, files=len(wanted), progress=progress)
    return archive


def _make_image(archive: Archive, date: int, texture: scenes.Pixels) -> int:
    scene = scenes.made_scene(texture, np.random.default_rng([scenes.SEED, date, 0]))
    scene[scenes.made_clouds(archive.size.pixels, np.random.default_rng([scenes.SEED, date]))] = scenes.NODATA
    scenes.write_image(archive.path(date), scene, block=archive.size.block, grid=archive.grid(date))
    return 1


def new_home(home: Path, archive: Archive) -> Settings:
    """A home folder whose catalogue has the images, and a layout with one cell for all of them."""
    home.mkdir(parents=True)
    settings = settings_of(home)
    mapping = home / "mapping.yml"
    mapping.write_text(yaml.safe_dump(_MAPPING))
    files = [archive.path(date) for date in range(archive.size.dates)]
    summary = operations.index(settings, files, mapping=mapping, options=Options(), progress=lambda _: None)
    if summary.failed:
        raise PrismcubeError(f"{summary.failed} images were not indexed")
    cell = archive.cell
    put_layout(settings, LAYOUT, cell, dates=archive.size.dates, block=min(CELL_BLOCK, cell.width), cells=1)
    return settings


_MAPPING = {
    "variables": {
        INSTANCE.partition("/")[0]: {
            "bands": [BAND],
            "dtype": "uint16",
            "nodata": scenes.NODATA,
            "resampling": "bilinear",
        }
    },
    "files": [
        {
            "pattern": rf"S2_(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)_\d\dN_{BAND}\.tif",
            "record": "S2_{year}{month}{day}",
            "time": "{year}-{month}-{day}",
            "datasets": [{"instance": INSTANCE, "bands": [1]}],
        }
    ],
    "collections": {COLLECTION: {"fields": {BAND: {"instance": INSTANCE}}}},
}
