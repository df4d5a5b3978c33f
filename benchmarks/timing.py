"""Interleaved runs: ours, peer, ours, peer; so that a busy machine is busy for both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Contest:
    """The same work done by us and by a peer."""

    name: str
    peer: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    same: Callable[[Any, Any], bool]
    """True when both answers say the same; a contest between different answers is none."""


@dataclass(frozen=True)
class Result:
    """Seconds of wall time, medians over the runs; of CPU time, and a mean, where the name says CPU."""

    name: str
    peer: str
    ours: float
    theirs: float
    runs: int

    @property
    def ratio(self) -> float:
        """How many times faster we are; below 1 the peer is."""
        return self.theirs / self.ours

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio}


def run(contest: Contest, *, runs: int) -> Result:
    """Warm up, compare the answers, then time. Raises ValueError when the answers differ."""
    if not contest.same(contest.ours(), contest.theirs()):
        raise ValueError(f"{contest.name}: the answers of Prismcube and {contest.peer} differ")
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(_seconds(contest.ours))
        theirs.append(_seconds(contest.theirs))
    return Result(contest.name, contest.peer, statistics.median(ours), statistics.median(theirs), runs)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
