"""The pixel threads of one worker: so many work at once, so many requests wait, the rest is told to come later."""

from __future__ import annotations

from collections.abc import Callable

import anyio.to_thread
from anyio import CapacityLimiter


class Threads:
    """Runs plain functions in threads; used from the worker's event loop only."""

    def __init__(self, size: int, *, queue: int) -> None:
        self.size = size
        self.queue = queue
        self._limiter: CapacityLimiter | None = None  # made on the worker's own event loop

    @property
    def busy(self) -> int:
        return self._limiter.borrowed_tokens if self._limiter else 0

    @property
    def waiting(self) -> int:
        return self._limiter.statistics().tasks_waiting if self._limiter else 0

    @property
    def is_full(self) -> bool:
        """True when another request would wait behind too many."""
        return self.waiting >= self.queue

    async def run[*A, R](self, work: Callable[[*A], R], *arguments: *A) -> R:
        """The result of `work(*arguments)`; waits for a thread."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(self.size)
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limiter)
