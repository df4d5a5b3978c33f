"""A file appears under its name whole, or not at all.

It is written beside its name as `.<name>.part`, brought to the disk and renamed. A writer that is killed leaves such a
part and the file as it was; the next who writes the file begins with that part.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prismcube.errors import SourceError, StorageFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def publishing(path: Path, *, sync: bool = True) -> Iterator[int]:
    """The descriptor of an empty file that becomes `path` when the block ends well, and is removed when it doesn't.

    With `sync` it is on the disk before it has its name; without, a power cut may leave less than all of it.

    Raises StorageFull when the disk, a quota or the file system's limit is reached, SourceError when `path` can't be
    written otherwise.
    """
    with writing_to(path):
        file, beside = _part(path)
    try:
        yield file
        with writing_to(path):
            if sync:
                os.fsync(file)
            beside.rename(path)  # before the lock is gone: another one would take the part for left over
    except BaseException:  # whatever broke off the writing, half a file must not stay
        with suppress(OSError):  # it tells why; that the part can't be removed as well is the next writer's to see
            beside.unlink()
        raise
    finally:
        os.close(file)
    if sync:
        with writing_to(path):
            _sync_folder(path.parent)


def _part(path: Path) -> tuple[int, Path]:
    """An empty file beside `path`, open and locked: what a killed writer has left, or a new one.

    A name of its own is for those who write the same file at the same time, and where the system has no locks.
    """
    usual = path.parent / f".{path.name[:200]}.part"
    with suppress(OSError):  # what the next one says of the folder is told
        file = os.open(usual, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if _is_locked(file, usual):
                os.ftruncate(file, 0)
                return file, usual
        except BaseException:  # nobody has the descriptor yet
            os.close(file)
            raise
        os.close(file)
    beside = path.parent / f".{path.name[:200]}.{secrets.token_hex(4)}.part"
    return os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), beside


def _is_locked(file: int, path: Path) -> bool:
    """Lock an open file; False when another writer has it, or has given it its name meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # there are no locks here, so nobody else has it
        path.unlink()
        return False
    return os.path.samestat(os.fstat(file), path.stat(follow_symlinks=False))


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Tell what the system says of `path` as StorageFull or SourceError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"{path.name} could not be written: {error.strerror}") from error
        raise SourceError(str(path), f"could not be written: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """The new name, too, survives a power cut."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
