"""What the system tells of a process's memory, where there is a /proc."""

from __future__ import annotations

from pathlib import Path

MOST, NOW = "VmHWM", "VmRSS"
"""The most that a process has held so far, and what it holds (proc(5), /proc/pid/status)."""


def memory(what: str = MOST, *, pid: int | None = None) -> int:
    """Bytes, of this process unless another is named. Raises OSError where nothing is told, as of one that ended."""
    for line in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {what} is told of process {pid or 'self'}")
