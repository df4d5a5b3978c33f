"""Ranges of local and remote files, of files that change, and of servers that fail in every way we know."""

from __future__ import annotations

import gc
import http.server
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import Cancelled, SourceError
from prismcube.storage import buckets
from prismcube.storage import ranges as reading
from prismcube.storage.buckets import Missing
from prismcube.storage.fetch import Fetch, FileChanged
from prismcube.storage.pool import Limits
from prismcube.storage.ranges import Ranges
from prismcube.storage.spans import Span, runs_of
from prismcube.storage.store import stat
from prismcube.storage.uri import canonical_uri

DATA = np.random.default_rng(3).integers(0, 256, 3_000_000, np.uint8).tobytes()
SPANS = [Span(2_500_000, 1000), Span(10, 20), Span(40, 5), Span(15, 10), Span(900_000, 300_000)]


def never() -> None:
    """A `Stop` that lets everything run to its end."""


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60))), st.integers(0, 50), st.integers(1, 200))
def test_runs_hold_every_span_once_and_read_no_gap_that_is_too_wide(
    pairs: list[tuple[int, int]], gap: int, most: int
) -> None:
    spans = [Span(*pair) for pair in pairs]
    runs = runs_of(spans, gap=gap, most=most)
    members = [member for run in runs for member in run.members]
    assert sorted(members) == list(enumerate(spans))
    for run in runs:
        starts = [span.start for _, span in run.members]
        assert run.span.start == min(starts)
        assert run.span.end == max(span.end for _, span in run.members)
        assert run.span.length <= most or len(run.members) == 1
        wanted = np.zeros(run.span.length, bool)
        for _, span in run.members:
            wanted[span.start - run.span.start :][: span.length] = True
        unread = np.diff(np.flatnonzero(wanted))
        assert (unread <= gap + 1).all()


def _parts(ranges: Ranges, uri: str, etag: str, spans: list[Span]) -> dict[int, bytes]:
    return _bytes_of(ranges.begin(uri, etag, spans))


def _bytes_of(fetch: Fetch) -> dict[int, bytes]:
    batches = fetch.batches(stop=never)
    return {number: bytes(data[start : start + size]) for data, members in batches for number, start, size in members}


def _expected(spans: list[Span]) -> dict[int, bytes]:
    return {number: DATA[span.start : span.end] for number, span in enumerate(spans)}


def test_local_and_remote_give_the_same(tmp_path: Path, web: Any, s3: Any) -> None:
    (web.root / "a.tif").write_bytes(DATA)
    s3.put_object(Bucket="images", Key="folder/a.tif", Body=DATA)
    # Local runs: 10 to 45, 900,000 to 1,200,000, 2,500,000 to 2,501,000.
    for uri in (canonical_uri(web.root / "a.tif"), f"{web.url}/a.tif", "s3://images/folder/a.tif"):
        ranges = Ranges()
        assert _parts(ranges, uri, stat(uri).etag, SPANS) == _expected(SPANS)
        assert (ranges.traffic.requests, ranges.traffic.size) == (3, 35 + 300_000 + 1000)
        assert ranges.held == 0


def test_gaps_of_remote_files_may_be_wider(tmp_path: Path, web: Any) -> None:
    (web.root / "a.tif").write_bytes(DATA)
    spans = [Span(0, 10), Span(200_000, 10), Span(500_000, 10)]
    counts = []
    for uri in (canonical_uri(web.root / "a.tif"), f"{web.url}/a.tif"):
        ranges = Ranges()
        assert _parts(ranges, uri, stat(uri).etag, spans) == _expected(spans)
        counts.append(ranges.traffic.requests)
    assert counts == [3, 2]


def test_signed_urls_are_asked_for_as_they_are_and_not_told(web: Any) -> None:
    (web.root / "a.tif").write_bytes(DATA)
    uri = f"{web.url}/a.tif?signature=SECRET%2F"
    etag = stat(uri).etag
    assert _parts(Ranges(), uri, etag, SPANS) == _expected(SPANS)
    with pytest.raises(FileChanged) as failure:
        _parts(Ranges(), uri, "another", SPANS)
    assert "SECRET" not in str(failure.value)
    web.answer = lambda method, path: 403
    with pytest.raises(SourceError, match="access is refused") as refusal:
        _parts(Ranges(), uri, etag, SPANS)
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("how", ["other bytes", "fewer bytes"])
def test_a_remote_file_that_has_changed_is_not_read(web: Any, how: str, etags: bool) -> None:
    web.etags = etags
    (web.root / "a.tif").write_bytes(DATA)
    uri = f"{web.url}/a.tif"
    etag = stat(uri).etag
    (web.root / "a.tif").write_bytes(DATA[::-1] if how == "other bytes" else DATA[:1000])
    os.utime(web.root / "a.tif", (5 * 10**8, 5 * 10**8))
    with pytest.raises(FileChanged, match=r"/a\.tif: has changed"):
        _parts(Ranges(), uri, etag, SPANS)


