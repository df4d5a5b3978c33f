"""A preload of `dask worker`: it ends with the process that started it, so that nobody is left who was to be scaled."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

PARENT = "PRISMCUBE_PARENT"
"""The environment variable that names the process."""

LOOK_SECONDS = 0.5


def dask_setup(worker: Any) -> None:
    """Called by dask when the worker starts."""
    threading.Thread(target=_watch, args=[int(os.environ[PARENT])], daemon=True, name="parent-watch").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)
