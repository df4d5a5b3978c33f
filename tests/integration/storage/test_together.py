"""Fetches of one remote file that are asked for together: requests that several take from."""

from __future__ import annotations

import gc
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.errors import SourceError
from prismcube.storage.fetch import FileChanged, Truncated
from prismcube.storage.pool import Limits
from prismcube.storage.ranges import GATHERED, SHARE, Ranges
from prismcube.storage.spans import Span
from prismcube.storage.store import stat
from prismcube.storage.uri import canonical_uri

DATA = np.random.default_rng(5).integers(0, 256, 3_000_000, np.uint8).tobytes()
BLOCK = 10_000
DATES = [[Span(place + date * BLOCK, BLOCK) for place in (0, 1_000_000)] for date in range(40)]
"""Of each date a block at two places, where those of all dates lie side by side."""


def never() -> None:
    """A `Stop` that lets everything run to its end."""


def bytes_of(fetch: Any) -> dict[int, bytes]:
    batches = fetch.batches(stop=never)
    return {number: bytes(data[start : start + size]) for data, members in batches for number, start, size in members}


def expected(spans: list[Span]) -> dict[int, bytes]:
    return {number: DATA[span.start : span.end] for number, span in enumerate(spans)}


def nothing_is_held(ranges: Ranges) -> None:
    """What nobody wants any more is held until it has arrived."""
    for _ in range(500):
        if not ranges.held:
            return
        time.sleep(0.01)
    raise AssertionError(f"{ranges.held:,} bytes are held")


@pytest.fixture
def uri(web: Any) -> str:
    (web.root / "a.tif").write_bytes(DATA)
    return f"{web.url}/a.tif"


def asked(web: Any) -> list[str]:
    return [line for line in web.log if line.startswith("GET")]


def begin(ranges: Ranges, uri: str, dates: list[list[Span]], *, etag: str = "") -> list[Any]:
    etag = etag or stat(uri).etag
    with ranges.together():
        return [ranges.begin(uri, etag, spans) for spans in dates]


def test_dates_side_by_side_are_one_request_a_place(web: Any, uri: str) -> None:
    ranges = Ranges()
    fetches = begin(ranges, uri, DATES)
    assert [bytes_of(fetch) for fetch in fetches] == [expected(spans) for spans in DATES]
    assert len(asked(web)) == 2
    assert (ranges.traffic.requests, ranges.traffic.size, ranges.held) == (2, 80 * BLOCK, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2_900_000), st.integers(1, 90_000)), max_size=4), max_size=6),
    st.randoms(use_true_random=False),
    st.integers(1, 400_000),
)
def test_everybody_gets_his_bytes_in_whatever_order_they_take(
    web: Any, uri: str, dates: list[list[tuple[int, int]]], random: Any, held: int
) -> None:
    spans = [[Span(*pair) for pair in pairs] for pairs in dates]
    ranges = Ranges(Limits(size=held))
    fetches = list(zip(begin(ranges, uri, spans), spans, strict=True))
    random.shuffle(fetches)
    for number, (fetch, wanted) in enumerate(fetches):
        if number % 3 == 2:
            fetch.cancel()
        else:
            assert bytes_of(fetch) == expected(wanted)
    nothing_is_held(ranges)


def test_files_are_not_mixed_up_and_local_ones_are_read_as_ever(web: Any, uri: str) -> None:
    other = DATA[::-1]
    (web.root / "b.tif").write_bytes(other)
    local = canonical_uri(web.root / "b.tif")
    ranges = Ranges()
    with ranges.together():
        first = [ranges.begin(name, stat(name).etag, DATES[0]) for name in (uri, f"{web.url}/b.tif", local)]
        second = [ranges.begin(name, stat(name).etag, DATES[1]) for name in (uri, f"{web.url}/b.tif", local)]
    for fetches, spans in ((first, DATES[0]), (second, DATES[1])):
        assert bytes_of(fetches[0]) == expected(spans)
        for fetch in fetches[1:]:
            assert bytes_of(fetch) == {number: other[span.start : span.end] for number, span in enumerate(spans)}
    assert len(asked(web)) == 4


def test_what_is_held_for_others_is_bounded(web: Any, uri: str) -> None:
    limits = Limits(size=SHARE * 16 * BLOCK)
    ranges = Ranges(limits)
    fetches = begin(ranges, uri, DATES)
    for number, (fetch, spans) in enumerate(zip(fetches, DATES, strict=True)):
        assert bytes_of(fetch) == expected(spans)
        assert ranges.held <= limits.size + 16 * BLOCK, number  # one group is waited for beside
    # 80 blocks are asked for in groups of at most 16: of five dates each.
    assert len(asked(web)) == 2 * 8