class Faulty:
    """Answers a request for a part by `how`, the first `times` times; else rightly. `most` were under way at once."""

    def __init__(self) -> None:
        self.how, self.times, self.delay = "rightly", 10**9, 0.0
        self.count = self.now = self.most = 0
        self.together = 0
        """Requests of which none is answered before all are there."""
        self._lock = threading.Condition()
        self._silence = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/a.tif"

    def close(self) -> None:
        self._silence.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        faulty = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_HEAD(self) -> None:
                self._send(200, b"", length=len(DATA))

            def do_GET(self) -> None:
                start, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                with faulty._lock:
                    faulty.count += 1
                    faulty.now += 1
                    faulty.most = max(faulty.most, faulty.now)
                    how = faulty.how if faulty.count <= faulty.times else "rightly"
                    faulty._lock.notify_all()
                    faulty._lock.wait_for(lambda: faulty.most >= faulty.together, timeout=10)
                time.sleep(faulty.delay)
                with faulty._lock:
                    faulty.now -= 1
                self._answer(how, start, last + 1)

            def _answer(self, how: str, start: int, stop: int) -> None:
                part, told = DATA[start:stop], f"bytes {start}-{stop - 1}/{len(DATA)}"
                if how == "rightly":
                    self._send(206, part, told)
                elif how.isdigit():
                    self._send(int(how), b"oops")
                elif how == "short":
                    self._send(206, part[:7], f"bytes {start}-{start + 6}/{len(DATA)}")
                elif how == "shorter than told":
                    self._send(206, part[:7], told)
                elif how == "longer than told":
                    self._send(206, part + b"more", told)
                elif how == "broken off":
                    self._send(206, part[:7], told, length=len(part))
                    self.close_connection = True
                elif how == "whole":
                    self._send(200, DATA)
                elif how == "elsewhere":
                    self._send(206, DATA[: len(part)], f"bytes 0-{len(part) - 1}/{len(DATA)}")
                elif how == "untold":
                    self._send(206, part)
                elif how == "silent":
                    faulty._silence.wait(60)
                    self.close_connection = True
                elif how == "dropped":
                    self.close_connection = True

            def _send(self, status: int, data: bytes, told: str = "", *, length: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data) if length is None else length))
                self.send_header("ETag", '"one"')
                if told:
                    self.send_header("Content-Range", told)
                self.end_headers()
                self.wfile.write(data)

        return Handler


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    faulty = Faulty()
    yield faulty
    faulty.close()
    buckets.forget()


@pytest.mark.parametrize("how", ["500", "503", "429", "broken off", "dropped"])
def test_what_passes_is_tried_again(faulty: Faulty, how: str) -> None:
    faulty.how, faulty.times = how, 2
    assert _parts(Ranges(), faulty.url, "one", SPANS[:1]) == _expected(SPANS[:1])
    assert faulty.count == 3


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("500", "its server answers with status 500"),
        ("404", "not found"),
        ("403", "access is refused"),
        ("416", "its server answers with status 416"),
        ("short", r"its server sent bytes 2500000\.\.2500007 where 2500000\.\.2501000 were asked for"),
        ("shorter than told", "its server sent 7 bytes where 1,000 were asked for"),
        ("longer than told", "its server sent 1,004 bytes where 1,000 were asked for"),
        ("broken off", "its server breaks off in the middle of an answer"),
        ("whole", "its server does not send parts of files"),
        ("elsewhere", r"its server sent bytes 0\.\.1000 where"),
        ("untold", "its server does not say which part of the file it sends"),
        ("dropped", "can't be reached: its host does not answer"),
    ],
)
def test_what_lasts_is_told_with_the_file(faulty: Faulty, how: str, reason: str) -> None:
    faulty.how = how
    ranges = Ranges()
    with pytest.raises(SourceError, match=rf"/a\.tif: .*{reason}"):
        _parts(ranges, faulty.url, "one", SPANS[:1])
    assert ranges.held == 0


