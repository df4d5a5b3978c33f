"""What a raster file says about itself: grid, bands, footprint. Reads headers, pixels only when told."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from pyproj.exceptions import ProjError
from shapely.errors import GEOSException
from shapely.geometry import MultiPolygon, Polygon

from prismcube.errors import InvalidInput, SourceError
from prismcube.model.formats import DTYPES
from prismcube.model.globe import on_globe, polygons
from prismcube.model.grid import CRS84, Grid, flattened, parse_crs, transformer
from prismcube.model.slant import Slant
from prismcube.raster.opening import Files, opened_files
from prismcube.raster.whole import check_whole
from prismcube.storage.store import stat
from prismcube.storage.subdir import parse_subdir, split_name
from prismcube.storage.uri import canonical_uri, is_remote, without_secret
from prismcube.storage.versions import joint_etag

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
    """Of the pixels; around them where they have a slant."""
    dtypes: tuple[str, ...]
    """Of each band; all are among `DTYPES`."""
    nodata: tuple[float | None, ...]
    """Of each band, as the file says: it may be no value of the band's type."""
    descriptions: tuple[str, ...]
    """Of each band; empty where there is none."""
    footprint: MultiPolygon
    """Longitude, latitude; of the pixels' outline, densified, split at the date line."""
    etag: str
    """Changes when the file or one of its `sidecars` does, see `prismcube.storage.versions`."""
    interleave: str
    """`pixel`, `band` or `line`; empty when the format does not say."""
    subdir: str = ""
    """What of the file this is, see `prismcube.storage.subdir`; empty for the file itself."""
    driver: str = ""
    """GDAL's name of the format, by the content: a JPEG 2000 named `.tif` is `JP2OpenJPEG`."""
    subdatasets: tuple[str, ...] = ()
    """Subdirs of what else is in the file: variables, pages."""
    slant: Slant | None = None
    """How the pixels lie when not on `grid`."""
    sidecars: tuple[str, ...] = ()
    """URIs of the files beside it that were used, other than overviews and masks; sorted."""

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.dtypes)


def inspect(uri: str, subdir: str = "", *, deep: bool = False) -> RasterInfo:
    """The header of a raster file, given by URI or local path, or of what is inside it.

    `deep` reads all pixels, so that a truncated file is found, and damage that its compression can tell.

    Raises SourceError, naming file and reason, for one that the catalogue can't hold, and InvalidInput for a URI or
    subdir that is refused.
    """
    uri, subdir = canonical_uri(uri), str(parse_subdir(subdir))
    if not is_remote(uri):
        stat(uri)  # GDAL's words for a missing file or a folder are many
    with opened_files(uri, subdir) as (source, files):
        info = _read(source, uri, subdir, files)
        check_whole(source, uri, files.status.size, deep=deep)
    return info


def _read(source: Any, uri: str, subdir: str, files: Files) -> RasterInfo:
    shown = without_secret(uri)
    subdatasets = _subdatasets(source, subdir)
    if source.count == 0:
        listed = ", ".join(subdatasets[:20]) + (", ..." if len(subdatasets) > 20 else "")
        raise SourceError(shown, f"has no bands of its own, but {len(subdatasets)} subdataset(s): {listed}")
    for band, dtype in enumerate(source.dtypes, start=1):
        if dtype not in DTYPES:
            raise SourceError(shown, f"band {band} is of type {dtype}; supported are {', '.join(DTYPES)}")
    grid, slant = _place(source, shown)
    try:
        outline = footprint(grid, slant)
    except InvalidInput as error:
        raise SourceError(shown, error.reason) from error
    except (ProjError, GEOSException) as error:
        raise SourceError(shown, f"its bounds can't be expressed in longitude and latitude ({error})") from error
    sidecars = files.sidecars
    return RasterInfo(
        uri=uri,
        subdir=subdir,
        driver=source.driver,
        grid=grid,
        slant=slant,
        dtypes=tuple(source.dtypes),
        nodata=tuple(source.nodatavals),
        descriptions=tuple(text or "" for text in source.descriptions),
        footprint=outline,
        etag=joint_etag(files.status.etag, sidecars),
        interleave=source.interleaving.value.lower() if source.interleaving else "",
        subdatasets=subdatasets,
        sidecars=tuple(sorted(one for one, _ in sidecars)),
    )


