"""Files wherever they lie: their size and version, their bytes, what is in a folder.

    stat ─┐
    read ─┼─ local:  os
    ...  ─┘  remote: buckets.place(uri) -> obstore store and path in it

Everything that can go wrong becomes SourceError with the URI, without its secret, and a reason.
"""

from __future__ import annotations

import os
import stat as mode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import obstore
from obstore.exceptions import BaseError

from prismcube.errors import InvalidInput, SourceError
from prismcube.storage.buckets import Missing, Unreachable, explain, place
from prismcube.storage.uri import (
    bucket_and_key,
    canonical_prefix,
    canonical_uri,
    gdal_path,
    is_remote,
    uri_of_key,
    without_secret,
)

WHOLE = 16 * 2**20
"""Bytes of a whole file that somebody waits as long for as he must: how many they are is told when they come."""

LARGEST_DOCUMENT = 64 * 2**20
"""Bytes `read` takes at most, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class FileStatus:
    """What a store says of a file without opening it."""

    size: int
    """Bytes."""
    etag: str
    """Differs when the file was replaced: `<bytes>-<nanoseconds of its time of change>` of a local file and wherever
    a store has none of its own; else the store's, as it is but for the quotes."""
    modified: datetime | None
    """Time of its last change, aware; None where the store does not say."""


def stat(uri: str) -> FileStatus:
    """Size and version of a file. Raises SourceError."""
    uri = canonical_uri(uri)
    if not is_remote(uri):
        return _local_status(uri)
    ways = [lambda: _status(_remotely(uri, obstore.head)), lambda: read_start(uri, 1)[0]]
    if not uri.startswith("http"):
        return ways[0]()
    if "?" in uri:  # a signature holds for one method: mostly GET
        ways.reverse()
    try:
        return ways[0]()
    except (Missing, Unreachable):
        raise
    except SourceError:
        return ways[1]()


def exists(uri: str) -> bool:
    """True when the file is there. Raises SourceError when that can't be told."""
    try:
        stat(uri)
    except Missing:
        return False
    return True


def read(uri: str, *, limit: int = LARGEST_DOCUMENT) -> bytes:
    """All bytes of a file. Raises SourceError, also when it has more than `limit` bytes."""
    uri = canonical_uri(uri)
    if is_remote(uri):
        data = _remotely(uri, lambda store, path: _take(obstore.get(store, path).stream(2**20), limit), WHOLE)
    else:
        data = _locally(uri, lambda file: file.read(limit + 1))
    if len(data) > limit:
        raise SourceError(without_secret(uri), f"has more than {limit:,} bytes")
    return data


def read_range(uri: str, start: int, length: int) -> bytes:
    """Bytes `[start, start + length)` of a file; fewer where it ends. Raises SourceError."""
    uri = canonical_uri(uri)
    if length <= 0:
        return b""
    if not is_remote(uri):
        return _locally(uri, lambda file: (file.seek(start), file.read(length))[1])
    try:
        return bytes(_remotely(uri, partial(obstore.get_range, start=start, length=length), length))
    except SourceError:
        if start >= stat(uri).size:  # a range beyond the end is refused
            return b""
        raise


