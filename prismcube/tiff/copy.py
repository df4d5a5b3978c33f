"""Bytes from file to file, by the system where it can: they never enter this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from prismcube.errors import SourceError

_CHUNK = 1 << 20
_MOST_PARTS = 1024
"""Of one call: IOV_MAX of Linux."""
_CANT = frozenset({errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF})
"""The system or a file system has no such copy."""


def copy_range(source: int, begin: int, target: int, to: int, length: int, *, name: str) -> None:
    """Copy `length` bytes from `begin` of one open file to `to` of another; `name` is the source's.

    Raises SourceError when the source ends before.
    """
    done = _copy_by_system(source, begin, target, to, length)
    while done < length:
        data = os.pread(source, min(_CHUNK, length - done), begin + done)
        if not data:
            raise SourceError(name, "it ended while its blocks were copied")
        write_all(target, data, at=to + done)
        done += len(data)


def _copy_by_system(source: int, begin: int, target: int, to: int, length: int) -> int:
    """Bytes copied before the end, or before the system could not."""
    done = 0
    while done < length:
        try:
            copied = os.copy_file_range(source, target, length - done, begin + done, to + done)
        except OSError as error:
            if error.errno in _CANT:
                return done
            raise
        if copied == 0:
            return done
        done += copied
    return done


def write_all(file: int, data: bytes | memoryview, *, at: int) -> None:
    """Write all of it; the system may take less at once."""
    left = memoryview(data)
    while left:
        done = os.pwrite(file, left, at)
        left, at = left[done:], at + done


def write_many(file: int, parts: Sequence[bytes], *, at: int) -> None:
    """Write all parts one behind the other, without putting them together first."""
    for first in range(0, len(parts), _MOST_PARTS):
        some = parts[first : first + _MOST_PARTS]
        done, size = os.pwritev(file, some, at), sum(map(len, some))
        if done < size:
            write_all(file, b"".join(some)[done:], at=at + done)
        at += size


def reserve(file: int, size: int) -> None:
    """Take room on the disk before anything is written: a full disk is told at once (OSError)."""
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        os.ftruncate(file, size)
