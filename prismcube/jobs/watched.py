"""A program that is kept running."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

LOG = logging.getLogger("prismcube.jobs")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before it is started again: doubled each time, unless it has run for longer than the longest."""

STOP_SECONDS = 5.0
"""How long it may take to give back what it works on."""


class Watched:
    """A program that is started again whenever it ends. Needs no thread: `look` is called now and then."""

    def __init__(self, command: Sequence[str], *, what: str, environment: Mapping[str, str] | None = None) -> None:
        """`what` names it to people; `environment` is what it has beside ours."""
        self._command = command
        self._environment = environment or {}
        self._what = what
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = 0.0
        self._started = self._ended = float("-inf")

    @property
    def pid(self) -> int | None:
        """Of the process that was started last, while it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

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
            LOG.error("%s has ended; it is started again in %g s", self._what, self._pause)
            self._process, self._ended = None, now
        if now - self._ended >= self._pause:
            environment = {**os.environ, **self._environment}
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env=environment)  # noqa: S603  # our own program
            self._started = now

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self.pid is not None and self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while self._process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process = None
