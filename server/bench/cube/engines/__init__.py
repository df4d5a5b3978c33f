"""The engines that are measured, one module each. A module is imported in the process that measures it, and only there.

Each module has `make(setup) -> Engine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from server.bench.cube.cases import OURS, Case, Part
from server.bench.cube.scenes import Size

Cube = npt.NDArray[np.uint16]
"""(dates, bands, height, width); 0 where there is nothing."""


@dataclass(frozen=True)
class About:
    """An engine, before anything of it is imported."""

    module: str
    package: str
    """Whose version is told."""
    how: str
    """How it is used, in a sentence."""


ENGINES: Mapping[str, About] = {
    OURS: About("ours", "prismcube", "search of the catalogue, plan and execution, as a request for a coverage"),
    "odc-stac": About(
        "odc_stac",
        "odc-stac",
        "odc.stac.load with a pool of threads; items tell it grids and types; it takes overviews itself",
    ),
    "WarpedVRT": About(
        "warped_vrt",
        "rasterio",
        "rasterio: a WarpedVRT a file with the wanted grid, tolerance 0.001; with such a grid it takes no overview; "
        "points by read()",
    ),
    "reproject": About(
        "reproject",
        "rasterio",
        "rasterio: a windowed read of the coarsest overview that is fine enough, then reproject, tolerance 0.001; "
        "aligned grids are copied",
    ),
    "rio-tiler": About(
        "tiler", "rio-tiler", "Reader.part and Reader.point of each file, in threads; it takes overviews itself"
    ),
    "stackstac": About(
        "stack", "stackstac", "stackstac.stack, computed by dask's threads; WarpedVRTs, which take no overview"
    ),
    "async-geotiff": About(
        "async_tiff",
        "async-geotiff",
        "opens and reads all windows at once, from the coarsest overview that is fine enough; aligned grids are "
        "copied, others go through rasterio's reproject in threads",
    ),
}
"""By name, in the order of tables."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an engine is given to begin."""

    size: Size
    case: Case
    base: str
    """Where the images lie: a folder, or a URL."""
    home: Path
    """Of our catalogue."""


class Engine(Protocol):
    """One way to make cubes."""

    def run(self, part: Part) -> Any:
        """The cube, in whatever form the engine has it. This is what is timed."""
        ...

    def cube(self, part: Part, made: Any) -> Cube:
        """What `run` made, as an array."""
        ...

    def forget(self) -> None:
        """Drop what is kept from earlier runs, other than code and connections."""
        ...
