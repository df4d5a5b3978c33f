"""The header of a file as it is now, wherever it lies.

current_header(uri, subdir) ─ local:  pread, between two looks at the file's state
                            ─ remote: the first 64 kB and its state by one request, all else by few
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from prismcube.errors import SourceError
from prismcube.storage.store import read_range, read_start, stat
from prismcube.storage.subdir import parse_subdir
from prismcube.storage.uri import canonical_uri, gdal_path, is_remote
from prismcube.tiff.layout import Header, Layout, NotUnderstood
from prismcube.tiff.parse import read_layout, read_layouts
from prismcube.tiff.tags import Read

START = 2**16
"""Bytes of a remote file that are read at once: the header of most, but for files of thousands of blocks."""
ATTEMPTS = 3
"""At a local file that is written meanwhile."""


def current_header(uri: str, subdir: str = "") -> Header:
    """The header of a file, or of one of its pages, read anew; without a layout, and with the reason, when it is none
    that is understood.

    Raises SourceError when the file can't be read, InvalidInput for a URI or subdir that is refused.
    """
    inner = parse_subdir(subdir)
    if inner.archive or inner.prefix not in ("", "GTIFF_DIR"):
        uri = canonical_uri(uri)
        etag = read_start(uri, START)[0].etag if is_remote(uri) else _state(uri)[0]
        return Header(layout=None, reason="a member of an archive" if inner.archive else "no TIFF", etag=etag)
    page = int(inner.name) if inner.prefix else None
    [found], etag = _current(uri, lambda read, size: [read_layout(read, size=size, page=page)])
    return _header(found, etag)


def current_headers(uri: str) -> list[Header]:
    """The headers of all pages of a file (`GTIFF_DIR:1` and on), as `current_header` gives each, each directory read
    once: of many pages, one by one they would cost the square. Raises as it does.
    """
    found, etag = _current(uri, lambda read, size: read_layouts(read, size=size))
    return [_header(one, etag) for one in found]


_Found = Layout | NotUnderstood


def _current(uri: str, look: Callable[[Read, int], Sequence[_Found]]) -> tuple[Sequence[_Found], str]:
    """What is found in a file, and its etag then."""
    uri = canonical_uri(uri)
    if is_remote(uri):
        status, start = read_start(uri, START)
        etag, size = status.etag, status.size
        read = _ahead(uri, start)
    else:
        etag, size = _state(uri)
        read = _local(uri)
    for _ in range(ATTEMPTS):
        found: Sequence[_Found]
        try:
            found = look(read, size)
        except NotUnderstood as error:
            found = [error]
        if is_remote(uri) or _state(uri) == (etag, size):
            return found, etag
        etag, size = _state(uri)
    raise SourceError(uri, "is being written")


def _header(found: _Found, etag: str) -> Header:
    if isinstance(found, NotUnderstood):
        return Header(layout=None, reason=str(found), etag=etag)
    return Header(layout=found, etag=etag)


def _state(uri: str) -> tuple[str, int]:
    status = stat(uri)
    return status.etag, status.size


def _local(uri: str) -> Read:
    path = gdal_path(uri)

    def read(start: int, length: int) -> bytes:
        try:
            file = os.open(path, os.O_RDONLY)
            try:
                return os.pread(file, length, start)
            finally:
                os.close(file)
        except OSError as error:
            raise SourceError(uri, str(error.strerror or error)) from error

    return read


def _ahead(uri: str, first: bytes) -> Read:
    """Reads a remote file, so much at a time that neighbours come along."""
    place, kept = 0, first

    def read(start: int, length: int) -> bytes:
        nonlocal place, kept
        if not place <= start <= start + length <= place + len(kept):
            place, kept = start, read_range(uri, start, max(length, START))
        return kept[start - place :][:length]

    return read
