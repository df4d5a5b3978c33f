"""Remote files for GDAL: a raster file of a store and what lies beside it, as rasterio's virtual files.

GDAL reads a header by dozens of reads of some bytes, and asks for dozens of names beside the file. Each would be a
request; so the first request brings the first 32 KB, later ones whole blocks, more at a time while reading goes on in
a row, and only names that the formats we read are known to use are looked for.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rasterio._vsiopener import _opener_registration  # rasterio.open(opener=) can't name what is inside a file
from rasterio.abc import MultiByteRangeResourceContainer

from prismcube.errors import SourceError
from prismcube.storage.buckets import Unreachable
from prismcube.storage.store import FileStatus, read_range, read_ranges, read_start
from prismcube.storage.uri import without_secret

BLOCK = 16 * 2**10
"""Bytes; ranges begin and end at whole blocks, which are kept."""
FIRST = 2 * BLOCK
"""Bytes of the first request: holds the header of a COG of some gigapixels."""
MOST = 2**20
"""Bytes of a request while a file is read in a row; also of what is kept no copy of."""
KEPT = 256
"""Blocks kept of a file: 4 MB."""

PIXELS = (".ovr", ".msk")
"""Ends of the names of sidecars that hold pixels only."""


def is_tiff(start: bytes) -> bool:
    """By the first four bytes, as GDAL's TIFF driver tells: with fewer, another driver might take the file."""
    return start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class RemoteFiles(MultiByteRangeResourceContainer):  # type: ignore[misc]  # rasterio carries no types
    """The file and its sidecars; what rasterio's plug-in asks. Its methods may only raise what the plug-in takes."""

    def __init__(self, uri: str) -> None:
        """Brings the file's status and first bytes. Raises SourceError."""
        self._uri = uri
        # The last part of a canonical URI is safe in any name of GDAL's: ASCII, without quotes, slashes and blanks.
        self._name = uri.partition("?")[0].rpartition("/")[2] or "file"
        self.error: SourceError | None = None
        """The first that GDAL was not told: it takes reasons for the end of the file."""
        self._main = _Remote(uri, self)
        self._found: dict[str, _Remote | None] = {self._name: self._main}

    @property
    def status(self) -> FileStatus:
        """Of the file."""
        return self._main.status

    @property
    def start(self) -> bytes:
        """The first bytes of the file, that tell its format."""
        return self._main.part(0, 16)

    @property
    def sidecars(self) -> list[tuple[str, str]]:
        """URI and etag of each sidecar that GDAL looked for and found, and that may tell more than pixels."""
        return [
            (one.uri, one.status.etag)
            for name, one in self._found.items()
            if one is not None and name != self._name and not name.endswith(PIXELS)
        ]

    @property
    def has_pixels_beside(self) -> bool:
        """True when GDAL looked for overviews or a mask and found some."""
        return any(one is not None and name.endswith(PIXELS) for name, one in self._found.items())

    @contextmanager
    def mounted(self) -> Iterator[str]:
        """GDAL's path of the file, within the context and its thread."""
        with _opener_registration(f"x/{self._name}", self) as path:
            yield path

    def open(self, path: str, mode: str = "r", **_: Any) -> RemoteFile:
        remote = self._at(path)
        if remote is None or any(letter in mode.replace("DOC", "") for letter in "wa+"):
            raise FileNotFoundError(path)
        return RemoteFile(remote)

    def isfile(self, path: str) -> bool:
        return self._at(path) is not None

    def isdir(self, path: str) -> bool:
        return False

    def ls(self, path: str) -> list[str]:
        return []

    def mtime(self, path: str) -> int:
        remote = self._at(path)
        return int(remote.status.modified.timestamp()) if remote and remote.status.modified else 0

    def rm(self, path: str) -> None:
        raise PermissionError(path)

    def size(self, path: str) -> int:
        remote = self._at(path)
        if remote is None:
            raise FileNotFoundError(path)
        return remote.status.size

    def _at(self, path: str) -> _Remote | None:
        name = path.rpartition("/")[2]
        if name not in self._found:
            self._found[name] = self._sidecar(name)
        return self._found[name]

    def _sidecar(self, name: str) -> _Remote | None:
        if "?" in self._uri or not _is_sidecar(name, self._name):  # a signature holds for one file
            return None
        try:
            remote = _Remote(f"{self._uri.rpartition('/')[0]}/{name}", self)
        except Unreachable as error:
            self.error = self.error or error
            return None
        except SourceError:  # not there; or refused, as stores do with missing files for users that may not list
            return None
        # GDAL opens overviews and masks of any format: one that names other files must not come in by this door.
        harmless = not name.endswith(PIXELS) or is_tiff(remote.part(0, 4))
        return remote if harmless else None


