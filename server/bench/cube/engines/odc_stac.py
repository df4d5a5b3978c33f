"""odc-stac: items to a cube, in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pystac
from odc.geo.geobox import GeoBox
from odc.stac import load

from server.bench.cube.archive import stac_items
from server.bench.cube.cases import Part
from server.bench.cube.engines import Cube, Engine, Setup
from server.bench.cube.scenes import NODATA

TYPES = {"*": {"assets": {"*": {"data_type": "uint16", "nodata": NODATA}}}}


def make(setup: Setup) -> Engine:
    return OdcStac(setup)


class OdcStac:
    """Items as odc-stac reads them."""

    def __init__(self, setup: Setup) -> None:
        self._items = {one["id"]: pystac.Item.from_dict(one) for one in stac_items(setup.size, setup.base)}
        self._threads = setup.case.threads

    def run(self, part: Part) -> Any:
        return load(
            [self._items[one] for one in dict.fromkeys(file.item for file in part.files)],
            bands=list(part.bands),
            geobox=GeoBox(part.grid.shape, part.grid.transform, part.grid.crs),
            resampling=part.resampling,
            groupby="time",
            pool=self._threads,
            stac_cfg=TYPES,
        )

    def cube(self, part: Part, made: Any) -> Cube:
        return np.stack([made[band].values for band in part.bands], axis=1)

    def forget(self) -> None:
        """Nothing is kept: files are opened anew."""
