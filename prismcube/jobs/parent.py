"""A process that is not to outlive the one that started it: not even when that one is killed, and can't say so."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.5
"""Between two looks whether the parent is still there."""


def when_parent_ends(parent: int, action: Callable[[], object]) -> None:
    """Call `action` once, in a thread, when the process `parent` is no longer the one that started this one.

    The parent itself tells its number: asked for here, it would be another's where the parent has already ended.
    """
    threading.Thread(target=_watch, args=[parent, action], daemon=True, name="parent-watch").start()


def _watch(parent: int, action: Callable[[], object]) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    action()
