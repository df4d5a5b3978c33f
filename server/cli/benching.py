"""What the verbs of `prismcube bench` share: options, progress, the table and the file of figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from server.bench.figures import Figure
    from server.bench.progress import Progress as Told

DATA = Path("~/.cache/prismcube/bench")


class SizeName(StrEnum):
    """How much is stored."""

    SMALL = "small"
    FULL = "full"


JsonOption = Annotated[Path | None, typer.Option("--json", help="File for the figures.")]


class Report(Protocol):
    """What was measured."""

    def to_json(self) -> dict[str, Any]: ...


def check_json(path: Path | None) -> None:
    """Raises BadParameter when there is no folder for the file: before anything is measured."""
    if path is not None and not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path.parent} is not a folder", param_hint="--json")


def check_names(given: list[str] | None, known: list[str], option: str) -> None:
    """Raises BadParameter for one that is not known."""
    for one in given or ():
        if one not in known:
            raise typer.BadParameter(f"{one!r} is not one of {', '.join(known)}", param_hint=option)


@contextmanager
def progressing(console: Console) -> Iterator[Told]:
    """A bar that is gone at the end; what it yields is called with each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def advance(told: str, total: int | None, done: int) -> None:
            if total is not None:
                bar.reset(task, total=total)
            bar.update(task, description=escape(told), advance=done)

        yield advance


def write_json(path: Path | None, report: Report) -> None:
    if path is not None:
        path.write_text(json.dumps(report.to_json(), indent=1) + "\n")


def right_aligned(title: str, *heads: str) -> Table:
    """A table without rows; all columns but the first hold numbers."""
    table = Table(*heads, box=None, header_style="bold", title=escape(title), title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def figure_table(figures: Iterable[Figure], title: str) -> Table:
    """A row a figure: name, value, p99, bar, the original's value, note."""
    table = right_aligned(title, "", "value", "p99", "bar", "Geocube", "")
    table.columns[-1].justify = "left"
    for one in figures:
        table.add_row(*_row(one))
    return table


def _row(one: Figure) -> list[str]:
    sign = {True: "[green]", False: "[bold red]", None: ""}[one.passes]
    p99, bar, original = (_number(number) for number in (one.p99, one.bar, one.original))
    limit = bar and ("≥ " if one.is_more_better else "≤ ") + bar
    return [escape(one.name), f"{sign}{_number(one.value)} {one.unit}", p99, limit, original, escape(one.note)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.2f}"
