"""What a raster file says about itself: grid, bands, footprint. Reads headers, no pixels."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from pyproj.exceptions import ProjError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from shapely import affinity
from shapely.errors import GEOSException
from shapely.geometry import MultiPolygon, Polygon, box

from prismcube.errors import InvalidInput, SourceError
from prismcube.model.formats import DTYPES
from prismcube.model.grid import CRS84, Grid, crs_name, parse_crs, transformer
from prismcube.raster.drivers import check_driver
from prismcube.raster.quiet import ignore_missing_georeference
from prismcube.storage.uri import canonical_uri, gdal_path

GDAL_OPTIONS: dict[str, Any] = {
    # TRUE, not EMPTY_DIR: no listing of a folder of 100,000 files for each of them, yet the sidecars of this one
    # (.aux.xml, .tfw) are still looked for by name.
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_PAM_ENABLED": "YES",
}

POINTS = 21
"""Points a side, before those that add nothing are dropped; as GDAL densifies."""

TOLERANCE = 0.1
"""How far a dropped point may have been from the line, in pixels."""

DECIMALS = 9
"""Of a degree, about 0.1 mm: hides the last bits, in which versions of PROJ differ, from the hash of an AOI."""


@dataclass(frozen=True, kw_only=True)
class RasterInfo:
    """The header of a raster file."""

    uri: str
    """Canonical, see `prismcube.storage.uri`."""
    grid: Grid
    dtypes: tuple[str, ...]
    """Of each band; all are among `DTYPES`."""
    nodata: tuple[float | None, ...]
    """Of each band, as the file says: it may be no value of the band's type."""
    descriptions: tuple[str, ...]
    """Of each band; empty where there is none."""
    footprint: MultiPolygon
    """Longitude, latitude; of the file's bounds, densified, split at the date line."""
    etag: str
    """Size and time of change: `<bytes>-<nanoseconds>`."""
    interleave: str
    """`pixel`, `band` or `line`; empty when the format does not say."""

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.dtypes)


def inspect(uri: str) -> RasterInfo:
    """The header of a raster file, given by URI or local path.

    Raises SourceError, naming file and reason, for one that the catalogue can't hold, and InvalidInput("uri", ...).
    """
    uri = canonical_uri(uri)
    path = gdal_path(uri)
    try:
        status = os.stat(path)
    except OSError as error:
        raise SourceError(uri, "not found" if isinstance(error, FileNotFoundError) else str(error.strerror)) from error
    if not os.path.isfile(path):
        raise SourceError(uri, "is not a file")
    ignore_missing_georeference()
    try:
        with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path) as source:
            check_driver(uri, source.driver)
            return _read(source, uri, etag=f"{status.st_size}-{status.st_mtime_ns}")
    except NotGeoreferencedWarning as error:  # where warnings are errors, as in tests
        raise SourceError(uri, "has no geotransform") from error
    except UnicodeEncodeError as error:
        raise SourceError(uri, "its name is not valid Unicode, which GDAL can't open") from error
    except RasterioError as error:
        raise SourceError(uri, f"is not a raster that can be read ({error})") from error


def _read(source: Any, uri: str, *, etag: str) -> RasterInfo:
    if source.count == 0:
        raise SourceError(uri, f"has no bands of its own, but {len(source.subdatasets)} subdataset(s)")
    for band, dtype in enumerate(source.dtypes, start=1):
        if dtype not in DTYPES:
            raise SourceError(uri, f"band {band} is of type {dtype}; supported are {', '.join(DTYPES)}")
    grid = _grid(source, uri)
    try:
        outline = footprint(grid)
    except InvalidInput as error:
        raise SourceError(uri, error.reason) from error
    except (ProjError, GEOSException) as error:
        raise SourceError(uri, f"its bounds can't be expressed in longitude and latitude ({error})") from error
    return RasterInfo(
        uri=uri,
        grid=grid,
        dtypes=tuple(source.dtypes),
        nodata=tuple(source.nodatavals),
        descriptions=tuple(text or "" for text in source.descriptions),
        footprint=outline,
        etag=etag,
        interleave=source.interleaving.value.lower() if source.interleaving else "",
    )