def _subdatasets(source: Any, subdir: str) -> tuple[str, ...]:
    """As subdirs of the file; without those that are of no form we know."""
    archive = replace(parse_subdir(subdir), prefix="", name="")
    found = []
    for name in source.subdatasets:
        with suppress(InvalidInput):
            inner = parse_subdir(split_name(name)[1])
            found.append(str(replace(archive, prefix=inner.prefix, name=inner.name)))
    return tuple(one for one in found if one)


def _place(source: Any, uri: str) -> tuple[Grid, Slant | None]:
    """Where the pixels lie: on a north-up grid, or with a slant in one."""
    transform: Affine = source.transform
    if transform == Affine.identity():
        if source.gcps[0]:
            raise SourceError(uri, "is georeferenced by ground control points only; preprocess it first (warp)")
        if source.rpcs is not None:
            raise SourceError(uri, "is georeferenced by rational polynomials (RPC) only; preprocess it first (warp)")
        if source.crs is None:
            raise SourceError(uri, "has no coordinate reference system and no geotransform (is a sidecar missing?)")
        raise SourceError(uri, "has no geotransform")
    if source.crs is None:
        raise SourceError(uri, "has no coordinate reference system (is a sidecar missing?)")
    try:
        crs = flattened(source.crs.to_wkt())
        if transform.b == transform.d == 0 and transform.a > 0 > transform.e:
            return Grid(crs, transform, source.height, source.width), None
        slant = Slant(transform, source.height, source.width)
        return slant.upright(crs), slant
    except InvalidInput as error:
        raise SourceError(uri, f"{error.parameter} {error.reason}") from error


@lru_cache(maxsize=1024)  # images of one place share it
def footprint(grid: Grid, slant: Slant | None = None) -> MultiPolygon:
    """The outline of a grid, or of the pixels that lie in it with a slant, as valid polygons within [-180, 180] x
    [-90, 90], cut at the date line, closed over a pole.

    Raises InvalidInput("footprint", ...) when its edge has no place on the globe.
    """
    lon, lat = _edge(grid, slant)
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
    outline = polygons(shapely.set_precision(on_globe(polygon), 10.0**-DECIMALS))
    if outline.is_empty:
        raise InvalidInput("footprint", "its bounds have no area on the globe")
    return outline


def _edge(grid: Grid, slant: Slant | None) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Longitudes and latitudes along the closed edge, clockwise from the first pixel's corner."""
    bounds = grid.bounds
    if parse_crs(grid.crs).is_geographic and not -720 <= bounds.west <= bounds.east <= 720:
        # 0 to 360 is a habit, and half a pixel more; beyond is a wrong header.
        raise InvalidInput("footprint", f"its longitudes are {bounds.west:g} to {bounds.east:g}")
    along = np.linspace(0, 1, POINTS)
    near, far = np.zeros(POINTS - 1), np.ones(POINTS - 1)
    right = np.concatenate([along[:-1], far, along[:0:-1], near, along[:1]])
    down = np.concatenate([near, along[:-1], far, along[:0:-1], along[:1]])
    if slant is None:
        xs = bounds.west + (bounds.east - bounds.west) * right
        ys = bounds.north + (bounds.south - bounds.north) * down
    else:
        t, cols, rows = slant.transform, right * slant.width, down * slant.height
        xs, ys = t.a * cols + t.b * rows + t.c, t.d * cols + t.e * rows + t.f
    lon, lat = transformer(grid.crs, CRS84).transform(xs, ys)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise InvalidInput("footprint", "its bounds have no place on the globe")
    return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
