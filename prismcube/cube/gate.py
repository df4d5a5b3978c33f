"""How much memory the cubes of one process may use together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prismcube.errors import Overloaded

Stop = Callable[[], None]
"""Called now and then by long work; raises Cancelled when nobody wants the answer any more."""

LOOK_SECONDS = 0.2
"""How often one who waits looks whether it is still wanted."""


def never() -> None:
    """A `Stop` that lets everything run to its end."""


class MemoryGate:
    """Lets work begin while what it needs fits into `total` bytes beside what is running; else it waits."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._total = total
        self._kept = 0
        self._changed = threading.Condition()

    @property
    def free(self) -> int:
        """Bytes that nobody holds now."""
        return self._free

    @property
    def total(self) -> int:
        return self._total

    @contextmanager
    def keep(self, size: int) -> Iterator[None]:
        """Have `size` bytes for the block, beside what is held: of answers that wait for their clients to take them.

        Whoever keeps must not hold at the same time: those who wait for memory have the threads that it needs to go on.
        Never waits; raises Overloaded when half of `total` is kept already.
        """
        with self._changed:
            if self._kept + size > self._total // 2:
                raise Overloaded("too many clients are taking large answers at the moment; try again later")
            self._kept += size
        try:
            yield
        finally:
            with self._changed:
                self._kept -= size

    @contextmanager
    def hold(self, size: int, *, stop: Stop = never) -> Iterator[None]:
        """Have `size` bytes for the block; more than there are in all counts as all of them."""
        size = min(size, self._total)
        with self._changed:
            while self._free < size:
                stop()
                self._changed.wait(LOOK_SECONDS)
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()
