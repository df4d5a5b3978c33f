"""What was measured of jobs: figures beside their bars, case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.bench.figures import Figure, head
from server.bench.jobs.sizes import Size

PACKAGES = ("prismcube", "sqlalchemy", "psycopg", "numpy", "imagecodecs")


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
            **head(PACKAGES),
            "size": self.size.to_json(),
            "cases": [one.to_json() for one in self.results],
            "not_measured": list(self.not_measured),
        }
