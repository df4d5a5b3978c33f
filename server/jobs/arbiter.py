"""gunicorn's master, which also watches over the process that leads jobs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from gunicorn.arbiter import Arbiter

from prismcube.jobs.watched import Watched


class JobsArbiter(Arbiter):  # type: ignore[misc]  # gunicorn carries no types
    """A master with one more child, which is no worker of gunicorn's."""

    def __init__(self, application: Any, command: Sequence[str]) -> None:
        super().__init__(application)
        self._watched = Watched(command, what="the process that executes jobs", signs=True)
        self._master = os.getpid()

    def manage_workers(self) -> None:
        super().manage_workers()
        if os.getpid() == self._master:
            self._watched.look()

    def stop(self, graceful: bool = True) -> None:
        self._watched.stop()
        super().stop(graceful)
