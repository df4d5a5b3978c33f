"""Results of jobs: small ones are values in the job's row, large ones files below one folder.

    <folder>/<job>/<name>      written by the job's tasks, named in its results as {"href": URI, "type": media type}

Only what lies in a folder of that name is handed out and removed as a job's result, whatever its row says. Where that
folder lies is remembered by the file's URI: what is ours may lie elsewhere by now (`prismcube.catalogue.managed`). No
client can name such a folder in its inputs, as the id of a job can't be guessed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from prismcube.errors import InvalidInput, SourceError
from prismcube.jobs.documents import address_of
from prismcube.storage import store
from prismcube.storage.managed import is_below
from prismcube.storage.uri import canonical_uri, gdal_path, is_remote

NAME = "results"
"""The folder, below that of the files that are ours."""


_ID = re.compile(r"[\w-]+", re.ASCII)
"""Ids of jobs, and so names of folders, whoever edits the database."""


@dataclass(frozen=True)
class ResultFiles:
    """The files of all jobs."""

    folder: str
    """URI."""

    @classmethod
    def below(cls, managed: str) -> ResultFiles:
        """In the folder of the files that are ours."""
        return cls(f"{canonical_uri(managed).rstrip('/')}/{NAME}")

    def folder_of(self, job: str) -> str:
        """Where a job's tasks write files that are its results."""
        return f"{self.folder}/{quote(job, safe='')}"

    def uri(self, job: str, value: object) -> str | None:
        """The file that an output is; None for all that is a value."""
        href = value.get("href") if isinstance(value, Mapping) else None
        return href if isinstance(href, str) and self._folder_with(job, href) else None

    def _folder_with(self, job: str, href: str) -> str | None:
        """The job's folder in which a file lies, where that was when it was written; None: it lies in none."""
        if not _ID.fullmatch(job):
            return None
        before, found, _ = href.partition(f"/{NAME}/{quote(job, safe='')}/")
        folder = f"{before}{found}".rstrip("/") if found else self.folder_of(job)
        try:
            return folder if is_below(href, folder) else None
        except InvalidInput:  # what a client has made up may look like a URI and be none
            return None

    def remove(self, job: str, results: Mapping[str, Any]) -> None:
        """Delete all files in a job's folder, and in those in which its results lie; when some can't be deleted, the
        others are all the same.

        Raises SourceError, also for what is no job's id: `..` would be the folder of all that is ours.
        """
        if not _ID.fullmatch(job):
            raise SourceError(self.folder, f"has no folder of {job!r}: that is no job's id")
        hrefs = [uri for value in results.values() if (uri := self.uri(job, value))]
        folders = [folder for uri in hrefs if (folder := self._folder_with(job, uri))]
        problems: list[SourceError] = []
        for folder in dict.fromkeys([self.folder_of(job), *folders]):
            try:
                _remove(folder)
            except SourceError as error:
                problems.append(error)
        if problems:
            raise problems[0]


def _remove(folder: str) -> None:
    """Raises SourceError."""
    if not is_remote(folder):
        _remove_local(folder)
        return
    problems: list[SourceError] = []
    for uri in [*store.list_files(f"{folder}/")]:
        try:
            store.delete(uri)
        except SourceError as error:
            problems.append(error)
    if problems:
        raise problems[0]


def _remove_local(folder: str) -> None:
    problems: list[OSError] = []

    def note(_: object, path: str, error: BaseException) -> None:
        del path
        if not isinstance(error, OSError):
            raise error
        if not isinstance(error, FileNotFoundError):  # somebody else was faster
            problems.append(error)

    shutil.rmtree(gdal_path(folder), onexc=note)
    if problems:
        raise SourceError(folder, f"can't be removed: {problems[0]}") from problems[0]


def shown(results: Mapping[str, Any], job: str, files: ResultFiles, *, base: str) -> dict[str, Any]:
    """Results as a document has them (18-062r2, schema results.yaml): a file is a link to where it is sent from.

    Objects stand in a wrapping, by which they are told from links (schema inlineOrRefData.yaml).
    """
    found: dict[str, Any] = {}
    for name, value in results.items():
        if files.uri(job, value) is not None:
            found[name] = {**value, "href": address(base, job, name)}
        elif value is None or (isinstance(value, Mapping) and "href" not in value):
            found[name] = {"value": value, "mediaType": "application/json"}
        else:
            found[name] = value
    return found


def address(base: str, job: str, output: str) -> str:
    """Of one output over HTTP."""
    return f"{address_of(base, job)}/results/{quote(output, safe='')}"
