"""`prismcube migrate`, `index` and `collection`"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from config.settings import Settings
from ingester.index import Indexer, Outcome, Status, read_mapping
from prismcube.catalogue import Catalogue
from prismcube.catalogue import migrate as migrate_catalogue
from prismcube.model.period import format_instant
from server.cli.options import ConfigOption, HomeOption, settings_for

collections = typer.Typer(no_args_is_help=True, help="Collections of the catalogue.")


def migrate(config: ConfigOption = None, home: HomeOption = None) -> None:
    """Create the catalogue, or bring its tables up to this version; safe to repeat and to run twice at once.

    Example: prismcube migrate --home /data/prismcube
    """
    prepare(settings_for(config, home=home))


def prepare(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    migrate_catalogue(settings.catalogue_url)


def index(
    files: Annotated[list[Path], typer.Argument(help="Files and folders; folders are searched for names that match.")],
    mapping: Annotated[Path, typer.Option(help="YAML file: what the files' names and bands mean.")],
    config: ConfigOption = None,
    home: HomeOption = None,
    threads: Annotated[int, typer.Option(help="Files opened at once.", min=1)] = 4,
    brief: Annotated[bool, typer.Option("--brief", help="List only the files that failed.")] = False,
) -> None:
    """Index files: read their headers, write records and datasets, create or update the mapping's collections.

    A file that can't be used fails alone; the exit code is then 1. Repeating is safe: what is there stays.
    Example: prismcube index --mapping examples/s2-romania.yml examples/data/s2-romania-2015-2021
    """
    settings = settings_for(config, home=home)
    known = read_mapping(mapping)
    prepare(settings)
    console = Console(highlight=False)
    outcomes: list[Outcome] = []
    catalogue = Catalogue(settings.catalogue_url)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(f"indexing by {mapping.name}", total=None)

            def advance(outcome: Outcome) -> None:
                progress.advance(task)
                if not brief or outcome.status is Status.FAILED:
                    outcomes.append(outcome)
                counts[outcome.status] += 1

            counts: Counter[Status] = Counter()
            Indexer(catalogue, known).run(files, progress=advance, threads=threads)
    finally:
        catalogue.close()
    if outcomes:
        console.print(_table(outcomes))
    summary = ", ".join(f"{counts[kind]} {kind.value}" for kind in Status if counts[kind])
    console.print(f"{mapping.name}: {summary or 'no file found'}")
    if counts[Status.FAILED] or not counts:
        raise typer.Exit(1)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("file", "outcome", "reason", box=None, header_style="bold")
    for outcome in outcomes:
        table.add_row(outcome.path.name, outcome.status.value, outcome.reason)
    return table


@collections.command("list")
def list_collections(config: ConfigOption = None, home: HomeOption = None) -> None:
    """List the collections, with what they hold.

    Example: prismcube collection list
    """
    catalogue = _open(config, home)
    table = Table("name", "title", "fields", "from", "to", box=None, header_style="bold")
    after: str | None = None
    while page := catalogue.collections.list(after=after):
        for one in page:
            start = format_instant(one.extent.start) if one.extent else "no data"
            end = format_instant(one.extent.end) if one.extent else ""
            table.add_row(one.name, one.title, " ".join(f.name for f in one.fields), start, end)
        after = page[-1].name
    Console(highlight=False).print(table)


@collections.command("delete")
def delete_collection(name: str, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Delete a collection; its records, datasets and files stay.

    Example: prismcube collection delete s2-romania
    """
    _open(config, home).collections.delete(name)
    Console(highlight=False).print(f"deleted {name}")


def _open(config: Path | None, home: Path | None) -> Catalogue:
    settings = settings_for(config, home=home)
    prepare(settings)
    return Catalogue(settings.catalogue_url)
