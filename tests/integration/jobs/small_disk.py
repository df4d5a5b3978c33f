"""A disk of its own for a test, where one may be mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path


def mount(size: int) -> tuple[str, ...]:
    """The command that mounts one of so many bytes; where is added to it."""
    return ("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def works(*command: str | Path) -> bool:
    """The command is there, and what it does is allowed."""
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder], check=True)


class SmallDisk:
    """A file system of its own that is filled by one file."""

    full = "No space left on device"

    def __init__(self, folder: Path, *, left: int) -> None:
        """`left`: bytes that there is room for when it is full."""
        self._folder = folder
        self._ballast = folder / "ballast"
        self._left = left

    def fill(self) -> None:
        status = os.statvfs(self._folder)
        with suppress(OSError):  # others write meanwhile: then it is full before
            self._ballast.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - self._left)))

    def make_room(self) -> None:
        self._ballast.unlink()
