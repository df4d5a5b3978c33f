"""`prismcube bench catalogue` and `prismcube bench plans`"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from server.bench.figures import Figure, Report

bench = typer.Typer(no_args_is_help=True, help="Measure this machine and its databases.")

WITHOUT_POSTGRESQL = "PostgreSQL: not measured; name an empty database by --url or PRISMCUBE_BENCH_POSTGRES"


class SizeName(StrEnum):
    """How much is stored."""

    SMALL = "small"
    FULL = "full"


UrlOption = Annotated[
    list[str] | None,
    typer.Option(
        "--url",
        envvar="PRISMCUBE_BENCH_POSTGRES",
        help="An empty database, postgresql://user@host/name, left empty again; or a file that does not exist, "
        "sqlite:////disk/bench.db, in place of a temporary one. May be repeated.",
    ),
]


@bench.command("catalogue")
def measure_catalogue(
    size: Annotated[
        SizeName, typer.Option(help="small: 2,000 datasets, half a minute a database. full: 10^5, some minutes.")
    ] = SizeName.SMALL,
    url: UrlOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """Fill an empty catalogue, search it, and let readers and writers at it: SQLite, and PostgreSQL when one is given.

    Prints each figure beside its bar. The exit code is 1 when a call failed under load; a missed bar is no failure.

    Example: prismcube bench catalogue --size small --json figures.json --url postgresql://me@localhost/bench
    """
    from server.bench.catalogue import check_unused, measure
    from server.bench.data import SIZES
    from server.bench.figures import Report

    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter(f"{json_file.parent} is not a folder", param_hint="--json")
    console = Console(highlight=False)
    figures: list[Figure] = []
    databases: dict[str, str] = {}
    with _urls(url) as every:
        for one in every:  # all of them before any is measured, which takes minutes
            check_unused(one)
        for one in every:
            with _progress(console) as bar:
                task = bar.add_task("", total=None)

                def advance(told: str, total: int | None, done: int, bar: Progress = bar, task: int = task) -> None:
                    bar.update(task, description=told, total=total, advance=done)  # type: ignore[arg-type]

                name, version, found = measure(one, SIZES[size], progress=advance)
            databases[name] = version
            figures += found
    missing = [] if "PostgreSQL" in databases else [WITHOUT_POSTGRESQL]
    report = Report(size=SIZES[size].to_json(), databases=databases, figures=figures, not_measured=missing)
    _print(console, report)
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=1) + "\n")
    if any(one.unit == "errors" and one.value for one in figures):
        raise typer.Exit(1)


@bench.command("plans")
def print_plans(
    url: UrlOption = None,
    output: Annotated[Path | None, typer.Option(help="File for the page; else it is printed.")] = None,
) -> None:
    """Explain the hot queries at 10^5 datasets, as the Markdown of docs/reference/query-plans.md.

    Example: prismcube bench plans --url postgresql://me@localhost/bench --output docs/reference/query-plans.md
    """
    from server.bench import page, plans
    from server.bench.catalogue import check_unused, empty_catalogue
    from server.bench.copies import fill

    explained: dict[str, list[plans.Explained]] = {}
    with _urls(url) as every:
        for one in every:
            check_unused(one)
        for one in every:
            with empty_catalogue(one) as catalogue:
                explained[catalogue.engine.dialect.name] = plans.explained(catalogue, fill(catalogue))
    text = page.page(explained)
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)


@contextmanager
def _urls(given: list[str] | None) -> Iterator[list[str]]:
    """The databases to measure: those that are given, and a temporary one of SQLite unless one of them is SQLite's."""
    from prismcube.catalogue.engine import database_file

    urls = [*(given or [])]
    with tempfile.TemporaryDirectory(prefix="prismcube-bench-") as folder:
        if not any(database_file(one) for one in urls):
            urls.insert(0, f"sqlite:///{folder}/catalogue.db")
        yield urls


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _print(console: Console, report: Report) -> None:
    for name, version in report.databases.items():
        table = Table("", "value", "p99", "bar", "Geocube", "", box=None, header_style="bold", title=escape(version))
        for position in range(1, 5):
            table.columns[position].justify = "right"
        for one in report.figures:
            if one.database == name:
                table.add_row(*figure_row(one))
        console.print(table)
    for told in report.not_measured:
        console.print(told, markup=False)


def figure_row(one: Figure) -> list[str]:
    """Cells of a table: name, value, p99, bar, the original's value, note."""
    sign = {True: "[green]", False: "[bold red]", None: ""}[one.passes]
    p99, bar, original = (_number(number) for number in (one.p99, one.bar, one.original))
    limit = bar and ("≥ " if one.unit == "/s" else "≤ ") + bar
    return [escape(one.name), f"{sign}{_number(one.value)} {one.unit}", p99, limit, original, escape(one.note)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.2f}"
