"""Headers of files, as they were when the files were indexed: where their blocks lie, or why GDAL must read them.

Rows belong to a container and are not entities of their own: nobody but the indexer writes them, and they go with it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from sqlalchemy import Connection, bindparam, delete, or_, select

from prismcube.catalogue.bulk import CHUNK, insert_rows
from prismcube.catalogue.engine import Session
from prismcube.catalogue.tables import container, tiff_header
from prismcube.model.entities import Dataset
from prismcube.tiff.layout import Header, Layout, NotUnderstood
from prismcube.tiff.packed import pack, unpack

OF_CONTAINERS = select(tiff_header).where(tiff_header.c.container_id.in_(bindparam("ids", expanding=True)))
STATES = (
    select(container.c.uri, tiff_header.c.subdir, tiff_header.c.etag, tiff_header.c.reason)
    .join(container, container.c.id == tiff_header.c.container_id)
    .where(container.c.uri.in_(bindparam("uris", expanding=True)))
)
NO_LONGER = delete(tiff_header).where(
    tiff_header.c.container_id == bindparam("key"),
    or_(tiff_header.c.subdir == bindparam("directory"), tiff_header.c.etag != bindparam("state")),
)


@dataclass(frozen=True, kw_only=True)
class HeaderState:
    """What is stored of a header, but for the layout itself."""

    etag: str
    """See `Header`."""
    reason: str
    """Why GDAL reads the file; empty where a layout is stored."""


class Headers:
    """The stored headers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, datasets: Iterable[Dataset]) -> dict[tuple[str, str], Header]:
        """What is stored of the files of datasets, by (uri, subdir); those of which nothing is are left out."""
        wanted = {(one.container_id, one.subdir): one.uri for one in datasets}
        ids = sorted({container_id for container_id, _ in wanted})
        found = {}
        with self._session.read() as connection:
            for some in batched(ids, CHUNK):
                for row in connection.execute(OF_CONTAINERS, {"ids": some}):
                    uri = wanted.get((row.container_id, row.subdir))
                    if uri is not None:
                        found[uri, row.subdir] = header_of(row.packed, row.reason, row.etag)
        return found

    def states(self, uris: Sequence[str]) -> dict[str, dict[str, HeaderState]]:
        """Of files, a few hundred at a time, what is known by subdir; files without any are left out."""
        found: dict[str, dict[str, HeaderState]] = {}
        with self._session.read() as connection:
            for row in connection.execute(STATES, {"uris": uris}):
                found.setdefault(row.uri, {})[row.subdir] = HeaderState(etag=row.etag, reason=row.reason)
        return found

    def put(self, container_id: int, headers: Mapping[str, Header]) -> None:
        """Store headers of a file by subdir, in place of those that are stored and all that are of another state."""
        with self._session.write() as connection:
            put_headers(connection, container_id, headers)


def put_headers(connection: Connection, container_id: int, headers: Mapping[str, Header]) -> None:
    """As `Headers.put`."""
    for subdir, header in headers.items():
        connection.execute(NO_LONGER, {"key": container_id, "directory": subdir, "state": header.etag})
    insert_headers(connection, [(container_id, headers)])


def insert_headers(connection: Connection, held: Iterable[tuple[int, Mapping[str, Header]]]) -> None:
    """Store headers by container and subdir, of which none is stored."""
    insert_rows(
        connection, tiff_header, [_values(id, subdir, one) for id, headers in held for subdir, one in headers.items()]
    )


def _values(container_id: int, subdir: str, header: Header) -> dict[str, Any]:
    packed, reason = None, header.reason
    if header.layout is not None:
        try:
            packed = pack(header.layout)
        except NotUnderstood as error:
            reason = str(error)
    return {
        "container_id": container_id,
        "subdir": subdir,
        "etag": header.etag,
        "packed": packed,
        "reason": "" if packed else reason or "of an unknown kind",
    }


def header_of(packed: bytes | None, reason: str, etag: str) -> Header:
    """The header that these columns hold."""
    if packed is None:
        return Header(layout=None, reason=reason, etag=etag)
    try:
        return Header(layout=_UNPACKED.layout(bytes(packed)), etag=etag)
    except NotUnderstood as error:  # of another version of Prismcube
        return Header(layout=None, reason=str(error), etag=etag)


class _Unpacked:
    """The layouts that were unpacked last; what is packed is the key, so that none is ever out of date."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[bytes, tuple[Layout, int]] = OrderedDict()
        self._lock = threading.Lock()

    def layout(self, packed: bytes) -> Layout:
        with self._lock:
            if packed in self._kept:
                self._kept.move_to_end(packed)
                return self._kept[packed][0]
        layout = unpack(packed)
        size = 4096 + len(packed) + sum(16 * level.offsets.size for level in layout.levels)
        with self._lock:
            if size <= self._most and packed not in self._kept:
                self._kept[packed] = layout, size
                self._size += size
            while self._size > self._most:
                _, (_, gone) = self._kept.popitem(last=False)
                self._size -= gone
        return layout


_UNPACKED = _Unpacked(64 * 2**20)
"""Bytes, in each process: some thousand files."""
