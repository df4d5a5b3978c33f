"""Whose files are ours: those below one folder, which alone we ever remove."""

from __future__ import annotations

import os
from pathlib import Path

from prismcube.storage.uri import gdal_path, is_remote


def is_below(uri: str, folder: str) -> bool:
    """True when a file lies in a folder, also once links are followed."""
    if is_remote(uri) or is_remote(folder):
        return uri.startswith(f"{folder.rstrip('/')}/") and "/../" not in uri
    return Path(os.path.realpath(gdal_path(uri))).is_relative_to(os.path.realpath(gdal_path(folder)))
