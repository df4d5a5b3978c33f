"""Whose files are ours: those below one folder, which alone we ever remove."""

from __future__ import annotations

from prismcube.storage.doors import Doors


def is_below(uri: str, folder: str) -> bool:
    """True when a file lies in a folder, also once links are followed. Both are canonical URIs."""
    return Doors(roots=(folder.rstrip("/"),)).is_below(uri)
