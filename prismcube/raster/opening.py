"""Raster files opened, wherever they lie: the one door to GDAL for reading.

    opened(uri, subdir) ─┬─ local:  GDAL opens the path, nothing in between
                         └─ remote: RemoteFiles, mounted as a virtual folder of GDAL

Only the drivers of `drivers.OPENED` are tried, whatever the name of the file: content decides.
"""

from __future__ import annotations

import os
import re
import stat as mode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from urllib.parse import quote

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from prismcube.errors import SourceError
from prismcube.raster.beside import check_before, check_opened
from prismcube.raster.drivers import NAMES_OTHERS, OPENED, check_driver
from prismcube.raster.quiet import ignore_missing_georeference
from prismcube.raster.remote import PIXELS, RemoteFiles
from prismcube.storage.store import FileStatus, read_range, stat
from prismcube.storage.subdir import Subdir, gdal_name, parse_subdir
from prismcube.storage.uri import canonical_uri, gdal_path, is_remote, without_secret

GDAL_SETTINGS: dict[str, Any] = {
    # TRUE, not EMPTY_DIR: no listing of a folder of 100,000 files for each of them, yet the sidecars of this one
    # (.aux.xml, .tfw) are still looked for by name.
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_PAM_ENABLED": "YES",
    "GDAL_NUM_THREADS": "1",  # requests are parallel, not reads
    "GDAL_CACHEMAX": 64 * 2**20,  # bytes; by default a twentieth of the machine's memory, in each worker
}


NO_NETCDF = "netCDF and HDF5 are read from local files only: copy it to a disk"


