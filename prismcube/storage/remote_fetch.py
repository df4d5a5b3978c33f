"""Ranges of remote files: asked for by the threads of a pool, alone or together with those of others of the same file.

ask(pool, fetches) ── near spans, whosever they are: a run ── a Request, from which all who have a span there take
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import Empty, SimpleQueue

from prismcube.errors import SourceError
from prismcube.storage.buckets import FAILS, Missing, Unreachable
from prismcube.storage.fetch import Batch, FileChanged, Stop, Truncated
from prismcube.storage.pool import Request, RequestPool
from prismcube.storage.spans import Run, Span, runs_of
from prismcube.storage.store import FileStatus, read_part, stat
from prismcube.storage.uri import without_secret

GAP = 256 * 2**10
"""Bytes that are read though nobody wants them, so that two spans need one request, which costs as much as they do."""

RUN = 4 * 2**20
"""Bytes of a run, at most, unless a single span has more: several requests bring more than a long one."""

LOOK_SECONDS = 0.2
"""How often one who waits looks whether the bytes are still wanted."""

Read = Callable[[int], None]
"""Is told of the bytes of each read."""


class RemoteFetch:
    """Of a remote file: once asked for, taken as it arrives."""

    def __init__(self, pool: RequestPool, uri: str, etag: str, spans: Sequence[Span], *, read: Read) -> None:
        """Nothing is asked for before `ask` is called."""
        self.uri, self.etag, self.read = uri, etag, read
        self.spans: Sequence[Span] = spans
        """Empty when nobody wants them any more."""
        self.arrived: SimpleQueue[Request] = SimpleQueue()
        self._pool = pool
        self._members: dict[Request, tuple[Span, list[tuple[int, Span]]]] = {}
        self._is_asked = False

    def expect(self, requests: dict[Request, tuple[Span, list[tuple[int, Span]]]]) -> None:
        """These requests bring the spans: of each, the bytes of the file that it reads, and number and span of each."""
        self._members, self._is_asked = requests, True

    @property
    def asked(self) -> int:
        return sum(span.length for span in self.spans)

    def batches(self, *, stop: Stop) -> Iterator[Batch]:
        """As `Fetch`; waits for what has not arrived."""
        if not self._is_asked:
            ask(self._pool, [self], most=0)
        self._pool.hurry(self._members)
        try:
            while self._members:
                request = self._next(stop)
                if request.error is not None:
                    raise request.error
                read, members = self._members[request]
                yield Batch(request.answer, [self._member(one, read, request.answer) for one in members])
                del self._members[request]
                self._pool.free([request])
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody will ask for the rest."""
        self.spans = ()
        members, self._members = self._members, {}
        if members:
            self._pool.free(members)

    def __del__(self) -> None:
        if self._members:
            self._pool.forget(self._members)

    def _next(self, stop: Stop) -> Request:
        while True:
            stop()
            try:
                return self.arrived.get(timeout=LOOK_SECONDS)
            except Empty:
                continue

    def _member(self, one: tuple[int, Span], read: Span, data: memoryview) -> tuple[int, int, int]:
        number, span = one
        first = span.start - read.start
        if first + span.length > len(data):
            raise Truncated(self.uri, size=read.start + len(data), needed=span.end)
        return number, first, span.length


def ask(pool: RequestPool, fetches: Sequence[RemoteFetch], *, most: int) -> None:
    """Make the requests of fetches of one version of a file that have not been asked for.

    Together they read at most `most` bytes; what is more is asked for by fewer of them together, in their order. For a
    run is held until the last of them has taken what is his.
    """
    owners = [(fetch, number, span) for fetch in fetches for number, span in enumerate(fetch.spans)]
    runs = runs_of([span for _, _, span in owners], gap=GAP, most=RUN)
    if len(fetches) > 1 and sum(run.span.length for run in runs) > most:
        half = len(fetches) // 2
        ask(pool, fetches[:half], most=most)
        ask(pool, fetches[half:], most=most)
        return
    expected: dict[RemoteFetch, dict[Request, tuple[Span, list[tuple[int, Span]]]]] = {one: {} for one in fetches}
    requests = []
    for run in runs:
        members: dict[RemoteFetch, list[tuple[int, Span]]] = {}
        for index, _ in run.members:
            fetch, number, span = owners[index]
            members.setdefault(fetch, []).append((number, span))
        request = _request(fetches[0], run, list(members))
        requests.append(request)
        for fetch, spans in members.items():
            expected[fetch][request] = (run.span, spans)
    for fetch, wanted in expected.items():
        fetch.expect(wanted)
    if requests:
        pool.add(requests)


def _request(one: RemoteFetch, run: Run, takers: Sequence[RemoteFetch]) -> Request:
    queues = [taker.arrived for taker in takers]  # not they themselves: one that is deleted must be noticed

    def tell(request: Request) -> None:
        for queue in queues:
            queue.put(request)

    return Request(
        host="/".join(one.uri.split("/", 3)[:3]),
        size=run.span.length,
        action=partial(_read_version, one.uri, one.etag, run.span, one.read),
        tell=tell,
        takers=len(queues),
    )


def _read_version(uri: str, etag: str, span: Span, read: Read) -> memoryview:
    """The bytes of a span of this version of a remote file; less where it ends within. Raises SourceError.

    Every answer tells its version, so no condition is sent: stores that know none would ignore it (RFC 9110, 13.1.1).
    """
    shown = without_secret(uri)
    if span.end >= 2**63:
        raise SourceError(shown, f"is truncated: byte {span.end:,} is needed", cause=Truncated.cause)
    try:
        status, data = read_part(uri, span.start, span.length)
    except (Missing, Unreachable):
        raise
    except SourceError:
        now = _status(uri)
        if now is None:
            raise
        if now.etag != etag:  # a smaller one has no such bytes
            raise FileChanged(uri) from None
        if now.size <= span.start:
            raise Truncated(uri, size=now.size, needed=span.end) from None
        raise
    if status.etag != etag:
        raise FileChanged(uri)
    expected = min(span.end, status.size) - span.start
    if len(data) != expected:
        reason = f"its server sent {len(data):,} bytes where {expected:,} were asked for"
        raise SourceError(shown, reason, cause=FAILS)
    read(expected)
    return data


def _status(uri: str) -> FileStatus | None:
    try:
        return stat(uri)
    except SourceError:
        return None  # then the first error says why
