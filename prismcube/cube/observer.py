"""Who is told what the engine has done: the server counts it. Pure."""

from __future__ import annotations

import threading
from typing import Protocol

from prismcube.model.cube import SliceStatus


class Observer(Protocol):
    """Is told of work as it is done, from any thread."""

    def files_read(self, count: int, size: int) -> None:
        """So many visits to files, `size` decoded bytes by plan."""

    def fell_back(self, reason: str) -> None:
        """A file was read by GDAL, since its layout is not known or not understood, for a reason of few words."""

    def slice_made(self, status: SliceStatus, message: str) -> None:
        """A time step is ready, or has failed; they come in order. `message`: what could not be read, for strangers."""


class Nobody:
    """An `Observer` that does not look."""

    def files_read(self, count: int, size: int) -> None:
        """Nothing to do."""

    def fell_back(self, reason: str) -> None:
        """Nothing to do."""

    def slice_made(self, status: SliceStatus, message: str) -> None:
        """Nothing to do."""


NOBODY: Observer = Nobody()


class ReadBytes(Nobody):
    """Sums up what is read."""

    def __init__(self) -> None:
        self.total = 0
        """Decoded bytes, by plan."""
        self._lock = threading.Lock()

    def files_read(self, count: int, size: int) -> None:
        with self._lock:
            self.total += size
