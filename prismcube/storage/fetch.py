"""What is asked for of one file, and how it may fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from prismcube.errors import SourceError
from prismcube.storage.uri import without_secret

Stop = Callable[[], None]
"""Called now and then; raises what it likes when the bytes are not wanted any more."""


class FileChanged(SourceError):
    """The file is not the one any more that its places of blocks are known of."""

    cause = "it has changed since it was indexed"

    def __init__(self, uri: str) -> None:
        super().__init__(without_secret(uri), "has changed since it was indexed; index it again")


class Truncated(SourceError):
    """The file ends before the bytes that are needed."""

    cause = "it is truncated"

    def __init__(self, uri: str, *, size: int, needed: int) -> None:
        super().__init__(without_secret(uri), f"is truncated: it has {size:,} bytes, {needed:,} are needed")


class Batch(NamedTuple):
    """Spans of a file that came together; good until the next are asked for."""

    data: memoryview
    members: Sequence[tuple[int, int, int]]
    """Number of each span, where it begins in `data`, and how many bytes it has."""


class Fetch(Protocol):
    """Spans that have been asked for."""

    @property
    def asked(self) -> int:
        """Bytes of the spans that are under way, before anybody takes the parts."""

    def batches(self, *, stop: Stop) -> Iterator[Batch]:
        """The bytes of all spans, in any order, each once.

        Raises SourceError.
        """

    def cancel(self) -> None:
        """Nobody will ask for the rest."""
