"""Many byte ranges of one file, of the very version that their places are known of.

    Ranges.begin(uri, etag, spans) ── Fetch.parts() -> (number of the span, its bytes), ...
        local:  read in the thread that asks for the parts, run by run, into one buffer
        remote: asked for at once, see prismcube/storage/traffic.py

Near spans become one read: a run. A file that has changed raises FileChanged and gives no bytes that were not checked.
"""

from __future__ import annotations

import os
import stat as mode
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from prismcube.errors import SourceError
from prismcube.storage.buckets import Missing
from prismcube.storage.uri import gdal_path, without_secret

LOCAL_GAP = 64 * 2**10
"""Bytes that are read though nobody wants them, so that two spans need one read: local files."""

LOCAL_RUN = 8 * 2**20
"""Bytes of a run, at most, unless a single span has more: local files."""

KEPT = 16 * 2**20
"""Bytes of the buffer that a thread keeps from one read to the next, at most."""

Stop = Callable[[], None]
"""Called now and then; raises what it likes when the bytes are not wanted any more."""


class FileChanged(SourceError):
    """The file is not the one any more that its places of blocks are known of."""

    def __init__(self, uri: str) -> None:
        super().__init__(without_secret(uri), "has changed since it was indexed; index it again")


class Span(NamedTuple):
    """Bytes of a file; half-open."""

    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


class Run(NamedTuple):
    """Bytes that are read at once, and which spans lie in them."""

    span: Span
    members: tuple[tuple[int, Span], ...]
    """Number of each, in the order of the file."""


class Fetch(Protocol):
    """Spans that have been asked for."""

    def parts(self, *, stop: Stop) -> Iterator[tuple[int, memoryview]]:
        """Number and bytes of each span, in any order, once; the bytes are good until the next is asked for.

        Raises SourceError.
        """

    def cancel(self) -> None:
        """Nobody will ask for the rest."""


def runs_of(spans: Sequence[Span], *, gap: int, most: int) -> list[Run]:
    """Spans as runs: those with at most `gap` bytes between them together, up to `most` bytes; none is split."""
    runs: list[Run] = []
    members: list[tuple[int, Span]] = []
    first = end = 0
    for number, span in sorted(enumerate(spans), key=lambda one: one[1]):
        if members and (span.start - end > gap or max(end, span.end) - first > most):
            runs.append(Run(Span(first, end - first), tuple(members)))
            members = []
        if not members:
            first = end = span.start
        end = max(end, span.end)
        members.append((number, span))
    if members:
        runs.append(Run(Span(first, end - first), tuple(members)))
    return runs


@dataclass(kw_only=True, eq=False)
class LocalFetch:
    """Of a local file: nothing is read before it is asked for."""

    uri: str
    etag: str
    """`<bytes>-<nanoseconds of its time of change>`, as `store.stat` tells it."""
    spans: Sequence[Span]
    read: Callable[[int], None]
    """Is told of the bytes of each read."""

    def parts(self, *, stop: Stop) -> Iterator[tuple[int, memoryview]]:
        descriptor = _opened(self.uri)
        try:
            size = self._check(descriptor)
            for run in runs_of(self.spans, gap=LOCAL_GAP, most=LOCAL_RUN):
                stop()
                if run.span.end > size:
                    raise SourceError(self.uri, f"is truncated: it has {size:,} bytes, {run.span.end:,} are needed")
                data = self._read(descriptor, run.span)
                # Before the bytes are used: a file that is written anew meanwhile would be decoded at old places.
                self._check(descriptor)
                for number, span in run.members:
                    yield number, data[span.start - run.span.start :][: span.length]
        finally:
            os.close(descriptor)

    def cancel(self) -> None:
        """Nothing is under way."""

    def _check(self, descriptor: int) -> int:
        status = os.fstat(descriptor)
        if not mode.S_ISREG(status.st_mode) or f"{status.st_size}-{status.st_mtime_ns}" != self.etag:
            raise FileChanged(self.uri)
        return status.st_size

    def _read(self, descriptor: int, span: Span) -> memoryview:
        into = _buffer.take(span.length)
        done = 0
        try:
            while done < span.length:
                count = os.preadv(descriptor, [into[done:]], span.start + done)
                if count == 0:
                    raise FileChanged(self.uri)
                done += count
        except OSError as error:
            raise SourceError(self.uri, str(error.strerror or error)) from error
        self.read(span.length)
        return into


class _Buffer(threading.local):
    data = memoryview(b"")

    def take(self, size: int) -> memoryview:
        """Bytes that the thread's next read may overwrite."""
        if size > KEPT:
            return memoryview(bytearray(size))
        if len(self.data) < size:
            self.data = memoryview(bytearray(size))
        return self.data[:size]


_buffer = _Buffer()


def _opened(uri: str) -> int:
    try:
        # A pipe in the file's place must not be waited for; of files, O_NONBLOCK means nothing.
        return os.open(gdal_path(uri), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Missing(uri, "not found") from error
    except OSError as error:
        raise SourceError(uri, str(error.strerror or error)) from error


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What has been read so far."""

    requests: int = 0
    """Reads of local files and answered requests to stores."""
    size: int = 0
    """Bytes that they brought, gaps too."""


class Ranges:
    """Ranges of any file, and how many there have been; of any thread. One a process, made after the fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic = Traffic()

    @property
    def traffic(self) -> Traffic:
        """What has been read so far, of all files."""
        return self._traffic

    def begin(self, uri: str, etag: str, spans: Sequence[Span]) -> Fetch:
        """Ask for spans of a canonical URI's version `etag`, the file's own without sidecars. Returns at once."""
        return LocalFetch(uri=uri, etag=etag, spans=spans, read=self._count)

    def _count(self, size: int) -> None:
        with self._lock:
            self._traffic = Traffic(requests=self._traffic.requests + 1, size=self._traffic.size + size)