def test_silence_ends(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(buckets.CLIENT, "read_timeout", "100ms")
    buckets.forget()
    faulty.how = "silent"
    with pytest.raises(SourceError, match=r"/a\.tif: can't be reached"):
        _parts(Ranges(), faulty.url, "one", SPANS[:1])


def test_places_beyond_what_a_file_can_have_are_told(faulty: Faulty) -> None:
    with pytest.raises(SourceError, match=r"/a\.tif: is truncated"):
        _parts(Ranges(), faulty.url, "one", [Span(2**64 - 1, 10)])


def test_nobody_waits_for_bytes_that_he_does_not_want(faulty: Faulty) -> None:
    faulty.how = "silent"
    ranges = Ranges()

    def stop() -> None:
        if faulty.count:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(ranges.begin(faulty.url, "one", SPANS[:1]).batches(stop=stop))


def _apart(count: int) -> list[Span]:
    return [Span(number * 300_000, 1000) for number in range(count)]


def test_all_requests_are_under_way_at_once(faulty: Faulty) -> None:
    faulty.together = 40
    ranges = Ranges()
    fetches = [ranges.begin(faulty.url, "one", [span]) for span in [Span(number, 1000) for number in range(40)]]
    for fetch in fetches:
        list(fetch.batches(stop=never))
    assert faulty.most == faulty.count == 40


@pytest.mark.parametrize("limits", [Limits(requests=3), Limits(requests_per_host=3), Limits(size=3000)])
def test_no_more_than_allowed_is_under_way(faulty: Faulty, limits: Limits) -> None:
    faulty.delay = 0.05
    assert _parts(Ranges(limits), faulty.url, "one", _apart(10)) == _expected(_apart(10))
    assert faulty.most <= 3 or limits.size == 3000  # who waits for bytes does not mind how many are held


def test_what_is_asked_ahead_stops_at_the_limit_and_goes_on_when_taken(faulty: Faulty) -> None:
    ranges = Ranges(Limits(size=3000))
    fetches = [ranges.begin(faulty.url, "one", [Span(number, 1000)]) for number in range(10)]
    _wait_until(lambda: faulty.count == 3)
    time.sleep(0.1)
    assert (faulty.count, ranges.held) == (3, 3000)
    # The last first: it has not been asked for, and all that may be held is held by others.
    for number in range(9, -1, -1):
        assert _bytes_of(fetches[number]) == {0: DATA[number : number + 1000]}
    assert (faulty.count, ranges.held) == (10, 0)


@pytest.mark.parametrize("how", ["cancelled", "deleted"])
def test_what_nobody_takes_makes_room(faulty: Faulty, how: str) -> None:
    ranges = Ranges(Limits(size=3000))
    fetches = [ranges.begin(faulty.url, "one", [Span(number, 1000)]) for number in range(10)]
    _wait_until(lambda: faulty.count == 3)
    if how == "cancelled":
        for fetch in reversed(fetches):  # those that have not been asked for first
            fetch.cancel()
    del fetches
    gc.collect()
    ranges.begin(faulty.url, "one", [Span(0, 1000)]).cancel()
    _wait_until(lambda: ranges.held == 0)
    assert faulty.count <= 4


def test_a_slow_host_does_not_hold_up_another(faulty: Faulty, web: Any) -> None:
    faulty.how = "silent"
    (web.root / "a.tif").write_bytes(DATA)
    ranges = Ranges(Limits(requests=6, requests_per_host=4))
    silent = [ranges.begin(faulty.url, "one", [span]) for span in _apart(8)]
    uri = f"{web.url}/a.tif"
    assert _parts(ranges, uri, stat(uri).etag, SPANS) == _expected(SPANS)
    for fetch in silent:
        fetch.cancel()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_pool_starts_anew_in_a_forked_process(web: Any) -> None:
    (web.root / "a.tif").write_bytes(DATA)
    uri = f"{web.url}/a.tif"
    etag = stat(uri).etag
    ranges = Ranges()
    _parts(ranges, uri, etag, SPANS)
    child = os.fork()
    if not child:
        try:  # remote storage was used before the fork, and says so instead of waiting for ever
            _parts(ranges, uri, etag, SPANS)
        except SourceError as error:
            os._exit(7 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_runs_of_a_local_file_come_together_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(DATA)
    uri = canonical_uri(path)
    # Those of SPANS are read as three runs: of 35, 300,000 and 1,000 bytes.
    for most, expected in [(2**20, [5]), (300_034, [3, 1, 1]), (300_035, [4, 1]), (1, [3, 1, 1])]:
        monkeypatch.setattr(reading, "LOCAL_BATCH", most)
        fetch = Ranges().begin(uri, stat(uri).etag, SPANS)
        assert [len(members) for _, members in fetch.batches(stop=never)] == expected
        assert _bytes_of(fetch) == _expected(SPANS)


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LOCAL_BATCH", 1)
    path = tmp_path / "a.tif"
    path.write_bytes(DATA)
    uri = canonical_uri(path)
    batches = Ranges().begin(uri, stat(uri).etag, SPANS).batches(stop=never)
    next(batches)
    os.utime(path, ns=(0, 0))
    with pytest.raises(FileChanged):
        list(batches)


def test_missing_files_are_told(tmp_path: Path, web: Any) -> None:
    for uri in (canonical_uri(tmp_path / "a.tif"), f"{web.url}/a.tif"):
        with pytest.raises(Missing, match=r"a\.tif: not found"):
            _parts(Ranges(), uri, "one", SPANS)


def _wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened")
