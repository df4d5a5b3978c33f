"""Work in a process of its own.

Whatever opens the catalogue, GDAL or threads before gunicorn forks would hang or break in its workers; so what prepares
a server is done by a child with the same terminal. It is forked, once modules are loaded that both need: to start
another interpreter and to load them again took as long as all the rest of a server's start.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import typer

from server.cli.errors import exit_code

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


def in_child(work: Callable[[], None], *, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Do `work` in a child; exits with its code when that isn't 0. `meanwhile` is done while it works."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else what they hold would be written twice
    child = os.fork()
    if child == 0:
        os._exit(_code_of(work))
    try:
        meanwhile()
    finally:
        _, status = os.waitpid(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise typer.Exit(code if code > 0 else 128 - code)


def _code_of(work: Callable[[], None]) -> int:
    """Does the work, whose errors are told as those of a verb; nothing may leave a forked child but its exit code."""
    try:
        return exit_code(work)
    except typer.Exit as end:
        return int(end.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException:  # of any kind: a mistake of ours
        traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