class RemoteFile(io.RawIOBase):
    """A position in a remote file. Reading never raises: errors go to `RemoteFiles.error`, and no bytes come."""

    def __init__(self, remote: _Remote) -> None:
        super().__init__()
        self._remote = remote
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._remote.status.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._remote.status.size - self._at)
        data = self._remote.part(self._at, left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def get_byte_ranges(self, offsets: list[int], sizes: list[int]) -> list[bytes]:
        """Many at once; zeros for what can't be read, as GDAL takes no error here."""
        return self._remote.many(offsets, sizes)


class _Remote:
    """The bytes of one remote file, as blocks that are kept. Raises SourceError when it is not there."""

    def __init__(self, uri: str, files: RemoteFiles) -> None:
        self.uri = uri
        self._files = files
        self.status, start = read_start(uri, FIRST)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._keep(0, start[:FIRST])
        self._next = FIRST // BLOCK
        self._ahead = FIRST // BLOCK

    def part(self, start: int, length: int) -> bytes:
        length = min(length, self.status.size - start)
        if length <= 0:
            return b""
        try:
            if length > MOST:
                return read_range(self.uri, start, length)
            first, last = start // BLOCK, (start + length - 1) // BLOCK
            blocks = {number: self._blocks[number] for number in range(first, last + 1) if number in self._blocks}
            missing = [number for number in range(first, last + 1) if number not in blocks]
            if missing:
                blocks |= self._fetch(missing[0], missing[-1])
        except SourceError as error:
            self._note(error)
            return b""
        data = b"".join(blocks.get(number, b"") for number in range(first, last + 1))
        return data[start - first * BLOCK :][:length]

    def many(self, offsets: list[int], sizes: list[int]) -> list[bytes]:
        # Beyond the end the whole request would be refused.
        lengths = [max(0, min(size, self.status.size - offset)) for offset, size in zip(offsets, sizes, strict=True)]
        if lengths != sizes:
            reason = f"is truncated at byte {self.status.size:,}"
            self._note(SourceError(without_secret(self.uri), reason, cause="it is truncated"))
        wanted = [number for number, length in enumerate(lengths) if length]
        data = [b""] * len(offsets)
        try:
            found = read_ranges(self.uri, [offsets[number] for number in wanted], [lengths[n] for n in wanted])
            for number, one in zip(wanted, found, strict=True):
                data[number] = one
        except SourceError as error:
            self._note(error)
        return [one.ljust(size, b"\0") for one, size in zip(data, sizes, strict=True)]

    def _note(self, error: SourceError) -> None:
        self._files.error = self._files.error or error

    def _fetch(self, first: int, last: int) -> dict[int, bytes]:
        """Blocks `first` to `last`, and more behind them when they follow the ones fetched before."""
        self._ahead = min(2 * self._ahead, MOST // BLOCK) if first == self._next else FIRST // BLOCK
        end = max(last + 1, first + self._ahead)
        self._next = end
        data = read_range(self.uri, first * BLOCK, min((end - first) * BLOCK, self.status.size - first * BLOCK))
        return self._keep(first, data)

    def _keep(self, first: int, data: bytes) -> dict[int, bytes]:
        blocks = {first + at // BLOCK: data[at : at + BLOCK] for at in range(0, len(data), BLOCK)}
        self._blocks |= blocks
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
        return blocks


def _is_sidecar(name: str, of: str) -> bool:
    """True for a name that GDAL's drivers of the formats we read give to a sidecar; of letters as the file's own."""
    stem, _, extension = of.rpartition(".")
    if not stem:
        stem, extension = of, ""
    ends = [of + end for end in (".aux.xml", *PIXELS)]
    ends += [stem + end for end in (".hdr", ".prj", ".wld")]
    if extension:
        upper = extension.isupper()
        ends += [f"{stem}.{extension}{'W' if upper else 'w'}"]
        ends += [f"{stem}.{extension[0]}{extension[-1]}{'W' if upper else 'w'}"]
    return name in ends
