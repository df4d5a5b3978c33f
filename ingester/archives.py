"""Members of zip archives by pattern: products put parts of their names there that no file name tells.

A subdir such as `zip/GRANULE/*/IMG_DATA/*_B01.jp2` is a pattern (`*` any text, `?` one character); it must fit one
member. Only the directory at the archive's end is read, so the archive may be remote.
"""

from __future__ import annotations

import io
import re
import zipfile
from functools import lru_cache

from prismcube.errors import SourceError
from prismcube.storage.store import read_range, stat
from prismcube.storage.uri import without_secret

PREFIX = "zip/"


def is_pattern(subdir: str) -> bool:
    return subdir.startswith(PREFIX) and ("*" in subdir or "?" in subdir)


def fits(subdir: str, pattern: str) -> bool:
    """True when a subdir is the one meant, or fits a pattern."""
    return subdir == pattern or (is_pattern(pattern) and _regex(pattern).fullmatch(subdir) is not None)


def resolved(uri: str, pattern: str) -> str:
    """The subdir of the one member that fits. Raises SourceError when there is none, or more than one."""
    found = [name for name in _members(uri) if fits(name, pattern)]
    if len(found) != 1:
        some = f" ({', '.join(sorted(found)[:3])})" if found else ""
        raise SourceError(without_secret(uri), f"has {len(found)} members that fit {pattern!r}{some}; one is needed")
    return found[0]


@lru_cache(maxsize=64)
def _regex(pattern: str) -> re.Pattern[str]:
    signs = {"*": ".*", "?": "."}
    return re.compile("".join(signs.get(sign) or re.escape(sign) for sign in pattern), re.DOTALL)


def _members(uri: str) -> list[str]:
    """The files in an archive, as subdirs."""
    try:
        with zipfile.ZipFile(_Remote(uri)) as archive:
            return [PREFIX + one.filename for one in archive.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:  # all that zipfile raises
        raise SourceError(without_secret(uri), f"is not a zip archive that can be read ({error})") from error


class _Remote(io.RawIOBase):
    """The bytes of a file by URI, read where they are asked for."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._size = stat(uri).size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise OSError(f"can't seek to {at}")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        data = read_range(self._uri, self._at, length)
        self._at += len(data)
        return data
