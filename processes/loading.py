"""Index and register: files that lie somewhere become datasets, by the rules of a mapping."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingester.mapping import Mapping as Rules
from ingester.mapping import parse_mapping
from ingester.outcomes import Outcome, Status, Summary
from prismcube.errors import ConfigurationError, InvalidInput, SourceError
from prismcube.model.machine import simple_machine
from prismcube.model.work import LogLevel, Work
from prismcube.storage.sizes import Sizes
from prismcube.storage.uri import canonical_uri
from processes.inputs import SIMULATE
from processes.process import Estimate, Input, Inputs, Output, Process
from processes.shared import COUNT, JSON, text
from processes.tools import Tools

if TYPE_CHECKING:
    from ingester.loading import Options

_TEXT = text(2000)
_FLAG: dict[str, Any] = {"type": "boolean", "default": False}

_RED_L2A: dict[str, Any] = {"variables": {"red": {"bands": ["B04"], "dtype": "uint16", "nodata": 0}}}
_DATASETS = [{"instance": "red/l2a", "bands": [1]}]
_OF_FILES: dict[str, Any] = {
    **_RED_L2A,
    "files": [
        {
            "pattern": r"S2_(?P<date>\d{8})\.tif",
            "record": "S2_{date}",
            "time": "{date}",
            "datasets": _DATASETS,
        }
    ],
}
_OF_ITEMS: dict[str, Any] = {**_RED_L2A, "items": [{"assets": [{"key": "red", "datasets": _DATASETS}]}]}


def _mapping(example: dict[str, Any]) -> Input:
    return Input(
        title="Mapping",
        description="What files hold, as a mapping file says it, in JSON.",
        schema={"type": "object"},
        example=example,
        required=True,
    )


_OPTIONS = {
    "replace": Input(
        title="Replace",
        description="True: what is stored and differs is replaced; else the difference is named and refused.",
        schema=_FLAG,
        example=True,
    ),
    "deep": Input(
        title="Deep",
        description="True: every file is opened, also one that has not changed, and its pixels are read.",
        schema=_FLAG,
        example=True,
    ),
    "simulate": SIMULATE,
}

_OUTPUTS = {
    **{
        status.value: Output(title=status.value.capitalize(), description="Number of files.", schema=COUNT)
        for status in Status
    },
    "collections": Output(
        title="Collections",
        description="Names of those that show what was loaded.",
        schema={"type": "array", "items": {"type": "string"}},
    ),
}


def _rules(inputs: Inputs) -> Rules:
    """Raises InvalidInput("mapping", ...) with every mistake."""
    try:
        return parse_mapping(inputs["mapping"])
    except ConfigurationError as error:
        told = "; ".join(f"{name}: {reason}" for name, reason in error.mistakes[:20])
        raise InvalidInput("mapping", told) from error


def _is_deep(inputs: Inputs) -> bool:
    """Only then pixels are read."""
    return bool(inputs.get("deep"))


def _options(work: Work) -> Options:
    from ingester.loading import Options

    return Options(
        replace=bool(work.inputs.get("replace")),
        deep=_is_deep(work.inputs),
        dry_run=bool(work.inputs.get("simulate")),
        most_bytes=work.left_bytes,
    )


def _paths(inputs: Inputs) -> list[Path]:
    """Raises InvalidInput("files", ...) for one that is not there."""
    found = [Path(text) for text in inputs["files"]]
    for path in found:
        if not path.is_absolute():
            raise InvalidInput("files", f"{str(path)[:200]!r} must be an absolute path on the server")
        if not os.path.exists(path):  # False, not an error, for names too long and folders not ours
            raise InvalidInput("files", f"{str(path)[:200]!r} is not there")
    return found


def _loaded(work: Work, options: Options, run: Callable[[Callable[[Outcome], None]], Summary]) -> JSON:
    """Files as they are stored; those that fail are told in the log. Raises SourceError when not one was good."""
    count = 0
    first: Outcome | None = None

    def progress(outcome: Outcome) -> None:
        nonlocal count, first
        count += 1
        if outcome.status is Status.FAILED:
            first = first or outcome
            work.log(outcome.reason, LogLevel.WARNING)
        work.progress(0, f"{count} files")

    summary = run(progress)
    good = summary.created + summary.updated + summary.unchanged
    if first is not None and not good:
        raise SourceError(first.uri or first.name, f"not one of {summary.failed} files could be used: {first.reason}")
    if options.is_spent:
        work.log(f"no more files are looked at: {options.reads.total:,} bytes were read", LogLevel.WARNING)
    told = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(summary).items()}
    return {**told, "read_bytes": options.reads.total}


def index(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Local files; a second time those that have not changed stay closed."""
    from ingester.index import Indexer  # brings GDAL, of which asking for jobs needs none

    options = _options(work)
    indexer = Indexer(tools.catalogue, _rules(work.inputs), options)
    return _loaded(work, options, lambda progress: indexer.run(_paths(work.inputs), progress=progress))


