"""stackstac: items to a dask array, computed by threads."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import stackstac
from rasterio.enums import Resampling

from prismcube.model.grid import parse_crs
from server.bench.cube.archive import stac_items
from server.bench.cube.cases import Part
from server.bench.cube.engines import Cube, Engine, Setup
from server.bench.cube.engines.planes import fill
from server.bench.cube.scenes import NODATA


def make(setup: Setup) -> Engine:
    return Stackstac(setup)


class Stackstac:
    """Items as stackstac reads them."""

    def __init__(self, setup: Setup) -> None:
        self._items = {one["id"]: one for one in stac_items(setup.size, setup.base)}
        self._threads = setup.case.threads

    def run(self, part: Part) -> Any:
        array = stackstac.stack(
            [self._items[one] for one in dict.fromkeys(file.item for file in part.files)],
            assets=list(part.bands),
            epsg=parse_crs(part.grid.crs).to_epsg(),
            resolution=part.grid.resolution,
            bounds=part.grid.bounds.as_tuple(),
            snap_bounds=False,
            resampling=Resampling[part.resampling],
            chunksize=max(part.grid.shape),
            dtype=np.dtype("uint16"),
            fill_value=np.uint16(NODATA),
            rescale=False,
            properties=False,
            band_coords=False,
        )
        pixels = array.data.compute(scheduler="threads", num_workers=self._threads)
        return self._mosaic(part, [str(one) for one in array["id"].values], pixels)

    def cube(self, part: Part, made: Cube) -> Cube:
        return made

    def forget(self) -> None:
        """Nothing is kept: files are opened anew."""

    def _mosaic(self, part: Part, items: list[str], pixels: Any) -> Cube:
        """One slice an item to one a date, the last on top; items come by time, those beside the grid are left out."""
        date_of = {one.item: one.date for one in part.files}
        slices: dict[int, Any] = {}
        for at in reversed(range(len(items))):
            date = date_of[items[at]]
            if date in slices:
                fill(slices[date], partial(pixels.__getitem__, at))
            else:
                slices[date] = pixels[at]
        if len(slices) == len(items) == len(part.dates):
            return np.asarray(pixels)
        nothing = np.full(part.shape[1:], NODATA, np.uint16)
        return np.stack([slices.get(date, nothing) for date in part.dates])
