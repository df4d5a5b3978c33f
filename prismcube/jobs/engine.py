"""What an engine is: it takes orders, tells how they ended, and stops those that nobody wants any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from prismcube.jobs.entities import Order, Outcome


class Engine(Protocol):
    """Executes attempts somewhere. Called by one thread; never blocks for long."""

    def start(self, wake: Callable[[], None]) -> None:
        """Begin; `wake` may be called from any thread when an attempt has ended."""
        ...

    def room(self, kind: str) -> int:
        """How many more tasks of this kind it can take now."""
        ...

    def submit(self, order: Order) -> None:
        """Execute an attempt."""
        ...

    def finished(self) -> list[Outcome]:
        """What has ended since the last call."""
        ...

    def cancel(self, task: int, attempt: int) -> None:
        """Stop an attempt, also in the middle of its work; it ends as cancelled, within a few seconds."""
        ...

    def attempts(self) -> set[tuple[int, int]]:
        """Those that were submitted and of which nothing has been told yet, as (task, attempt)."""
        ...

    def about(self) -> Mapping[str, Any]:
        """What people are shown: the kind of engine, its workers."""
        ...

    def close(self) -> None:
        """Stop everything; what has not ended is lost."""
        ...
