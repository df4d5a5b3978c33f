"""`prismcube migrate`, `index` and `collection`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from config.settings import Settings
from server.cli.options import ConfigOption, HomeOption, settings_for

if TYPE_CHECKING:
    from ingester.index import Options, Outcome

collections = typer.Typer(no_args_is_help=True, help="Collections of the catalogue.")


def migrate(config: ConfigOption = None, home: HomeOption = None) -> None:
    """Create the catalogue, or bring its tables up to this version; safe to repeat and to run twice at once.

    Example: prismcube migrate --home /data/prismcube
    """
    make_catalogue(settings_for(config, home=home))


def make_catalogue(settings: Settings) -> None:
    """What a server begins with. Raises ConfigurationError also for mistakes that its workers would meet."""
    from server.matrix_sets import read_matrix_sets
    from server.opening import migrate

    read_matrix_sets(settings.tiles.matrix_sets)
    migrate(settings)


def index(
    files: Annotated[list[Path], typer.Argument(help="Files and folders; folders are searched for names that match.")],
    mapping: Annotated[Path, typer.Option(help="YAML file: what the files' names and bands mean.")],
    config: ConfigOption = None,
    home: HomeOption = None,
    threads: Annotated[int, typer.Option(help="Files opened at once.", min=1)] = 4,
    brief: Annotated[bool, typer.Option("--brief", help="List only the files that failed.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is stored and differs; else that is refused.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the pixels too, also of files that have not changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Tell of each file how its pixels are read: fast, or by GDAL and why.")
    ] = False,
) -> None:
    """Index files: read their headers, write records and datasets, create or update the mapping's collections.

    A file that can't be used fails alone; the exit code is then 1. Repeating is safe and quick: files that have not
    changed are not opened again.

    Example: prismcube index --mapping examples/s2-romania.yml examples/data/s2-romania-2015-2021
    """
    from ingester.index import Options

    options = Options(replace=replace, deep=deep, dry_run=dry_run, threads=threads)
    settings = settings_for(config, home=home)
    if index_files(settings, files, mapping=mapping, options=options, brief=brief, verbose=verbose):
        raise typer.Exit(1)


def index_files(
    settings: Settings,
    files: list[Path],
    *,
    mapping: Path,
    options: Options | None = None,
    brief: bool = False,
    verbose: bool = False,
) -> bool:
    """Index with a progress bar and an outcome table; True when something went wrong."""
    from ingester.index import Options, Status
    from server import operations

    options = options or Options()

    console = Console(highlight=False)
    listed: list[Outcome] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(f"indexing by {escape(mapping.name)}", total=None)

        def advance(outcome: Outcome) -> None:
            bar.advance(task)
            if outcome.status is Status.FAILED or not brief:
                listed.append(outcome)

        summary = operations.index(settings, files, mapping=mapping, options=options, progress=advance)
    if listed:
        names = ("file", "outcome", "reason", *(("read",) if verbose else ()))
        table = Table(*names, box=None, header_style="bold")
        for outcome in listed:
            told = (
                outcome.path.name,
                outcome.status.value,
                outcome.reason,
                *((_read_how(outcome),) if verbose else ()),
            )
            table.add_row(*map(escape, told))
        console.print(table)
    counts = {status: getattr(summary, status.value) for status in Status}
    summed = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    wrote = " (dry run, nothing written)" if options.dry_run else ""
    console.print(f"{mapping.name}: {summed or 'no file found'}{wrote}", markup=False)
    return bool(summary.failed) or not any(counts.values())


def _read_how(outcome: Outcome) -> str:
    """How the pixels of a file are read."""
    if outcome.fallbacks:
        return f"by GDAL: {'; '.join(dict.fromkeys(outcome.fallbacks))}"
    return "fast" if outcome.status in ("created", "updated", "unchanged") else ""


@collections.command("list")
def list_collections(config: ConfigOption = None, home: HomeOption = None) -> None:
    """List the collections, with what they hold.

    Example: prismcube collection list
    """
    from prismcube.model.period import format_instant
    from server.opening import every_collection, opened

    table = Table("name", "title", "fields", "from", "to", box=None, header_style="bold")
    with opened(settings_for(config, home=home)) as catalogue:
        for one in every_collection(catalogue):
            start = format_instant(one.extent.start) if one.extent else "no data"
            end = format_instant(one.extent.end) if one.extent else ""
            table.add_row(*map(escape, (one.name, one.title, " ".join(f.name for f in one.fields), start, end)))
    Console(highlight=False).print(table)


@collections.command("delete")
def delete_collection(name: str, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Delete a collection; its records, datasets and files stay.

    Example: prismcube collection delete s2-romania
    """
    from server.opening import opened

    with opened(settings_for(config, home=home)) as catalogue:
        catalogue.collections.remove(name)
    Console(highlight=False).print(f"deleted {name}", markup=False)
