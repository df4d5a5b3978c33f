"""What was measured of jobs: figures beside their bars, case by case."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from server.bench.figures import Figure, machine
from server.bench.jobs.sizes import Size

PACKAGES = ("prismcube", "sqlalchemy", "psycopg", "pebble", "numpy", "imagecodecs")


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """One case."""

    name: str
    title: str
    figures: Sequence[Figure]
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else is worth keeping: small, for JSON."""

    @property
    def is_true(self) -> bool:
        """Nothing was lost, wrong or done twice, whatever time it took."""
        return not any(one.value for one in self.figures if one.unit == "errors")

    def to_json(self) -> dict[str, Any]:
        figures = [one.to_json() for one in self.figures]
        return {"case": self.name, "title": self.title, "figures": figures, "details": dict(self.details)}


@dataclass(frozen=True, kw_only=True)
class Report:
    """All cases of a run."""

    size: Size
    results: Sequence[CaseResult]
    not_measured: Sequence[str] = ()
    """Cases that want what none was given of."""

    def to_json(self) -> dict[str, Any]:
        return {
            "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": machine(),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            "size": self.size.to_json(),
            "cases": [one.to_json() for one in self.results],
            "not_measured": list(self.not_measured),
        }