def _grid(source: Any, uri: str) -> Grid:
    transform: Affine = source.transform
    if transform == Affine.identity():
        if source.gcps[0]:
            raise SourceError(uri, "is georeferenced by ground control points only; warp it to a grid first")
        if source.crs is None:
            raise SourceError(uri, "has no coordinate reference system and no geotransform (is a sidecar missing?)")
        raise SourceError(uri, "has no geotransform")
    if source.crs is None:
        raise SourceError(uri, "has no coordinate reference system (is a sidecar missing?)")
    if transform.b or transform.d:
        raise SourceError(uri, "is rotated; warp it to a north-up grid first")
    try:
        return Grid(crs_name(source.crs.to_wkt()), transform, source.height, source.width)
    except InvalidInput as error:
        raise SourceError(uri, f"{error.parameter} {error.reason}") from error


@lru_cache(maxsize=1024)  # images of one place share it
def footprint(grid: Grid) -> MultiPolygon:
    """The outline of a grid as valid polygons within [-180, 180] x [-90, 90], cut at the date line, closed over a pole.

    Raises InvalidInput("footprint", ...) when its edge has no place on the globe.
    """
    lon, lat = _edge(grid)
    lon = np.unwrap(lon, period=360)
    turn = lon[-1] - lon[0]
    ring = np.column_stack([lon, lat])
    around_pole = abs(turn) > 180  # the edge went round the Earth
    if around_pole:
        pole = math.copysign(90, lat.mean())
        ring = np.vstack([ring, [[lon[-1], pole], [lon[0], pole]]])
    polygon: Any = shapely.make_valid(Polygon(ring))
    if not around_pole:  # there a pixel is a tenth of a degree high and many wide: no one number says how near is near
        degrees_a_pixel = shapely.length(polygon) / max(1, 2 * (grid.width + grid.height))
        polygon = shapely.simplify(polygon, TOLERANCE * degrees_a_pixel)
    outline = _polygons(shapely.set_precision(_split(polygon), 10.0**-DECIMALS))
    if outline.is_empty:
        raise InvalidInput("footprint", "its bounds have no area on the globe")
    return outline


def _edge(grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Longitudes and latitudes along the closed edge, clockwise from the first pixel's corner."""
    bounds = grid.bounds
    if parse_crs(grid.crs).is_geographic and not -720 <= bounds.west <= bounds.east <= 720:
        # 0 to 360 is a habit, and half a pixel more; beyond is a wrong header.
        raise InvalidInput("footprint", f"its longitudes are {bounds.west:g} to {bounds.east:g}")
    along = np.linspace(0, 1, POINTS)
    x = bounds.west + (bounds.east - bounds.west) * along
    y = bounds.north + (bounds.south - bounds.north) * along
    east, south = np.full(POINTS - 1, bounds.east), np.full(POINTS - 1, bounds.south)
    west, north = np.full(POINTS - 1, bounds.west), np.full(POINTS - 1, bounds.north)
    xs = np.concatenate([x[:-1], east, x[:0:-1], west, x[:1]])
    ys = np.concatenate([north, y[:-1], south, y[:0:-1], y[:1]])
    lon, lat = transformer(grid.crs, CRS84).transform(xs, ys)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise InvalidInput("footprint", "its bounds have no place on the globe")
    return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)


def _split(polygon: Any) -> Any:
    """The polygon with each part moved into [-180, 180]."""
    west, _, east, _ = polygon.bounds
    parts = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360)):
        part = shapely.intersection(polygon, box(360 * turn - 180, -90, 360 * turn + 180, 90))
        parts.append(affinity.translate(part, xoff=-360 * turn))
    return shapely.union_all(parts)


def _polygons(geometry: Any) -> MultiPolygon:
    """The polygons among the parts of a geometry; lines and points, left over from a cut, go."""
    parts = getattr(geometry, "geoms", [geometry])
    return MultiPolygon([part for part in parts if isinstance(part, Polygon) and not part.is_empty])
