"""Memory that a thread's next block may overwrite."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt


class Scratch(threading.local):
    """A buffer of each thread."""

    buffer: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def take(self, size: int) -> npt.NDArray[np.uint8]:
        """Bytes that the thread's next call may overwrite."""
        if len(self.buffer) < size:
            self.buffer = np.empty(size, np.uint8)
        return self.buffer[:size]


scratch = Scratch()
"""Of decoded blocks."""
