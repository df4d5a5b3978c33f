"""What others need for the same cubes, on the images as they were: odc-stac, and rasterio for a point."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pystac
import rasterio
from odc.geo.geobox import GeoBox
from odc.stac import load
from rasterio.windows import Window

from prismcube.model.grid import Grid, transformer
from server.bench.cube.archive import described
from server.bench.cube.engines.odc_stac import TYPES
from server.bench.jobs.archive import BAND, Archive


class Peers:
    """Nothing is kept from one read to the next: files are opened anew."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._items = [
            pystac.Item.from_dict(
                described(
                    name=path.stem,
                    grid=archive.grid(date),
                    time=archive.times[date],
                    properties={},
                    hrefs={BAND: str(path)},
                )
            )
            for date, path in enumerate(map(archive.path, range(archive.size.dates)))
        ]

    def cube(self, grid: Grid) -> Any:
        """By odc-stac with two threads, (date, row, column)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of how it calls shapely and affine
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            made = load(
                self._items,
                bands=[BAND],
                geobox=GeoBox(grid.shape, grid.transform, grid.crs),
                resampling="bilinear",
                groupby="time",
                pool=2,
                stac_cfg=TYPES,
            )
        return made[BAND].values

    def point(self, grid: Grid) -> Any:
        """By rasterio's `read`, of each image the pixel that holds the middle of `grid`, (date, 1, 1)."""
        x, y = grid.transform @ (grid.width / 2, grid.height / 2)
        found = []
        for date in range(self._archive.size.dates):
            with rasterio.open(self._archive.path(date)) as source:
                row, col = source.index(*transformer(grid.crs, self._archive.crs(date)).transform(x, y))
                found.append(source.read(1, window=Window(col, row, 1, 1)))
        return np.stack(found)
