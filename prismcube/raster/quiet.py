"""Keeps one warning of rasterio's from users."""

from __future__ import annotations

import warnings

from rasterio.errors import NotGeoreferencedWarning


def ignore_missing_georeference() -> None:
    """Silence rasterio's warning about files without georeferencing: sources become a SourceError, pictures have none.

    `warnings.catch_warnings` is not safe in threads, so the filter is set for good.
    """
    if not any(item[0] == "ignore" and item[2] is NotGeoreferencedWarning for item in warnings.filters):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
