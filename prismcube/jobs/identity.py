"""Which process one is, told so that another one of the same machine can see for sure that it has ended.

A number alone would be another process's some day, and in another container: so the start of the machine, the
namespace of process numbers and the start of the process go with it. Linux tells them in /proc; elsewhere nothing is
told, and of nobody it is ever sure.
"""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def identity() -> str:
    """Of this process, `<machine>/<namespace>/<number>/<start>`; empty where the system does not tell."""
    try:
        return f"{_machine()}/{os.getpid()}/{_start(os.getpid())}"
    except OSError:
        return ""


def has_ended(told: str) -> bool:
    """True when a process that told this identity is surely gone; False when it runs, or nobody can tell from here."""
    try:
        machine, number, start = told.rsplit("/", 2)
        return machine == _machine() and _start(int(number)) != start
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False


def _machine() -> str:
    boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat(PROC / 'self/ns/pid').st_ino}"  # of the link's target


def _start(pid: int) -> str:
    """When a process was started, in ticks of the machine.

    Raises ProcessLookupError when there is none, or it has ended; another OSError when the system does not tell.
    """
    os.kill(pid, 0)  # for /proc may hide those of others
    stat = (PROC / str(pid) / "stat").read_text()
    state, *fields = stat.rpartition(")")[2].split()  # the name before may have blanks and brackets
    if state in "ZX":  # it has ended, and its parent has not asked yet
        raise ProcessLookupError(pid)
    return fields[18]
