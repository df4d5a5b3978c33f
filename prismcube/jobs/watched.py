"""A program that is kept running.

It may be told to give signs of life (`signs`): bytes into a pipe, whose number it is given behind its words. One that
has given some, and then none for two minutes, hangs; it is killed, and started again as if it had ended by itself.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

LOG = logging.getLogger("prismcube.jobs")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before it is started again: doubled each time, unless it has run for longer than the longest."""

STOP_SECONDS = 5.0
"""How long it may take to give back what it works on."""


SIGN_SECONDS = 1.0
"""Between two looks for signs of life."""

SILENT_SIGNS = 120
"""So many looks without one are the end of a program. They are counted, and no time is taken, for whoever looks may
have stood still itself."""


class Watched:
    """A program that is started again whenever it ends. Needs no thread: `look` is called now and then."""

    def __init__(
        self, command: Sequence[str], *, what: str, environment: Mapping[str, str] | None = None, signs: bool = False
    ) -> None:
        """`what` names it to people; `environment` is what it has beside ours; `signs`: see above."""
        self._command = command
        self._environment = environment or {}
        self._what = what
        self._process: subprocess.Popen[bytes] | None = None
        self._signs = _Signs() if signs else None
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
            if self._process.poll() is None and not (self._signs is not None and self._signs.have_ceased(now)):
                return
            if self._process.poll() is None:
                LOG.error("%s gives no sign of life; it is killed", self._what)
                self._process.kill()
                self._process.wait()
            lasted = now - self._started
            self._pause = (
                FIRST_PAUSE if lasted > LONGEST_PAUSE else min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            )
            LOG.error("%s has ended; it is started again in %g s", self._what, self._pause)
            self._process, self._ended = None, now
        if now - self._ended >= self._pause:
            self._process = self._start()
            self._started = now

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self._environment}
        if self._signs is None:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env=environment)  # noqa: S603  # our own program
        with self._signs.begin() as pipe:
            command = [*self._command, str(pipe)]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=[pipe])  # noqa: S603  # our own program

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


class _Signs:
    """Those of one program after the other."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._missed: int | None = None
        """Looks without a sign since the last one; None before the first: to start takes as long as it takes."""
        self._looked = 0.0

    @contextmanager
    def begin(self) -> Iterator[int]:
        """A pipe for the next program, which it has when the block ends."""
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe, theirs = os.pipe()
        os.set_blocking(self._pipe, False)
        self._missed = None
        try:
            yield theirs
        finally:
            os.close(theirs)

    def have_ceased(self, now: float) -> bool:
        if self._pipe is None or now - self._looked < SIGN_SECONDS:
            return False
        self._looked = now
        try:
            if os.read(self._pipe, 65_536):
                self._missed = 0
        except BlockingIOError:
            if self._missed is not None:
                self._missed += 1
        return self._missed is not None and self._missed >= SILENT_SIGNS


def give_signs(pipe: int) -> Callable[[], None]:
    """What a program calls to give a sign of life, into the pipe that it was given."""
    os.set_blocking(pipe, False)
    os.set_inheritable(pipe, False)  # of its own children, none speaks for it

    def give() -> None:
        with suppress(BlockingIOError, BrokenPipeError):  # nobody has looked for long, or nobody will any more
            os.write(pipe, b".")

    return give
