"""Small answers kept for a while: as long as nothing has changed in the catalogue that they tell of.

The outbox numbers every change that readers see; its last number is the version of all that is kept here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from providers.ogc.answer import Answer

MOST_BYTES = 32 * 2**20
"""Of all answers of a worker together."""
MOST = 500


class Kept:
    """Answers by what was asked; those asked for last stay. Safe to share between threads."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most: int = MOST) -> None:
        self._most_bytes = most_bytes
        self._most = most
        self._lock = threading.Lock()
        self._version = -1
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, version: int, make: Callable[[], Answer]) -> Answer:
        """The answer of that version; made when it is not there. `version` must be read before."""
        with self._lock:
            if version > self._version:
                self._answers.clear()
                self._bytes, self._version = 0, version
            found = self._answers.get(key) if version == self._version else None
            if found is not None:
                self._answers.move_to_end(key)
                return found
        made = make()
        with self._lock:
            if version == self._version and key not in self._answers and _size(made) <= self._most_bytes:
                self._answers[key] = made
                self._bytes += _size(made)
                while self._bytes > self._most_bytes or len(self._answers) > self._most:
                    _, gone = self._answers.popitem(last=False)
                    self._bytes -= _size(gone)
        return made


def _size(answer: Answer) -> int:
    return len(answer.body) if isinstance(answer.body, bytes) else 2**62
