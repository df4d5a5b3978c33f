"""`prismcube bench jobs`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from server.cli.bench import SizeName, figure_row
from server.cli.bench_cube import DATA, check_names

if TYPE_CHECKING:
    from server.bench.jobs.report import CaseResult, Report

WITHOUT_POSTGRESQL = "not measured, without PostgreSQL; name an empty database by --database: "


def measure_jobs(
    size: Annotated[
        SizeName, typer.Option(help="small: shows that all is right, in a minute or two. full: the bars hold there.")
    ] = SizeName.SMALL,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
    data: Annotated[
        Path,
        typer.Option(help="Folder for the images, made once: 5 MB for small, 0.5 GB for full.", show_default=str(DATA)),
    ] = DATA,
    database: Annotated[
        str | None,
        typer.Option(
            envvar="PRISMCUBE_BENCH_POSTGRES",
            help="An empty database, postgresql://user@host/name, left empty again.",
        ),
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    runs: Annotated[int | None, typer.Option(help="Consolidations of each case.", min=1)] = None,
    tasks: Annotated[
        int | None, typer.Option(help="Of the job whose processes are killed.", min=100, max=10_000)
    ] = None,
) -> None:
    """Measure the ledger, an idle orchestrator, processes that are killed, and consolidation, beside their bars.

    The exit code is 1 when something was lost, wrong or done twice; a missed bar is no failure.

    Example: prismcube bench jobs --size full --json figures.json --database postgresql://me@localhost/bench
    """
    from server.bench.jobs.measure import CASES, Wanted, check_database, measure
    from server.bench.jobs.sizes import SIZES

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is not a folder", param_hint="--json")
    check_names(case, list(CASES), "--case")
    if database is not None:
        check_database(database)
    wanted = Wanted(
        size=SIZES[size],
        data=data.expanduser().absolute(),
        database=database,
        only=case or (),
        runs=runs,
        tasks=tasks,
    )
    console = Console(highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def advance(told: str, total: int | None, done: int) -> None:
            if total is not None:
                bar.reset(task, description=escape(told), total=total)
            bar.advance(task, done)

        report = measure(wanted, progress=advance)
    _print(console, report)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=1) + "\n")
    if not all(one.is_true for one in report.results):
        raise typer.Exit(1)


def _print(console: Console, report: Report) -> None:
    for result in report.results:
        _print_case(console, result)
    if report.not_measured:
        console.print(WITHOUT_POSTGRESQL + ", ".join(report.not_measured), markup=False)


def _print_case(console: Console, result: CaseResult) -> None:
    database = result.figures[0].database
    title = f"{result.name}: {result.title} ({database})"
    table = Table(
        "",
        "value",
        "p99",
        "bar",
        "Geocube",
        "",
        box=None,
        header_style="bold",
        title=escape(title),
        title_justify="left",
    )
    for position in range(1, 5):
        table.columns[position].justify = "right"
    for one in result.figures:
        table.add_row(*figure_row(one))
    console.print(table)
    console.print()
