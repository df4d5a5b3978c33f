"""What comes of it: each engine in each case, beside the bars."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from server.bench.cube.cases import OURS, Case
from server.bench.cube.engines import ENGINES
from server.bench.cube.judge import Difference
from server.bench.cube.limits import Limit
from server.bench.cube.scenes import Size
from server.bench.cube.slow_server import Counts
from server.bench.figures import head

PACKAGES = tuple(dict.fromkeys([*(one.package for one in ENGINES.values()), "numpy", "numba", "imagecodecs"]))
"""Those of the engines, and what all rest upon."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An engine in a case."""

    engine: str
    seconds: tuple[float, ...] = ()
    """Of each timed run; of the first alone where it took very long. Empty when it failed."""
    cpu: float = 0.0
    """Seconds, median."""
    growth: int | None = None
    """Bytes by which memory grew at most, the output included."""
    difference: Difference | None = None
    """From the judge."""
    counts: Counts | None = None
    """What it asked of the server, in one run."""
    failed: str = ""
    """Why there is nothing."""

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"median": self.median}


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """All engines in a case."""

    case: Case
    engines: tuple[Measured, ...]
    judged: bool
    """Whether the bars hold here: at the full size only."""
    limit: Limit | None
    """Of cases whose time is the machine's, not the network's."""
    shares: tuple[float, ...] = ()
    """Of our runs: the seconds of the limit, measured before and after each, by its own."""

    @property
    def ours(self) -> Measured | None:
        return next((one for one in self.engines if one.engine == OURS), None)

    def ratio(self, one: Measured) -> float | None:
        """How many times as long as we it took; below 1 it is faster."""
        ours = self.ours.median if self.ours else None
        return one.median / ours if ours and one.median is not None else None

    @property
    def limit_share(self) -> float | None:
        """Median of `shares`: 1 is as quick as can be."""
        return statistics.median(self.shares) if self.shares else None

    def bars(self) -> list[Bar]:
        """Each bar of the case beside what was reached; none where something failed, or at another size."""
        if not self.judged:
            return []
        found: list[Bar] = []
        for one in self.engines:
            ratio, wanted = self.ratio(one), self.case.bars.get(one.engine)
            if ratio is not None and wanted is not None:
                found.append(Bar(f"times {one.engine}", ratio, wanted))
        ours, share = self.ours, self.limit_share
        if share is not None and self.case.limit_bar is not None:
            found.append(Bar("share of the limit", share, self.case.limit_bar))
        if ours is None or ours.median is None:
            return found
        if self.case.seconds_bar is not None:
            found.append(Bar("seconds", ours.median, self.case.seconds_bar, "≤"))
        if ours.counts:
            found += self._request_bars(ours.counts)
        if ours.growth is not None and self.case.source == "disk" and not self.case.is_point:
            largest = 1.25 * self.case.output_bytes / 1e6
            found.append(Bar("MB of memory", ours.growth / 1e6, largest, "≤"))
        return found

    def _request_bars(self, counts: Counts) -> list[Bar]:
        found = []
        if self.case.requests_bar is not None:
            found.append(Bar("requests for pixels", counts.data, self.case.requests_bar, "≤"))
        if self.case.one_request_a_date:
            found.append(Bar("requests for pixels", counts.data, self.case.dates, "="))
        return [*found, Bar("other requests", counts.header + counts.other, 0, "=")] if found else []

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case.to_json(),
            "engines": [one.to_json() | {"ratio": self.ratio(one)} for one in self.engines],
            "limit": self.limit.to_json() if self.limit else None,
            "limit_share": self.limit_share,
            "bars": [one.to_json() for one in self.bars()],
        }


@dataclass(frozen=True)
class Bar:
    """What we hold ourselves to."""

    what: str
    value: float
    wanted: float
    sign: Literal["≥", "≤", "="] = "≥"
    """How the value is to stand to what is wanted."""

    @property
    def passes(self) -> bool:
        if self.sign == "=":
            return self.value == self.wanted
        return self.value >= self.wanted if self.sign == "≥" else self.value <= self.wanted

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"passes": self.passes}


@dataclass(frozen=True, kw_only=True)
class Report:
    """All cases of a run."""

    size: Size
    results: Sequence[CaseResult]
    engines: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        return {
            **head(PACKAGES),
            "size": self.size.to_json(),
            "engines": {name: ENGINES[name].how for name in self.engines},
            "cases": [one.to_json() for one in self.results],
        }
