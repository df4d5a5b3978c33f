"""What a raster file says about itself: grid, bands, footprint. Reads headers, pixels only when told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from affine import Affine
from pyproj.exceptions import ProjError
from shapely.errors import GEOSException
from shapely.geometry import MultiPolygon

from prismcube.errors import InvalidInput, SourceError
from prismcube.model.footprint import footprint
from prismcube.model.formats import DTYPES
from prismcube.model.grid import Grid, flattened
from prismcube.model.slant import Slant
from prismcube.raster.opening import Files, opened_files
from prismcube.raster.whole import check_whole
from prismcube.storage.store import stat
from prismcube.storage.subdir import parse_subdir, split_name
from prismcube.storage.uri import canonical_uri, is_remote, without_secret
from prismcube.storage.versions import joint_etag


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
