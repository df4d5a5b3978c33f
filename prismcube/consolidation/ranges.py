"""Many ids in few words: `12-40`, `57`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prismcube.errors import InvalidInput

MOST = 10_000_000
"""Ids that one list of ranges may stand for."""


def to_ranges(ids: Iterable[int]) -> list[str]:
    """Distinct ids, rising, as ranges; both ends included."""
    found: list[list[int]] = []
    for id in sorted(set(ids)):
        if found and found[-1][1] == id - 1:
            found[-1][1] = id
        else:
            found.append([id, id])
    return [str(first) if first == last else f"{first}-{last}" for first, last in found]


def from_ranges(parameter: str, ranges: Sequence[str | int]) -> tuple[int, ...]:
    """The inverse of `to_ranges`; plain numbers are taken, too. Raises InvalidInput naming the parameter."""
    found: set[int] = set()
    for text in map(str, ranges):
        first, dash, last = text.partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(one.isascii() and one.isdecimal() and len(one) < 16 for one in ends):
            raise InvalidInput(parameter, f"{text[:60]!r} is neither an id nor a range such as 12-40")
        begin, end = map(int, ends)
        if end < begin or len(found) + end - begin >= MOST:
            raise InvalidInput(parameter, f"{text[:60]!r} ends before it begins, or there are more than {MOST:,} ids")
        found.update(range(begin, end + 1))
    return tuple(sorted(found))
