"""How many workers there should be, and which of them go first: functions of values.

The rule is Geocube's: so many tasks that have not ended for each worker, a step up or down at a time. A worker that is
stopped has its task begun again elsewhere, so those go first that have spent the least time on theirs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_RATIO = 1.2
"""Tasks for each worker, when they compute; 2 when they mostly wait, as downloads do."""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The rule's parameters."""

    most: int
    """Workers at most."""
    least: int = 0
    """Workers also when there is nothing to do."""
    ratio: float = DEFAULT_RATIO
    """Tasks for each worker."""
    ratios: Mapping[str, float] = field(default_factory=dict)
    """Of kinds that have another."""
    step: int | None = None
    """Workers that come or go at once, at most; None: a tenth of `most`."""

    def wanted(self, backlog: Mapping[str, int], current: int) -> int:
        """How many workers there should be next, of now `current`, for so many tasks of each kind that have not ended.

        It lies between `current` and what the backlog asks for within [least, most], at most a step from `current`.
        """
        load = math.fsum(number / self.ratios.get(kind, self.ratio) for kind, number in backlog.items())
        goal = min(max(math.ceil(load), self.least), max(self.most, self.least))
        step = self.step or max(1, self.most // 10)
        return min(max(goal, current - step), current + step)


def cheapest(costs: Mapping[str, float], number: int) -> list[str]:
    """The workers to stop, so many; `costs` are the seconds that each has spent on what it works on."""
    return sorted(costs, key=lambda name: (costs[name], name))[: max(0, number)]
