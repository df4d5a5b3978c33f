"""`prismcube bench jobs`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from server.cli.benching import (
    DATA,
    JsonOption,
    SizeName,
    check_json,
    check_names,
    figure_table,
    progressing,
    write_json,
)

if TYPE_CHECKING:
    from server.bench.jobs.report import Report

WITHOUT_POSTGRESQL = "not measured, without PostgreSQL; name an empty database by --database: "


def measure_jobs(
    size: Annotated[
        SizeName, typer.Option(help="small: shows that all is right, in a minute or two. full: the bars hold there.")
    ] = SizeName.SMALL,
    json_file: JsonOption = None,
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

    check_json(json_file)
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
    with progressing(console) as advance:
        report = measure(wanted, progress=advance)
    _print(console, report)
    write_json(json_file, report)
    if not all(one.is_true for one in report.results):
        raise typer.Exit(1)


def _print(console: Console, report: Report) -> None:
    for result in report.results:
        title = f"{result.name}: {result.title} ({result.figures[0].database})"
        console.print(figure_table(result.figures, title))
        console.print()
    if report.not_measured:
        console.print(WITHOUT_POSTGRESQL + ", ".join(report.not_measured), markup=False)