def register(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Assets of STAC items."""
    from ingester.register import Registrar

    assets = tuple(work.inputs.get("assets") or ())
    options = _options(work)
    registrar = Registrar(tools.catalogue, _rules(work.inputs), options, assets=assets)
    return _loaded(work, options, lambda progress: registrar.run(work.inputs["sources"], progress=progress))


def check_index(tools: Tools, inputs: Inputs) -> None:
    """The mapping, and that files are there."""
    _rules(inputs)
    _paths(inputs)


def check_register(tools: Tools, inputs: Inputs) -> None:
    """The mapping."""
    _rules(inputs)


def estimate_index(tools: Tools, inputs: Inputs) -> Estimate:
    """The files that a rule takes, by their names; those that have not changed are opened with `deep` only."""
    rules, sizes = _rules(inputs).files, Sizes(stop=tools.stop)
    sources = files = 0
    for path in _found(_paths(inputs)):
        tools.stop()
        sources += 1
        if any(rule.match(path) is not None for rule in rules):
            files += 1
            with suppress(InvalidInput):  # a name that no URI can have: the job leaves such a file out
                sizes.add(canonical_uri(path))
    details = {"sources": sources, "sourceBytes": sizes.total}
    read = sizes.total if _is_deep(inputs) else 0
    return Estimate(tasks=1, files=files, read_bytes=read, written_bytes=0, details=details)


def _found(paths: list[Path]) -> Iterator[Path]:
    """Files, and all that lie in folders."""
    for path in paths:
        if os.path.isfile(path):  # as in _paths
            yield path
        for folder, _, names in os.walk(path):
            yield from (Path(folder, name) for name in names)


def estimate_register(tools: Tools, inputs: Inputs) -> Estimate:
    """What lies behind the documents is not known before they are read."""
    _rules(inputs)
    details = {"documents": len(inputs["sources"])}
    return Estimate(tasks=1, files=None, read_bytes=None if _is_deep(inputs) else 0, written_bytes=0, details=details)


INDEX = Process(
    id="index",
    title="Index files",
    description="Files on the server's disks become datasets, by the rules of a mapping. One that fails is told and "
    "left out; the same files again change nothing.",
    keywords=("catalogue", "ingestion"),
    inputs={
        "files": Input(
            title="Files",
            description="Absolute paths of files on the server, and of folders with all below them.",
            schema={"type": "array", "minItems": 1, "maxItems": 10_000, "items": _TEXT},
            example=["/archive/s2"],
            required=True,
        ),
        "mapping": _mapping(_OF_FILES),
        **_OPTIONS,
    },
    outputs=_OUTPUTS,
    machine=simple_machine("index", meaning="Files are opened and stored, some hundred a transaction."),
    bodies={"index": index},
    estimate=estimate_index,
    check=check_index,
    reads=_is_deep,
)

REGISTER = Process(
    id="register",
    title="Register STAC items",
    description="Assets of STAC items, wherever they lie, become datasets, by the rules of a mapping.",
    keywords=("catalogue", "ingestion", "STAC"),
    inputs={
        "sources": Input(
            title="Sources",
            description="Paths or URIs of items, item collections, catalogues, or lists of such.",
            schema={"type": "array", "minItems": 1, "maxItems": 10_000, "items": _TEXT},
            example=["https://example.org/catalog.json"],
            required=True,
        ),
        "assets": Input(
            title="Assets",
            description="Keys of the assets that are wanted; without them all for which there is a rule.",
            schema={"type": "array", "minItems": 1, "maxItems": 1000, "uniqueItems": True, "items": _TEXT},
            example=["red"],
        ),
        "mapping": _mapping(_OF_ITEMS),
        **_OPTIONS,
    },
    outputs=_OUTPUTS,
    machine=simple_machine("register", meaning="Items are read, their assets opened and stored."),
    bodies={"register": register},
    estimate=estimate_register,
    check=check_register,
    reads=_is_deep,
)
