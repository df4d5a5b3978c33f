"""Which file formats are read."""

from __future__ import annotations

from prismcube.errors import SourceError
from prismcube.storage.uri import without_secret

DRIVERS = frozenset(
    {
        "AAIGrid", "COG", "DTED", "EHdr", "ENVI", "GTiff", "HDF5Image", "JP2OpenJPEG", "JPEG", "NITF", "PNG", "SRTMHGT",
        "USGSDEM", "WEBP", "netCDF",
    }
)  # fmt: skip
"""GDAL drivers whose files hold their own pixels.

Not among them: VRT, WMS and the like, whose files only name others. One that is slipped into an archive would make the
server read whatever it names: any file of the machine, any address of its network.

Nor PCIDSK and HFA: their headers may name a file for the pixels (FILE interleaving, `.ige` and `.rrd`). HDF5, and so
netCDF 4, may name others too (external storage and links, virtual datasets), and their library opens those behind
GDAL's back: so they are read from the machine's own disks only, where files are trusted.
"""

OPENED = (*sorted(DRIVERS), "HDF5")
"""Those that GDAL may try. HDF5 only lists what is in a file, HDF5Image reads it."""


def check_driver(uri: str, driver: str) -> None:
    """Raises SourceError for a format that is not read. GDAL is not even asked to open one, see `OPENED`."""
    if driver not in OPENED:
        raise SourceError(without_secret(uri), f"is of format {driver}, {NAMES_OTHERS}")


NAMES_OTHERS = "which is not read (a VRT names other files: index those)"
