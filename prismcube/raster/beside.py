"""What GDAL opens besides a file: its sidecars and nothing else, so that no file can make the server read another."""

from __future__ import annotations

import os
from itertools import product

from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from prismcube.errors import SourceError
from prismcube.raster.remote import PIXELS, is_tiff
from prismcube.storage.uri import without_secret

SIDECARS = frozenset({".aux.xml", ".clr", ".hdr", ".prj", ".sta", ".stx", ".tab", ".vat.dbf", ".wld", ".xml", *PIXELS})
"""Ends of names, behind the file's own with or without its extension. World files (`.tfw`) on top: `_worlds`."""

METADATA = ("_metadata.txt", "_mtl.txt", "_mtl.xml", "_rpc.txt", ".att", ".eph", ".geo", ".imd", ".pvl", ".rpb", ".xml")
"""Ends of the names of texts that come with a product, whatever they begin with."""


def check_before(uri: str, path: str) -> None:
    """Raises SourceError for overviews and masks that are no TIFF: GDAL would open a VRT there, and read what it names.

    `path` is GDAL's, of a local file or of a member of an archive. Those of remote files: see `RemoteFiles`.
    """
    for end in (*PIXELS, *(end.upper() for end in PIXELS)):
        beside = path + end
        if not _is_tiff_or_missing(beside):
            raise SourceError(without_secret(uri), f"the {end} file beside it is no TIFF")
        # They may have some in turn. Within archives each look costs; there `check_opened` sees to the rest.
        if os.path.isfile(beside):
            check_before(uri, beside)


def check_opened(uri: str, path: str, used: list[str], *, in_archive: bool) -> None:
    """Raises SourceError when any but the file itself and its sidecars is among those that GDAL uses."""
    folder, _, name = path.rpartition("/")
    for one in used:
        its_folder, _, its_name = one.rpartition("/")
        if one == path:
            continue
        # An ERDAS .aux may name further files; so it is taken from the machine's own folders only.
        if its_folder != folder or not _is_sidecar(its_name.lower(), name.lower(), with_aux=not in_archive):
            raise SourceError(without_secret(uri), "names another file as part of it, which is not read")
        if its_name.lower().endswith(PIXELS) and not _is_tiff_or_missing(one):
            raise SourceError(without_secret(uri), f"the .{one.rpartition('.')[2]} file beside it is no TIFF")


def _is_sidecar(name: str, of: str, *, with_aux: bool) -> bool:
    """Of names in lower case."""
    stem = of.rpartition(".")[0] or of
    ends = {*SIDECARS, *_worlds(of), *((".aux",) if with_aux else ())}
    ends |= {one + other for one, other in product(PIXELS, (*PIXELS, ".aux.xml"))}
    return name.endswith(METADATA) or any(name == begin + end for begin in (of, stem) for end in ends)


def _worlds(of: str) -> tuple[str, ...]:
    extension = of.rpartition(".")[2]
    return (f".{extension}w", f".{extension[:1]}{extension[-1:]}w")


def _is_tiff_or_missing(path: str) -> bool:
    if not path.startswith("/vsi"):
        if not os.path.isfile(path):
            return True
        with open(path, "rb") as file:
            return is_tiff(file.read(4))
    try:
        DatasetReader(path, driver=["GTiff"]).close()
    except RasterioError as error:
        return "does not exist in the file system" in str(error) or "No such file" in str(error)
    return True