def read_ranges(uri: str, starts: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
    """Bytes of many ranges within a remote file: near ones by one request, several requests at once.

    Raises SourceError, also for a range beyond the end.
    """
    ranges = _remotely(uri, partial(obstore.get_ranges, starts=starts, lengths=lengths), sum(lengths))
    return [bytes(one) for one in ranges]


def read_start(uri: str, length: int) -> tuple[FileStatus, bytes]:
    """Status and first bytes of a remote file, by one request. Raises SourceError."""

    def get(store: Any, path: str) -> tuple[FileStatus, bytes]:
        result = obstore.get(store, path, options={"range": (0, length)})
        return _status(result.meta), _take(result.stream(), length)

    try:
        return _remotely(uri, get, length)
    except (Missing, Unreachable):
        raise
    except SourceError:
        with suppress(SourceError):
            status = _status(_remotely(uri, obstore.head))
            if status.size == 0:  # nothing has no first byte: the range was refused
                return status, b""
        raise


def read_part(uri: str, start: int, length: int) -> tuple[FileStatus, memoryview]:
    """Status and bytes `[start, start + length)` of a remote file, by one request; `uri` is canonical.

    A faulty server may send other than it was asked for: look at the number of bytes, of which there are never many
    more. Raises SourceError, also for a range beyond the end.
    """

    def get(store: Any, path: str) -> tuple[FileStatus, memoryview]:
        result = obstore.get(store, path, options={"range": (start, start + length)})
        chunks = result.stream(length)  # one, if all is well
        first = memoryview(next(iter(chunks), b""))
        rest = _take(chunks, length)
        return _status(result.meta), memoryview(bytes(first) + rest) if rest else first

    return _remotely(uri, get, length)


def list_files(prefix_uri: str) -> Iterator[str]:
    """The URIs of all files below a folder or bucket, by one order everywhere: that of the bytes of their keys.

    Linked folders of a local disk are followed, unless they lead back. Raises SourceError; InvalidInput("uri", ...)
    for http, which has no folders.
    """
    prefix = canonical_prefix(prefix_uri)
    if prefix.startswith("http"):
        raise InvalidInput("uri", f"{without_secret(prefix)!r}: http has no folders to list; name the files")
    return _list_remote(prefix) if is_remote(prefix) else _list_local(prefix)


def delete(uri: str) -> None:
    """Remove a file. Raises SourceError; of a local file that is not there too, but stores don't tell."""
    uri = canonical_uri(uri)
    if is_remote(uri):
        try:
            _remotely(uri, obstore.delete)
        except Missing:
            return
    else:
        _guarded(uri, lambda: os.unlink(gdal_path(uri)))


PART_BYTES, PARTS = 5 * 2**20, 12
"""Of an upload: the size of a part, and how many are sent at once."""


def upload(path: Path, uri: str, *, storage_class: str = "") -> None:
    """Put a local file into a bucket, where it appears whole. `storage_class`: the store's own name for one.

    Raises SourceError, InvalidInput("uri", ...) for a URI that is none of a bucket.
    """
    uri = canonical_uri(uri)
    if not is_remote(uri) or uri.startswith("http"):
        raise InvalidInput("uri", f"{without_secret(uri)!r} is not in a bucket")
    attributes = {"Storage-Class": storage_class} if storage_class else None

    def put(store: Any, name: str) -> None:
        obstore.put(store, name, path, attributes=attributes, chunk_size=PART_BYTES, max_concurrency=PARTS)

    _remotely(uri, put, PARTS * PART_BYTES)


def download(uri: str, path: Path) -> FileStatus:
    """Copy a remote file to a local one; its status. Raises SourceError."""

    def get(store: Any, name: str) -> FileStatus:
        result = obstore.get(store, name)
        with path.open("wb") as file:
            for chunk in result.stream(2**22):
                file.write(chunk)
        return _status(result.meta)

    uri = canonical_uri(uri)
    return _remotely(uri, get, stat(uri).size)


def _remotely[T](uri: str, action: Callable[[Any, str], T], size: int = 0) -> T:
    """The outcome of an action on a store, that brings up to `size` bytes.

    Not chained to its cause: obstore's errors hold the whole URL.
    """
    try:
        store, path = place(uri, size)
        return action(store, path)
    except (BaseError, OSError, ValueError) as error:
        failure = explain(uri, error)
    raise failure


def _status(meta: Any) -> FileStatus:
    modified: datetime | None = meta["last_modified"]
    if modified is not None and modified <= datetime(1970, 1, 2, tzinfo=UTC):
        modified = None  # obstore's stand-in for a missing Last-Modified
    etag = "".join((meta["e_tag"] or "").strip('"').split())
    nanoseconds = round(modified.timestamp() * 1e9) if modified else 0
    return FileStatus(size=meta["size"], etag=etag or f"{meta['size']}-{nanoseconds}", modified=modified)


def _take(chunks: Any, limit: int) -> bytes:
    """The first bytes of a stream, a little more than `limit` if there are more: a server may send what it likes."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > limit:
            break
    return bytes(data[: limit + 1])


def _local_status(uri: str) -> FileStatus:
    status = _guarded(uri, lambda: os.stat(gdal_path(uri)))
    if not mode.S_ISREG(status.st_mode):
        raise SourceError(uri, "is not a file")
    modified = datetime.fromtimestamp(status.st_mtime, tz=UTC)
    return FileStatus(size=status.st_size, etag=f"{status.st_size}-{status.st_mtime_ns}", modified=modified)


def _locally(uri: str, action: Callable[[Any], bytes]) -> bytes:
    def run() -> bytes:
        with open(gdal_path(uri), "rb") as file:
            return action(file)

    _local_status(uri)  # opening a pipe or device would wait for ever
    return _guarded(uri, run)


def _guarded[T](uri: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except FileNotFoundError as error:
        raise Missing(uri, "not found") from error
    except OSError as error:
        raise SourceError(uri, str(error.strerror or error)) from error


def _list_remote(prefix: str) -> Iterator[str]:
    scheme = prefix.partition(":")[0]
    bucket, key = bucket_and_key(prefix)
    chunks = _remotely(prefix, lambda store, path: obstore.list(store, path or None))
    # One page is asked for at a time, when the one before is used up.
    while page := _remotely(prefix, lambda store, path: next(chunks, [])):
        for one in page:
            if one["path"] != key:
                yield uri_of_key(scheme, bucket, one["path"])


def _list_local(prefix: str) -> Iterator[str]:
    root = gdal_path(prefix)
    if not mode.S_ISDIR(_guarded(prefix, lambda: os.stat(root)).st_mode):
        raise SourceError(prefix, "is not a folder")
    yield from _walk(prefix, os.fsencode(root), ())


def _walk(prefix: str, folder: bytes, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    status = _guarded(prefix, lambda: os.stat(folder))
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    entries = _guarded(prefix, lambda: list(os.scandir(folder)))
    folders = {entry.name for entry in entries if entry.is_dir()}
    # A folder sorts as if its name ended in a slash: so whole keys sort in stores.
    for entry in sorted(entries, key=lambda entry: entry.name + b"/" * (entry.name in folders)):
        if entry.name in folders:
            yield from _walk(prefix, entry.path, (*above, here))
        elif entry.is_file():
            yield "file://" + quote(entry.path)
