"""`prismcube register`"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from server.cli.options import ConfigOption, HomeOption, settings_for

if TYPE_CHECKING:
    from ingester.index import Outcome

MOST_NOTES = 1000
"""Different sentences about items that are counted."""

SHOWN_NOTES = 10

MOST_LISTED = 10_000
"""Assets that are listed of those that failed, and as many others; all are in the report."""


def register(
    sources: Annotated[
        list[str],
        typer.Argument(help="STAC items, lists of items (JSON, ndjson, gzipped too), catalogues; paths and URIs."),
    ],
    mapping: Annotated[Path | None, typer.Option(help="YAML file: what the assets of items mean.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="In place of --mapping: a collection of this name, as the items describe it.")
    ] = None,
    show_mapping: Annotated[
        bool, typer.Option("--show-mapping", help="Print the mapping that --collection makes, and stop.")
    ] = False,
    assets: Annotated[
        list[str] | None, typer.Option("--assets", help="Keys of the assets wanted; may be repeated, or with commas.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is stored and differs; else that is refused.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read the pixels too, to find files that are cut off.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write the outcome of each asset here, a JSON object a line.")
    ] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    threads: Annotated[int, typer.Option(help="Files opened at once.", min=1)] = 4,
    brief: Annotated[bool, typer.Option("--brief", help="List only the assets that failed.")] = False,
) -> None:
    """Register the assets of STAC items: read their headers, write records and datasets, make the collection.

    A file is believed more than its item; differences are told. An asset that can't be used fails alone; the exit code
    is then 1. Repeating is safe: what is there stays.

    Example: prismcube register --collection zagreb /data/s2-l2a-33T-2023/catalog.json
    """
    if (mapping is None) == (collection is None):
        raise typer.BadParameter("give either --mapping or --collection")
    if show_mapping and collection is None:
        raise typer.BadParameter("--show-mapping goes with --collection")
    from ingester.index import Options, Status
    from ingester.outcomes import failed
    from prismcube.errors import PrismcubeError
    from prismcube.storage.uri import without_secret
    from server import operations

    wanted = tuple(key.strip() for text in assets or () for key in text.split(",") if key.strip())
    if collection is not None and show_mapping:
        typer.echo(operations.suggest_mapping(sources, collection, assets=wanted))
        return
    console = Console(highlight=False)
    listed: list[Outcome] = []
    places = {True: MOST_LISTED, False: MOST_LISTED}
    """Rows that are free for failures and others."""
    left_out = 0
    notes: Counter[str] = Counter()
    counts: Counter[Status] = Counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    lines = report.open("wb") if report else None
    try:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("registering", total=None)

            def tell(outcome: Outcome) -> None:
                if lines:
                    lines.write(orjson.dumps(outcome.to_json()) + b"\n")

            def advance(outcome: Outcome) -> None:
                nonlocal left_out
                bar.advance(task)
                counts[outcome.status] += 1
                tell(outcome)
                notes.update(note for note in outcome.notes if note in notes or len(notes) < MOST_NOTES)
                has_failed = outcome.status is Status.FAILED
                if not has_failed and (brief or outcome.status is Status.SKIPPED):
                    return
                if places[has_failed]:
                    places[has_failed] -= 1
                    listed.append(outcome)
                else:
                    left_out += 1

            try:
                operations.register(
                    settings_for(config, home=home),
                    sources,
                    mapping=mapping,
                    collection=collection,
                    assets=wanted,
                    options=Options(replace=replace, deep=deep, dry_run=dry_run, threads=threads),
                    progress=advance,
                )
            except PrismcubeError as error:
                for source in sources if not counts else ():  # it ended before the first item
                    tell(failed(without_secret(source), str(error)))
                raise
    finally:
        if lines:
            lines.close()
    _print(console, listed)
    if left_out:
        console.print(f"... and {left_out:,} more, which --report lists", markup=False)
    _print_notes(console, notes)
    told = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    wrote = " (dry run, nothing written)" if dry_run else ""
    name = mapping.name if mapping else collection
    console.print(f"{name}: {told or 'no item found'}{wrote}", markup=False)
    if counts[Status.FAILED] or not counts:
        raise typer.Exit(1)


def _print(console: Console, outcomes: list[Outcome]) -> None:
    if not outcomes:
        return
    table = Table("asset", "outcome", "reason", box=None, header_style="bold")
    for outcome in outcomes:
        table.add_row(*map(escape, (outcome.name, outcome.status.value, outcome.reason)))
    console.print(table)


def _print_notes(console: Console, notes: Counter[str]) -> None:
    """How files differ from their items, the most frequent first; each file's own are in the report."""
    if not notes:
        return
    table = Table("files", "differ from their items", box=None, header_style="bold")
    for note, number in notes.most_common(SHOWN_NOTES):
        table.add_row(str(number), escape(note))
    console.print(table)
