"""Places in a file, and which of them are read at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


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
