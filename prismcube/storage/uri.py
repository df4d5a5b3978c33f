"""URIs of files: one spelling for each file, and the path that GDAL opens.

Only local files for now. The URI is plain ASCII whatever the file's name, so it can be stored, compared and logged;
the path is exact, also for a name that is not valid Unicode.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from prismcube.errors import InvalidInput

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://?")


def canonical_uri(location: str | Path) -> str:
    """`file:///...` of a local path or a file URI.

    Relative paths start at the working directory; `.` and `..` are resolved, links are not: a sidecar lies beside the
    name that was given, and an archive may move behind its links. Raises InvalidInput("uri", ...).
    """
    return "file://" + quote(os.fsencode(_path(location)))


def gdal_path(uri: str) -> str:
    """What to hand to GDAL. Raises InvalidInput("uri", ...) for one that is not local."""
    return _path(uri)


def _path(location: str | Path) -> str:
    text = os.fspath(location)
    scheme = _SCHEME.match(text) if isinstance(location, str) else None
    if scheme is not None:
        text = _path_of_uri(text, scheme["scheme"].lower())
    if not text or "\0" in text:
        raise InvalidInput("uri", f"{text!r} is not the path of a file")
    # normpath, not abspath: two leading slashes stay two in POSIX, but mean one on every system we know.
    path = "/" + os.path.abspath(text).lstrip("/")
    if path.startswith("/vsi"):
        # GDAL would take it for a virtual file, which may reach the network.
        raise InvalidInput("uri", f"{path!r} is a virtual file of GDAL; only local files are supported so far")
    return path


def _path_of_uri(text: str, scheme: str) -> str:
    if scheme != "file":
        raise InvalidInput("uri", f"{text[:200]!r}: {scheme!r} is not supported so far, only file://")
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise InvalidInput("uri", f"{text[:200]!r} is on another host ({parts.netloc}); write file:///path")
    if parts.query or parts.fragment:
        raise InvalidInput("uri", f"{text[:200]!r} has a query or fragment; write ? as %3F and # as %23")
    return os.fsdecode(unquote_to_bytes(parts.path))
