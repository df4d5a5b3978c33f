"""How large files are together, without opening any: for estimates, which nobody wants to wait for."""

from __future__ import annotations

import re
from collections.abc import Callable

from prismcube.errors import SourceError
from prismcube.storage.buckets import Missing
from prismcube.storage.store import stat
from prismcube.storage.uri import is_remote

MOST_LOCAL = 10_000
"""Files on disks of which the size is asked for: of as many a network disk takes some seconds."""

MOST_REMOTE = 50
"""Files of stores; each is a request, one after the other."""

_LOCAL_ETAG = re.compile(r"(\d+)-\d+", re.ASCII)
"""As `FileStatus.etag` has it, with the size in front."""


class Sizes:
    """A sum; one that can't be told is no number at all."""

    def __init__(self, *, stop: Callable[[], None]) -> None:
        """`stop` is called before each file is asked for."""
        self.total: int | None = 0
        """Bytes; None when the size of some file is not known."""
        self._stop = stop
        self._left = {False: MOST_LOCAL, True: MOST_REMOTE}

    def add(self, uri: str, *, etag: str = "") -> None:
        """A file, by canonical URI; one that is gone has no bytes.

        `etag`: what is stored of it. That of a local file tells its size, and nothing has to be asked.
        """
        if self.total is None:
            return
        size = self._size(uri, etag)
        self.total = None if size is None else self.total + size

    def _size(self, uri: str, etag: str) -> int | None:
        remote = is_remote(uri)
        known = None if remote else _LOCAL_ETAG.fullmatch(etag)
        if known:
            return int(known[1])
        self._stop()
        self._left[remote] -= 1
        if self._left[remote] < 0:
            return None
        try:
            return stat(uri).size
        except Missing:
            return 0
        except SourceError:
            return None
