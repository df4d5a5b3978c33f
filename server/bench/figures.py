"""Figures: what was measured, beside the bar it is held to."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("prismcube", "sqlalchemy", "psycopg", "shapely")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one database."""

    name: str
    database: str
    unit: str
    """`ms` a call, `/s` (things a second), `times` (another's time by ours), `MB` or `errors`."""
    value: float
    """What the bar is for: the median of calls, the whole run's rate, the growth, the number."""
    median: float | None = None
    """Of the repeats, in `unit`; rates have one a batch."""
    p99: float | None = None
    """99 in 100 repeats were at least as good; the worst of fewer than 100."""
    repeats: int = 1
    bar: float | None = None
    """At most this; of rates and ratios, at least this."""
    original: float | None = None
    """What Geocube needs for the same, in `unit`, where that is known."""
    note: str = ""

    @property
    def passes(self) -> bool | None:
        """True when the value keeps its bar; None without one."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.is_more_better else self.value <= self.bar

    @property
    def is_more_better(self) -> bool:
        return self.unit in ("/s", "times")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"passes": self.passes}


@dataclass(frozen=True, kw_only=True)
class Report:
    """All figures of a run."""

    size: dict[str, Any]
    databases: dict[str, str]
    """Names, with the versions of what holds the data."""
    figures: Sequence[Figure]
    not_measured: Sequence[str] = ()
    """Databases that none was given of."""

    def to_json(self) -> dict[str, Any]:
        return {
            **head(PACKAGES),
            "databases": self.databases,
            "size": self.size,
            "figures": [one.to_json() for one in self.figures],
            "not_measured": list(self.not_measured),
        }


def head(packages: Iterable[str]) -> dict[str, Any]:
    """Of a report: when, where, and with which of these packages; those that are not installed are left out."""
    versions = {"python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {"written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine(), "versions": versions}


def machine() -> dict[str, Any]:
    """Where it was measured; `load` is the average of the last minute, which a busy machine shows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    cpu = names[0] if names else platform.processor()
    return {"platform": platform.platform(), "cpu": cpu, "cores": os.cpu_count(), "load": load}


def sqlite_version() -> str:
    return f"SQLite {sqlite3.sqlite_version}"


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def call_figure(
    name: str, database: str, work: Callable[[], object], *, repeats: int, warm_up: int = 3, **more: Any
) -> Figure:
    """Milliseconds of a call, after some that don't count."""
    for _ in range(warm_up):
        work()
    return calls_figure(name, database, [seconds(work) for _ in range(repeats)], **more)


def calls_figure(name: str, database: str, taken: Sequence[float], **more: Any) -> Figure:
    """Milliseconds of calls that took so many seconds each."""
    ms = [1e3 * one for one in taken]
    middle = statistics.median(ms)
    return Figure(
        name=name, database=database, unit="ms", value=middle, median=middle, p99=worst(ms), repeats=len(ms), **more
    )


@dataclass(frozen=True)
class Batch:
    """What was done at once."""

    number: int
    seconds: float
    cpu: float
    """Seconds of this process's own work; on a busy machine, and with a server that works as well, less than all."""


def batch(number: int, work: Callable[[], object]) -> Batch:
    """Time some work that does so many things."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Batch(number, time.perf_counter() - wall, time.process_time() - cpu)


def rate_figure(name: str, database: str, batches: Sequence[Batch], **more: Any) -> Figure:
    """Things a second, and a second of this process's own work."""
    rates = [one.number / one.seconds for one in batches]
    number = sum(one.number for one in batches)
    return Figure(
        name=name,
        database=database,
        unit="/s",
        value=number / sum(one.seconds for one in batches),
        median=statistics.median(rates),
        p99=-worst([-one for one in rates]),
        repeats=len(rates),
        note=f"{number / max(1e-9, sum(one.cpu for one in batches)):,.0f} a second of own CPU",
        **more,
    )


def worst(values: Sequence[float]) -> float:
    """The 99th percentile by nearest rank: no more than 1 in 100 is larger."""
    ranked = sorted(values)
    return ranked[max(0, -(-99 * len(ranked) // 100) - 1)]
