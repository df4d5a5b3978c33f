"""`prismcube run-plan`"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from server.plans import End


class Format(StrEnum):
    """In which formats a cube is kept."""

    GEOTIFF = "geotiff"
    COG = "cog"
    NETCDF = "netcdf"
    ZARR = "zarr"


ENDINGS = {".nc": Format.NETCDF, ".zip": Format.ZARR}
"""Of file names that tell the format; all others mean GeoTIFF."""
MOST_TOLD = 20
"""Slices that are named one by one."""


def run_plan(
    plan: Annotated[
        str,
        typer.Argument(help="File with a plan, - for standard input, or an address with f=plan."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; it is there only when it is whole.")],
    format: Annotated[
        Format | None,
        typer.Option(help="By default what the name of the file tells: .nc, .zarr.zip, else GeoTIFF."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="PRISMCUBE_KEY", help="API key for the server that PLAN is asked of.", show_envvar=True),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail, and write nothing, when a slice misses a file.")
    ] = False,
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="Show it; by default on a terminal.")
    ] = None,
    memory: Annotated[int, typer.Option(help="MB for slices while they are computed.", min=16)] = 1024,
) -> None:
    """Make the cube of a plan on this machine, without any catalogue; files are read with its own credentials.

    The exit code is 1 when not one slice could be read, or with --strict when one misses a file.

    Example: prismcube run-plan 'http://127.0.0.1:5000/collections/s2-romania/coverage?datetime=2020&f=plan' -o cube.tif
    """
    import server.plans as plans  # brings GDAL

    if not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is not a folder", param_hint="--output")
    if output.is_dir():
        raise typer.BadParameter(f"{output} is a folder", param_hint="--output")
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    fetched = plans.fetched(plan, key=key)
    chosen = format or ENDINGS.get(output.suffix.lower(), Format.GEOTIFF)
    columns = (TextColumn("slices"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = console.is_terminal if progress is None else progress
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task("", total=len(fetched.slices))
        try:
            ends = plans.run(
                fetched,
                output,
                format=chosen.value,
                strict=strict,
                working_bytes=memory * 2**20,
                progress=lambda end: bar.advance(task),
            )
        except MemoryError as error:
            height, width = fetched.grid.shape
            console.print(f"a cube of {height:,} x {width:,} pixels needs more memory than there is", markup=False)
            raise typer.Exit(1) from error
    broken = [one for one in ends if not plans.is_whole(one)]
    _tell(console, broken, len(ends))
    if strict and broken:
        console.print(f"{output} was not written, since --strict was asked for", markup=False)
        raise typer.Exit(1)
    console.print(f"{output}: {len(ends):,} slices, {os.stat(output).st_size / 1e6:,.1f} MB", markup=False)


def _tell(console: Console, broken: list[End], count: int) -> None:
    """Which slices miss something, and what."""
    from prismcube.model.period import format_instant

    if not broken:
        return
    console.print(f"{len(broken):,} of {count:,} slices miss files:", style="bold red")
    for one in broken[:MOST_TOLD]:
        console.print(f"  {format_instant(one.step.start)} {one.status.value}: {one.message}", markup=False)
    if len(broken) > MOST_TOLD:
        console.print(f"  and {len(broken) - MOST_TOLD:,} more")
    sys.stderr.flush()
