"""Versions of a file together with its sidecars: an etag that changes when any of them does.

    <etag of the file> <name of a sidecar> <its etag> ...

A georeference that lies in a sidecar may be mended there, and the file itself stay as it was.
"""

from __future__ import annotations

from collections.abc import Iterable

from prismcube.storage.buckets import Missing
from prismcube.storage.store import stat


def joint_etag(etag: str, sidecars: Iterable[tuple[str, str]]) -> str:
    """Of a file's etag, and the URI and etag of each sidecar; just the file's where there are none."""
    parts = (f"{uri.rpartition('/')[2]} {version}" for uri, version in sorted(sidecars))
    return " ".join([etag, *parts])


def is_current(uri: str, etag: str) -> bool:
    """True while a file and the sidecars that `etag` names are what they were when `inspect` told that etag.

    Raises SourceError when the file can't be asked for; a sidecar that is gone is a change.
    """
    own, *rest = etag.split(" ")
    if stat(uri).etag != own:
        return False
    folder = uri.rpartition("/")[0]
    try:
        return all(
            stat(f"{folder}/{name}").etag == version for name, version in zip(rest[::2], rest[1::2], strict=True)
        )
    except Missing:
        return False
