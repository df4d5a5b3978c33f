"""Which state of each file an answer is made of."""

from __future__ import annotations

from prismcube.errors import SourceError
from prismcube.raster.reader import REPLACED
from prismcube.storage.uri import without_secret


class FileStates:
    """Of the files of one answer, whose slices and rows are read one after the other; of any thread.

    A file may be replaced meanwhile: its first pixels decide, and no others are then taken.
    """

    def __init__(self) -> None:
        self._etags: dict[str, str] = {}

    def use(self, uri: str, etag: str) -> None:
        """Pixels of a file in this state are about to go into the answer.

        Raises SourceError when those of another state have.
        """
        if self._etags.setdefault(uri, etag) != etag:  # atomic
            raise SourceError(without_secret(uri), "was replaced while it was read; index it again", cause=REPLACED)
