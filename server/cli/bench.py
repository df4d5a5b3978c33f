"""`prismcube bench catalogue` and `prismcube bench plans`"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from server.cli.benching import JsonOption, SizeName, check_json, figure_table, progressing, write_json

if TYPE_CHECKING:
    from server.bench.figures import Figure, Report

bench = typer.Typer(no_args_is_help=True, help="Measure this machine and its databases.")

WITHOUT_POSTGRESQL = "PostgreSQL: not measured; name an empty database by --url or PRISMCUBE_BENCH_POSTGRES"


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
    json_file: JsonOption = None,
) -> None:
    """Fill an empty catalogue, search it, and let readers and writers at it: SQLite, and PostgreSQL when one is given.

    Prints each figure beside its bar. The exit code is 1 when a call failed under load; a missed bar is no failure.

    Example: prismcube bench catalogue --size small --json figures.json --url postgresql://me@localhost/bench
    """
    from server.bench.catalogue import check_unused, measure
    from server.bench.data import SIZES
    from server.bench.figures import Report

    check_json(json_file)
    console = Console(highlight=False)
    figures: list[Figure] = []
    databases: dict[str, str] = {}
    with _urls(url) as every:
        for one in every:  # all of them before any is measured, which takes minutes
            check_unused(one)
        for one in every:
            with progressing(console) as advance:
                name, version, found = measure(one, SIZES[size], progress=advance)
            databases[name] = version
            figures += found
    missing = [] if "PostgreSQL" in databases else [WITHOUT_POSTGRESQL]
    report = Report(size=SIZES[size].to_json(), databases=databases, figures=figures, not_measured=missing)
    _print(console, report)
    write_json(json_file, report)
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


def _print(console: Console, report: Report) -> None:
    for name, version in report.databases.items():
        console.print(figure_table((one for one in report.figures if one.database == name), version))
    for told in report.not_measured:
        console.print(told, markup=False)
