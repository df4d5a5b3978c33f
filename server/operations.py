"""What the verbs that change a catalogue do; the command line only parses and prints.

Loaded late by the verbs: it brings the database and GDAL, which `--help` and gunicorn's master do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from config.settings import Settings
from ingester.index import Indexer, Options, Outcome, Summary, parse_mapping, read_mapping
from ingester.register import Registrar, derive_mapping
from server.opening import opened


def index(
    settings: Settings,
    files: Iterable[Path],
    *,
    mapping: Path,
    options: Options,
    progress: Callable[[Outcome], None],
) -> Summary:
    """Index files by a mapping. Raises ConfigurationError for mistakes in the mapping."""
    known = read_mapping(mapping)
    with opened(settings) as catalogue:
        return Indexer(catalogue, known, options).run(files, progress=progress)


def register(
    settings: Settings,
    sources: Sequence[str],
    *,
    mapping: Path | None,
    collection: str | None,
    assets: tuple[str, ...],
    options: Options,
    progress: Callable[[Outcome], None],
) -> Summary:
    """Register STAC items by a mapping, or as a collection that is made of what they say.

    Raises ConfigurationError for mistakes in the mapping, SourceError when no mapping can be made of the items.
    """
    derived = derive_mapping(sources, collection or "", assets=assets) if mapping is None else None
    known = read_mapping(mapping) if mapping else parse_mapping(derived and derived.document, source="--collection")
    left_out = derived.left_out if derived else {}
    with opened(settings) as catalogue:
        registrar = Registrar(catalogue, known, options, assets=assets, left_out=left_out)
        return registrar.run(sources, progress=progress)


def suggest_mapping(sources: Sequence[str], collection: str, *, assets: tuple[str, ...]) -> str:
    """The mapping file that `register` would use without one. Raises SourceError when none can be made."""
    return derive_mapping(sources, collection, assets=assets).yaml