class LocalFiles:
    """What a local file's versions are, once it is open."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.dataset: DatasetReader | None = None

    @property
    def status(self) -> FileStatus:
        return stat(canonical_uri(self._path))

    @property
    def sidecars(self) -> list[tuple[str, str]]:
        """URI and etag of each sidecar that GDAL uses and that may tell more than pixels."""
        used = self.dataset.files if self.dataset else ()
        # Members of an archive are not files, and change with it.
        paths = {path for path in used if path != self._path and not path.endswith(PIXELS) and os.path.isfile(path)}
        return [(uri, stat(uri).etag) for uri in map(canonical_uri, sorted(paths))]


Files = LocalFiles | RemoteFiles


@contextmanager
def opened(uri: str, subdir: str = "", *, overview: int | None = None) -> Iterator[DatasetReader]:
    """The dataset of a file, or its overview of that number, for reading within the context and by this thread.

    Raises SourceError for a file that can't be opened, is of a format that is not read (a VRT), or can't be read within
    the context; InvalidInput for a URI or subdir that is refused.
    """
    with opened_files(uri, subdir, overview=overview) as (dataset, _):
        yield dataset


@contextmanager
def opened_files(uri: str, subdir: str = "", *, overview: int | None = None) -> Iterator[tuple[DatasetReader, Files]]:
    """As `opened`, with the versions of the file and its sidecars."""
    if is_remote(uri):
        remote = RemoteFiles(canonical_uri(uri))
        with remote.mounted() as path, _open(uri, _name(path, subdir, remote), subdir, remote, overview) as dataset:
            yield dataset, remote
    else:
        local = LocalFiles(gdal_path(uri))
        _check_regular(uri, gdal_path(uri))
        check_before(uri, gdal_path(uri))
        with _open(uri, gdal_path(uri), subdir, None, overview) as dataset:
            local.dataset = dataset
            yield dataset, local


def _check_regular(uri: str, path: str) -> None:
    """Raises SourceError for pipes and devices: GDAL would wait for them, or read without end."""
    with suppress(OSError):  # of what is not there, or not allowed, GDAL tells
        kind = os.stat(path).st_mode
        if not (mode.S_ISREG(kind) or mode.S_ISDIR(kind)):
            raise SourceError(without_secret(uri), "is no regular file", cause="it is no regular file")


def _name(path: str, subdir: str, remote: RemoteFiles) -> str:
    """TIFF as it is, several tiles by one request; all else through GDAL's cache, which spares it two bugs.

    rasterio's plug-in tells the end of a file where more is to come, so that text (world files) reads as empty. And
    GDAL 3.12 closes an archive twice, at which the plug-in follows a null pointer.
    """
    is_tiff = remote.start.startswith((b"II", b"MM"))
    in_archive = parse_subdir(subdir).archive
    return path if is_tiff and not in_archive else f"/vsicached?file={quote(path)}"


@contextmanager
def _open(
    uri: str, path: str, subdir: str, remote: RemoteFiles | None, overview: int | None
) -> Iterator[DatasetReader]:
    shown = without_secret(uri)
    name, drivers = gdal_name(path, subdir), _drivers(uri, subdir, remote)
    parts = parse_subdir(subdir)
    inside = gdal_name(path, str(Subdir(parts.archive, parts.member)))
    is_open = False
    ignore_missing_georeference()
    try:
        # Not rasterio.open: it takes only one driver.
        with rasterio.Env(**GDAL_SETTINGS), ExitStack() as stack:
            if parts.archive:
                check_before(uri, inside)
            options = {} if overview is None else {"OVERVIEW_LEVEL": overview}
            dataset = stack.enter_context(DatasetReader(name, driver=drivers, **options))
            is_open = True
            check_driver(uri, dataset.driver)
            if dataset.tags(ns="OVERVIEWS"):
                raise SourceError(shown, "its sidecar names another file as overviews, which is not read")
            if remote is None or parts.archive:
                check_opened(uri, inside, dataset.files, in_archive=bool(parts.archive))
            yield dataset
            # At the end, since looking for them costs requests: what was read is lost by the error.
            if remote is not None and not parts.archive and remote.has_pixels_beside:
                check_opened(uri, inside, dataset.files, in_archive=False)
    except NotGeoreferencedWarning as error:  # where warnings are errors, as in tests
        raise SourceError(shown, "has no geotransform") from error
    except UnicodeEncodeError as error:
        raise SourceError(shown, "its name is not valid Unicode, which GDAL can't open") from error
    except RasterioError as error:
        _raise_hidden(remote)
        reason = re.sub(r"\S*/vsiriopener_\S*", "", str(error).replace(path, "")).strip(" :'") or type(error).__name__
        reason = reason.splitlines()[0]
        if is_open:
            raise SourceError(shown, reason, cause="it is damaged, or its host fails") from error
        cause = (
            "it is no raster" if overview is None else "it is no raster, or has lost its overviews since it was indexed"
        )
        raise SourceError(shown, _unopened(uri, subdir, reason), cause=cause) from error
    _raise_hidden(remote)


def _drivers(uri: str, subdir: str, remote: RemoteFiles | None) -> list[str]:
    """Those that GDAL may try. Raises SourceError for what none of them can read from there.

    netCDF and HDF5 not on remote files: those may name any file of this machine. (And netCDF would stand still: GDAL
    maps the file into memory and fetches its pages in a thread that waits for Python's lock, which is held by the one
    that waits for the page.)
    """
    if remote is None:
        return list(OPENED)
    is_hdf = not subdir and remote.start.startswith(b"\x89HDF")
    if is_hdf or parse_subdir(subdir).prefix in ("NETCDF", "HDF5"):
        raise SourceError(without_secret(uri), NO_NETCDF)
    return [driver for driver in OPENED if driver not in ("netCDF", "HDF5", "HDF5Image")]


def _raise_hidden(remote: RemoteFiles | None) -> None:
    """What GDAL took for the end of the file."""
    if remote is not None and remote.error is not None:
        raise remote.error


def _unopened(uri: str, subdir: str, reason: str) -> str:
    if not subdir:
        try:
            start = read_range(uri, 0, 512)
        except SourceError:
            start = b""
        if b"<VRTDataset" in start:
            return f"is of format VRT, {NAMES_OTHERS}"
        if is_remote(uri) and start.startswith(b"CDF"):
            return NO_NETCDF
        if start.startswith(b"PK\x03\x04"):
            return "is a zip archive; name one of its members as subdir: zip/path/in/it"
    inner = f"{subdir}: " if subdir else ""
    return f"{inner}is not a raster that can be read ({reason})"
