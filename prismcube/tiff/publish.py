"""A file appears under its name whole, or not at all.

It is written beside its name as `.<name>.<random>.part`, brought to the disk and renamed. A writer that is killed
leaves such a part and the file as it was.
"""

from __future__ import annotations

import errno
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
    beside = path.parent / f".{path.name[:200]}.{secrets.token_hex(4)}.part"
    with writing_to(path):
        file = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            yield file
            with writing_to(path):
                if sync:
                    os.fsync(file)
        finally:
            os.close(file)
        with writing_to(path):
            beside.rename(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    if sync:
        with writing_to(path):
            _sync_folder(path.parent)


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