def test_one_who_gives_up_does_not_disturb_the_others(web: Any, uri: str) -> None:
    ranges = Ranges()
    fetches = begin(ranges, uri, DATES)
    fetches[0].cancel()
    batches = fetches[1].batches(stop=never)
    next(batches)
    batches.close()
    del batches
    fetches[2] = None
    gc.collect()
    assert [bytes_of(fetch) for fetch in fetches[3:]] == [expected(spans) for spans in DATES[3:]]
    ranges.begin(uri, "one", []).cancel()  # those that were deleted are seen to
    nothing_is_held(ranges)


def test_when_all_give_up_nothing_is_held(web: Any, uri: str) -> None:
    ranges = Ranges(Limits(size=2 * 40 * BLOCK))
    for fetch in begin(ranges, uri, DATES):
        fetch.cancel()
    with ranges.together():
        ranges.begin(uri, "one", DATES[0]).cancel()
    assert bytes_of(ranges.begin(uri, stat(uri).etag, DATES[0])) == expected(DATES[0])
    nothing_is_held(ranges)
    assert len(asked(web)) <= 2 * SHARE + 2


def test_a_file_that_ends_too_early_fails_those_whose_bytes_are_missing(web: Any, uri: str) -> None:
    end = 1_000_000 + 20 * BLOCK + 1
    (web.root / "a.tif").write_bytes(DATA[:end])
    ranges = Ranges()
    for number, fetch in enumerate(begin(ranges, uri, DATES)):
        if number < 20:
            assert bytes_of(fetch) == expected(DATES[number])
        else:
            with pytest.raises(Truncated, match=rf"/a\.tif: is truncated: it has {end:,} bytes"):
                bytes_of(fetch)
    nothing_is_held(ranges)


def test_each_is_told_of_a_changed_file_and_of_a_server_that_fails(web: Any, uri: str) -> None:
    ranges = Ranges()
    for fetch in begin(ranges, uri, DATES[:3], etag="another"):
        with pytest.raises(FileChanged, match=r"/a\.tif: has changed"):
            bytes_of(fetch)
    etag = stat(uri).etag
    web.answer = lambda method, path: 403
    for fetch in begin(ranges, uri, DATES[:3], etag=etag):
        with pytest.raises(SourceError, match=r"/a\.tif: access is refused"):
            bytes_of(fetch)
    nothing_is_held(ranges)


def test_blocks_within_blocks_and_parts_before_the_end(web: Any, uri: str) -> None:
    ranges, etag = Ranges(), stat(uri).etag
    with ranges.together():
        first = ranges.begin(uri, etag, DATES[0])
        with ranges.together():
            second = ranges.begin(uri, etag, DATES[1])
        alone = ranges.begin(uri, etag, DATES[2])
        assert bytes_of(alone) == expected(DATES[2])
        assert len(asked(web)) == 2
    assert [bytes_of(first), bytes_of(second)] == [expected(DATES[0]), expected(DATES[1])]
    assert len(asked(web)) == 4


def test_what_was_begun_before_an_error_can_be_taken(web: Any, uri: str) -> None:
    ranges, begun = Ranges(), []

    def fail() -> None:
        with ranges.together():
            begun.append(ranges.begin(uri, stat(uri).etag, DATES[0]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert bytes_of(begun[0]) == expected(DATES[0])
    nothing_is_held(ranges)


def test_files_of_several_bands_are_joined_in_turns_and_others_asked_before_the_end(web: Any) -> None:
    for number in range(GATHERED + 1):
        (web.root / f"{number}.tif").write_bytes(DATA)
    uris = [canonical_uri(f"{web.url}/{number}.tif") for number in range(GATHERED + 1)]
    etags = {uri: stat(uri).etag for uri in uris}
    ranges = Ranges()
    with ranges.together():
        fetches = [(spans, ranges.begin(uri, etags[uri], spans)) for spans in DATES for uri in uris[:GATHERED]]
        assert not asked(web)
        last = ranges.begin(uris[-1], etags[uris[-1]], DATES[0])
        for _ in range(500):
            if asked(web):
                break
            time.sleep(0.01)
        assert {line.split()[1] for line in asked(web)} == {"/0.tif"}
    for spans, fetch in fetches:
        assert bytes_of(fetch) == expected(spans)
    assert bytes_of(last) == expected(DATES[0])
    assert len(asked(web)) == 2 * GATHERED + 2, "of each file the blocks at both places, of all its dates"
