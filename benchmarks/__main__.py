"""`python -m benchmarks [--runs N] [--json FILE]`: index the demo data, then every contest, as a table and as JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import collections, files, http
from benchmarks.timing import Result, run
from server.asgi import make_context
from server.cli.demo import EXAMPLES, prepare
from server.cli.options import settings_for
from server.metrics import Metrics


def main(
    runs: Annotated[int, typer.Option(help="Timed runs of each contest.", min=1)] = 7,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """Measure Prismcube beside its peers: medians of interleaved runs."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(None, home=Path(folder))
        prepare(settings)
        data = EXAMPLES / "data"
        results = [run(one, runs=runs) for one in files.contests(make_context(settings, Metrics()), data)]
        with http.contests(Path(folder), data) as served:
            results += [run(one, runs=runs) for one in served]
        results += collections.results(settings, data, runs=runs)
    _print(results)
    if json_file:
        json_file.write_text(json.dumps([result.to_json() for result in results], indent=1) + "\n")


def _print(results: list[Result]) -> None:
    table = Table("contest", "peer", "Prismcube ms", "peer ms", "ratio", header_style="bold")
    for one in results:
        table.add_row(one.name, one.peer, f"{one.ours * 1e3:.0f}", f"{one.theirs * 1e3:.0f}", f"{one.ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
