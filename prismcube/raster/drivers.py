"""Which file formats are read."""

from __future__ import annotations

from prismcube.errors import SourceError

DRIVERS = frozenset(
    {
        "AAIGrid", "COG", "DTED", "EHdr", "ENVI", "GTiff", "HDF5Image", "HFA", "JP2OpenJPEG", "JPEG", "NITF", "PCIDSK",
        "PNG", "SRTMHGT", "USGSDEM", "WEBP", "netCDF",
    }
)  # fmt: skip
"""GDAL drivers whose files hold their own pixels.

Not among them: VRT, WMS and the like, whose files only name others. One that is slipped into an archive would make the
server read whatever it names: any file of the machine, any address of its network.
"""


def check_driver(uri: str, driver: str) -> None:
    """Raises SourceError for a format that is not read. Opening such a file does no harm yet, reading would."""
    if driver not in DRIVERS:
        raise SourceError(uri, f"is of format {driver}, which is not read (a VRT names other files: index those)")
