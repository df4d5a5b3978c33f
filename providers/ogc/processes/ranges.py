"""The Range header (RFC 9110, 14.2): one part of a file. Pure."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


def part_of(header: str, size: int) -> tuple[int, int] | None:
    """`[start, stop)` of the bytes that are asked for; None for all of them; empty for a part that is not there.

    Several parts at once, and what can't be read, are answered with the whole, as RFC 9110 allows.
    """
    found = _ONE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = int(found[2])
        return (max(size - length, 0), size) if length else (size, size)
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return None
    return (start, min(last + 1, size)) if start < size else (size, size)
