"""Many byte ranges of one file, of the very version that their places are known of.

    Ranges.begin(uri, etag, spans) ── Fetch.batches() -> Batch: bytes, and which spans they are; ...
        local:  read in the thread that asks for them, a few runs at a time, into one buffer
        remote: asked for at once, by the threads of a RequestPool; obstore tries again, and waits between
    with Ranges.together(): ...   what is begun there is asked for at its end, all spans of a file together

Near spans become one read: a run. A file that has changed raises FileChanged and gives no bytes that were not checked.
"""

from __future__ import annotations

import os
import stat as mode
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from prismcube.errors import SourceError
from prismcube.storage.buckets import Missing
from prismcube.storage.fetch import Batch, Fetch, FileChanged, Stop, Truncated
from prismcube.storage.pool import Limits, RequestPool
from prismcube.storage.remote_fetch import RemoteFetch, ask
from prismcube.storage.spans import Run, Span, runs_of
from prismcube.storage.uri import gdal_path, is_remote

LOCAL_GAP = 64 * 2**10
"""Bytes that are read though nobody wants them, so that two spans need one read: local files."""

LOCAL_RUN = 8 * 2**20
"""Bytes of a run, at most, unless a single span has more: local files."""

LOCAL_BATCH = 2**20
"""Bytes of runs that are read one after the other and given together, unless a single one has more: local files."""

SHARE = 4
"""Several who are asked for together read at most this part of the bytes that may be held."""

GATHERED = 8
"""Files whose spans wait for others of the same file, at most: the bands of a date and its quality."""

KEPT = 16 * 2**20
"""Bytes of the buffer that a thread keeps from one read to the next, at most."""


@dataclass(kw_only=True, eq=False)
class LocalFetch:
    """Of a local file: nothing is read before it is asked for."""

    uri: str
    etag: str
    """`<bytes>-<nanoseconds of its time of change>`, as `store.stat` tells it."""
    spans: Sequence[Span]
    read: Callable[[int], None]
    """Is told of the bytes of each read."""

    def __post_init__(self) -> None:
        size, _, time = self.etag.partition("-")
        is_told = size.isdecimal() and time.removeprefix("-").isdecimal()
        self._version = (int(size), int(time)) if is_told else None
        """Bytes and nanoseconds; None: what was told is of no file."""

    @property
    def asked(self) -> int:
        return 0

    def batches(self, *, stop: Stop) -> Iterator[Batch]:
        descriptor = _opened(self.uri)
        try:
            size = self._check(descriptor)
            for runs in _batched(runs_of(self.spans, gap=LOCAL_GAP, most=LOCAL_RUN)):
                stop()
                if (end := max(run.span.end for run in runs)) > size:
                    raise Truncated(self.uri, size=size, needed=end)
                data = _buffer.take(sum(run.span.length for run in runs))
                members = []
                first = 0
                for span, held in runs:
                    self._read(descriptor, span, data[first : first + span.length])
                    members += [(number, first + one.start - span.start, one.length) for number, one in held]
                    first += span.length
                # Before the bytes are used: a file that is written anew meanwhile would be decoded at old places.
                self._check(descriptor)
                yield Batch(data, members)
        finally:
            os.close(descriptor)

    def cancel(self) -> None:
        """Nothing is under way."""

    def _check(self, descriptor: int) -> int:
        status = os.fstat(descriptor)
        if not mode.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != self._version:
            raise FileChanged(self.uri)
        return status.st_size

    def _read(self, descriptor: int, span: Span, into: memoryview) -> None:
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


def _batched(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Runs that are read together, in their order."""
    batch: list[Run] = []
    size = 0
    for run in runs:
        if batch and size + run.span.length > LOCAL_BATCH:
            yield batch
            batch, size = [], 0
        batch.append(run)
        size += run.span.length
    if batch:
        yield batch


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
        limits = limits or Limits()
        self._pool = RequestPool(limits)
        self._most = limits.size // SHARE
        self._gathering = _Gathering()
        self._lock = threading.Lock()
        self._requests = self._size = 0

    @property
    def held(self) -> int:
        """Bytes of remote files that are under way, or have arrived and not been taken."""
        return self._pool.held

    @property
    def traffic(self) -> Traffic:
        """What has been read so far, of all files."""
        with self._lock:
            return Traffic(requests=self._requests, size=self._size)

    def begin(self, uri: str, etag: str, spans: Sequence[Span]) -> Fetch:
        """Ask for spans of a canonical URI's version `etag`, the file's own without sidecars. Returns at once."""
        if not is_remote(uri):
            return LocalFetch(uri=uri, etag=etag, spans=spans, read=self._count)
        fetch = RemoteFetch(self._pool, uri, etag, spans, read=self._count)
        gathered = self._gathering.files
        if gathered is None:
            ask(self._pool, [fetch], most=self._most)
            return fetch
        gathered.setdefault((uri, etag), []).append(fetch)
        gathered.move_to_end((uri, etag))
        if len(gathered) > GATHERED:
            _, some = gathered.popitem(last=False)
            ask(self._pool, some, most=self._most)
        return fetch

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread begins within the block is asked for at its end: spans of one remote file together.

        In a file of many dates the blocks of one place lie side by side: so one request brings them. A file is asked
        before the end when so many others have been begun since that it hardly comes up again.
        """
        if self._gathering.files is not None:  # a part of a larger block
            yield
            return
        gathered: OrderedDict[tuple[str, str], list[RemoteFetch]] = OrderedDict()
        self._gathering.files = gathered
        try:
            yield
        finally:
            self._gathering.files = None
            for some in gathered.values():
                ask(self._pool, some, most=self._most)

    def _count(self, size: int) -> None:
        with self._lock:
            self._requests += 1
            self._size += size


class _Gathering(threading.local):
    files: OrderedDict[tuple[str, str], list[RemoteFetch]] | None = None
    """What will be asked for, by (URI, etag), the one that came up last at the end; None outside of blocks."""


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
