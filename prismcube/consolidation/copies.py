"""Dates of files that are there, whose blocks go into a new file as they are."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from prismcube.errors import SourceError
from prismcube.model.entities import Dataset
from prismcube.storage.store import download, stat
from prismcube.storage.uri import gdal_path, is_remote, without_secret
from prismcube.tiff.pages import Page, open_pages


class CopiedFiles:
    """Each opened once, however many of its dates are wanted; remote ones are fetched."""

    def __init__(self, scratch: Path, stack: ExitStack) -> None:
        """Files are open until `stack` closes them."""
        self._scratch = scratch
        self._stack = stack
        self._pages: dict[str, tuple[Page, ...]] = {}

    def page(self, one: Dataset) -> Page:
        """The date that a dataset is. Raises SourceError when its file is gone, has changed or lacks it."""
        if one.uri not in self._pages:
            self._pages[one.uri] = self._stack.enter_context(open_pages(self._local(one)))
        pages = self._pages[one.uri]
        number = int(one.subdir.partition(":")[2] or 1)
        if number > len(pages):
            raise SourceError(without_secret(one.uri), f"has no date {number}")
        return pages[number - 1]

    def _local(self, one: Dataset) -> Path:
        if is_remote(one.uri):
            path = self._scratch / f"copied-{len(self._pages)}.tif"
            etag = download(one.uri, path).etag
        else:
            path, etag = Path(gdal_path(one.uri)), stat(one.uri).etag
        if etag != one.etag:
            raise SourceError(without_secret(one.uri), "has changed since it was consolidated; index it again")
        return path
