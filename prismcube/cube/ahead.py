"""Works that have begun before their turn, so that the remote files that they need first are under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from prismcube.cube.stacks import Work

WORKS = 64
"""That have begun, at most, however little each has asked for."""
LOCAL = 4
"""Of these, works that have asked for nothing, at most: what they read lies here, and to begin them takes time in which
nobody computes."""


class Ahead:
    """Works in their order, of which the next ones have begun; of one thread.

    When half of them are left, and of the bytes that they have asked for, the next are begun, all at once: works of one
    file then ask for it together.
    """

    def __init__(
        self, works: Iterator[Work], together: Callable[[], AbstractContextManager[None]], *, most_bytes: int
    ) -> None:
        """Beside one work, others begin while `most_bytes` have not been asked for."""
        self._works, self._together, self._most = works, together, most_bytes
        self._begun: deque[tuple[Work, int]] = deque()
        self._asked = self._local = 0

    def __len__(self) -> int:
        """How many have begun and not been taken; after `reach`, 0 when none is left."""
        return len(self._begun)

    @property
    def first(self) -> Work:
        """The next one, which stays here."""
        return self._begun[0][0]

    def take(self) -> Work:
        """The next one."""
        work, asked = self._begun.popleft()
        self._asked -= asked
        self._local -= asked == 0
        return work

    def reach(self) -> None:
        """Begin the next, unless enough of them have."""
        if len(self._begun) > WORKS // 2 or self._asked > self._most // 2 or self._local >= LOCAL:
            return
        with self._together():
            while self._has_room() and (work := next(self._works, None)):
                asked = work.asked
                self._begun.append((work, asked))
                self._asked += asked
                self._local += asked == 0

    def _has_room(self) -> bool:
        return len(self._begun) < WORKS and self._asked < self._most and self._local < LOCAL

    def cancel(self) -> None:
        """Nobody will take the others."""
        for work, _ in self._begun:
            work.cancel()
