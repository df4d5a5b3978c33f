"""gunicorn's master, which also watches over the process that leads jobs."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from gunicorn.arbiter import Arbiter

LOG = logging.getLogger("prismcube.server")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before it is started again: doubled each time, unless it has run for longer than the longest."""

STOP_SECONDS = 5.0
"""How long it may take to give back what it works on."""


class Watched:
    """A program that is started again whenever it ends. Needs no thread: `look` is called now and then."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = 0.0
        self._started = self._ended = float("-inf")

    def look(self) -> None:
        """Start it when it is time to."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None:
                return
            lasted = now - self._started
            self._pause = (
                FIRST_PAUSE if lasted > LONGEST_PAUSE else min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            )
            LOG.error("the process that executes jobs has ended; it is started again in %g s", self._pause)
            self._process, self._ended = None, now
        if now - self._ended >= self._pause:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)  # noqa: S603  # our own program
            self._started = now

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._process.poll() is None:
            self._process.kill()
        self._process = None


class JobsArbiter(Arbiter):  # type: ignore[misc]  # gunicorn carries no types
    """A master with one more child, which is no worker of gunicorn's."""

    def __init__(self, application: Any, command: Sequence[str]) -> None:
        super().__init__(application)
        self._watched = Watched(command)
        self._master = os.getpid()

    def manage_workers(self) -> None:
        super().manage_workers()
        if os.getpid() == self._master:
            self._watched.look()

    def stop(self, graceful: bool = True) -> None:
        self._watched.stop()
        super().stop(graceful)
