"""The indexer: files become datasets.

run -> _candidates   arguments and folders -> files and the rule that fits each
    -> Loader        (loading.py) headers -> catalogue
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ingester.loading import Loader, Options, Progress, ignore
from ingester.mapping import Mapping
from ingester.outcomes import Outcome, Status, Summary, failed
from ingester.planning import Candidate
from prismcube.catalogue import Catalogue
from prismcube.errors import InvalidInput
from prismcube.storage.uri import canonical_uri


class Indexer:
    """Indexes local files into a catalogue by the rules of a mapping."""

    def __init__(self, catalogue: Catalogue, mapping: Mapping, options: Options | None = None) -> None:
        self._catalogue = catalogue
        self._mapping = mapping
        self._options = options or Options()

    def run(self, files: Iterable[Path], *, progress: Progress = ignore) -> Summary:
        """Index files, and folders with all below them; `progress` hears of each file once it is stored.

        A file that fails is reported and left out. Raises Conflict when a variable of the mapping exists already with
        other bands or another format.
        """
        loader = Loader(self._catalogue, self._mapping, self._options)
        return loader.run(self._candidates(files), progress=progress)

    def _candidates(self, files: Iterable[Path]) -> Iterator[Candidate | Outcome]:
        for path in files:
            if not path.is_dir():
                yield self._candidate(path) or failed(str(path), "no pattern of the mapping matches its name")
                continue
            problems: list[OSError] = []
            for folder, folders, names in os.walk(path, onerror=problems.append):
                folders.sort()
                for name in sorted(names):
                    found = Path(folder, name)
                    yield self._candidate(found) or Outcome(name=str(found), status=Status.SKIPPED)
            for problem in problems:
                yield failed(str(problem.filename), f"can't be listed: {problem.strerror}")

    def _candidate(self, path: Path) -> Candidate | Outcome | None:
        for rule in self._mapping.files:
            groups = rule.match(path)
            if groups is None:
                continue
            try:
                return Candidate(name=str(path), uri=canonical_uri(path), content=rule.content, values=groups)
            except InvalidInput as error:
                return failed(str(path), str(error))
        return None
