"""Many byte ranges of one file, of the very version that their places are known of.

    Ranges.begin(uri, etag, spans) ── Fetch.parts() -> (number of the span, its bytes), ...
        local:  read in the thread that asks for the parts, run by run, into one buffer
        remote: asked for at once, by the threads of a RequestPool; obstore tries again, and waits between

Near spans become one read: a run. A file that has changed raises FileChanged and gives no bytes that were not checked.
"""

from __future__ import annotations

import os
import stat as mode
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

from prismcube.errors import SourceError
from prismcube.storage.buckets import Missing, Unreachable
from prismcube.storage.pool import Limits, Request, RequestPool
from prismcube.storage.store import read_part, stat
from prismcube.storage.uri import gdal_path, is_remote, without_secret

LOCAL_GAP = 64 * 2**10
"""Bytes that are read though nobody wants them, so that two spans need one read: local files."""

LOCAL_RUN = 8 * 2**20
"""Bytes of a run, at most, unless a single span has more: local files."""

REMOTE_GAP = 256 * 2**10
"""The same of remote files, where a request costs as much as some hundred kB."""

REMOTE_RUN = 4 * 2**20
"""The same of remote files: several requests bring more than a long one."""

KEPT = 16 * 2**20
"""Bytes of the buffer that a thread keeps from one read to the next, at most."""

LOOK_SECONDS = 0.2
"""How often one who waits looks whether the bytes are still wanted."""

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


class RemoteFetch:
    """Of a remote file: asked for now, taken as it arrives."""

    def __init__(self, pool: RequestPool, uri: str, etag: str, spans: Sequence[Span], *, read: Callable[[int], None]):
        self._pool = pool
        self._arrived: SimpleQueue[Request] = SimpleQueue()
        self._members: dict[Request, Run] = {}
        for run in runs_of(spans, gap=REMOTE_GAP, most=REMOTE_RUN):
            request = Request(
                host="/".join(uri.split("/", 3)[:3]),
                size=run.span.length,
                action=partial(_read_version, uri, etag, run.span, read),
                tell=self._arrived.put,
            )
            self._members[request] = run
        if self._members:
            pool.add(self._members)

    def parts(self, *, stop: Stop) -> Iterator[tuple[int, memoryview]]:
        """As `Fetch`; waits for what has not arrived."""
        if not self._members:
            return
        self._pool.hurry(self._members)
        try:
            for _ in range(len(self._members)):
                request = self._next(stop)
                if request.error is not None:
                    raise request.error
                run, data = self._members[request], request.answer
                for number, span in run.members:
                    yield number, data[span.start - run.span.start :][: span.length]
                self._pool.free([request])
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody will ask for the rest."""
        if self._members:
            self._pool.free(self._members)
            self._members = {}

    def __del__(self) -> None:
        if self._members:
            self._pool.forget(self._members)

    def _next(self, stop: Stop) -> Request:
        while True:
            stop()
            try:
                return self._arrived.get(timeout=LOOK_SECONDS)
            except Empty:
                continue


def _read_version(uri: str, etag: str, span: Span, read: Callable[[int], None]) -> memoryview:
    """The bytes of a span of this version of a remote file. Raises SourceError.

    Every answer tells its version, so no condition is sent: stores that know none would ignore it (RFC 9110, 13.1.1).
    """
    shown = without_secret(uri)
    if span.end >= 2**63:
        raise SourceError(shown, f"is truncated: byte {span.end:,} is needed")
    try:
        status, data = read_part(uri, span.start, span.length)
    except (Missing, Unreachable):
        raise
    except SourceError as error:
        if _is_another(uri, etag):  # a smaller one has no such bytes
            raise FileChanged(uri) from error
        raise
    if status.etag != etag:
        raise FileChanged(uri)
    if len(data) != span.length:
        raise SourceError(shown, f"its server sent {len(data):,} bytes where {span.length:,} were asked for")
    read(span.length)
    return data


def _is_another(uri: str, etag: str) -> bool:
    try:
        return stat(uri).etag != etag
    except SourceError:
        return False  # then the first error says why


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What has been read so far."""

    requests: int = 0
    """Reads of local files and answered requests to stores."""
    size: int = 0
    """Bytes that they brought, gaps too."""


class Ranges:
    """Ranges of any file, and how many there have been; of any thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._pool = RequestPool(limits or Limits())
        self._lock = threading.Lock()
        self._traffic = Traffic()

    @property
    def held(self) -> int:
        """Bytes of remote files that are under way, or have arrived and not been taken."""
        return self._pool.held

    @property
    def traffic(self) -> Traffic:
        """What has been read so far, of all files."""
        return self._traffic

    def begin(self, uri: str, etag: str, spans: Sequence[Span]) -> Fetch:
        """Ask for spans of a canonical URI's version `etag`, the file's own without sidecars. Returns at once."""
        if is_remote(uri):
            return RemoteFetch(self._pool, uri, etag, spans, read=self._count)
        return LocalFetch(uri=uri, etag=etag, spans=spans, read=self._count)

    def _count(self, size: int) -> None:
        with self._lock:
            self._traffic = Traffic(requests=self._traffic.requests + 1, size=self._traffic.size + size)


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


_path = lru_cache(maxsize=4096)(gdal_path)
"""Taking a URI apart takes as long as opening its file."""


def _opened(uri: str) -> int:
    try:
        # A pipe in the file's place must not be waited for; of files, O_NONBLOCK means nothing.
        return os.open(_path(uri), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Missing(uri, "not found") from error
    except OSError as error:
        raise SourceError(uri, str(error.strerror or error)) from error
