"""Waiting for what must happen before it can be measured."""

from __future__ import annotations

import time
from collections.abc import Callable

from prismcube.errors import PrismcubeError

PATIENCE = 120.0
"""Seconds for anything that a bench waits for, beside the work itself."""


class NotMeasured(PrismcubeError):
    """What was to be measured did not happen, or not in time; says what."""


def wait_until(is_so: Callable[[], bool], told: str, *, every: float = 0.005, seconds: float = PATIENCE) -> float:
    """How long it took. Raises NotMeasured."""
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > seconds:
            raise NotMeasured(f"{told} within {seconds:g} s")
        time.sleep(every)
    return time.monotonic() - begun
