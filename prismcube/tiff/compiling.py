"""Kernels are made by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

_MAKING = threading.RLock()


def one_at_a_time[**P](make: Callable[P, Any]) -> Callable[P, Any]:
    """What `make` gives for some arguments, made once; whoever asks meanwhile, for whichever kernel, waits.

    numba gives each type a number when it is first seen, and takes no lock for that (`numba.core.types.abstract`,
    `_TypeMetaclass._intern`). Of two threads that make kernels at the same instant one may be left with a type of a
    number that nobody else knows; calls of its kernel then end with an AssertionError in `install_possible_conversions`
    (seen once, in a `run-plan` that had just begun).
    """
    kept: Callable[P, Any] = cache(make)  # type: ignore[assignment]  # arguments are hashable

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> Any:
        with _MAKING:
            return kept(*args, **kwargs)

    return made
