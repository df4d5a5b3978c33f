"""`prismcube bench cube`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from server.cli.benching import (
    DATA,
    JsonOption,
    SizeName,
    check_json,
    check_names,
    progressing,
    right_aligned,
    write_json,
)

if TYPE_CHECKING:
    from server.bench.cube.limits import Limit
    from server.bench.cube.report import CaseResult, Measured, Report


def measure_cube(
    size: Annotated[
        SizeName, typer.Option(help="small: shows that all pixels are right, in a minute. full: the bars hold there.")
    ] = SizeName.SMALL,
    json_file: JsonOption = None,
    data: Annotated[
        Path,
        typer.Option(help="Folder for the images, made once: 30 MB for small, 3 GB for full.", show_default=str(DATA)),
    ] = DATA,
    engine: Annotated[list[str] | None, typer.Option(help="Only this engine; may be repeated.")] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; may be repeated.")] = None,
    runs: Annotated[int | None, typer.Option(help="Timed runs of each engine and case.", min=1)] = None,
) -> None:
    """Make cubes with our engine and its peers in turns, compare their pixels, and print medians beside the bars.

    The exit code is 1 when our engine failed in a case; a missed bar is no failure.

    Example: prismcube bench cube --size full --json figures.json
    """
    from server.bench.cube.cases import OURS, cases
    from server.bench.cube.engines import ENGINES
    from server.bench.cube.measure import Wanted, measure
    from server.bench.cube.scenes import SIZES

    check_json(json_file)
    chosen = SIZES[size]
    check_names(engine, list(ENGINES), "--engine")
    check_names(case, [one.name for one in cases(chosen)], "--case")
    wanted = Wanted(
        size=chosen,
        data=data.expanduser().absolute(),
        engines=[name for name in ENGINES if not engine or name in (OURS, *engine)],
        only=case or (),
        runs=runs,
    )
    console = Console(highlight=False)
    with progressing(console) as advance:
        report = measure(wanted, progress=advance)
    _print(console, report)
    write_json(json_file, report)
    if any(one.ours is None or one.ours.failed for one in report.results):
        raise typer.Exit(1)


def _print(console: Console, report: Report) -> None:
    from server.bench.cube.engines import ENGINES

    for result in report.results:
        _print_case(console, result)
    for name in report.engines:
        console.print(f"[bold]{escape(name)}[/] {escape(ENGINES[name].how)}")


def _print_case(console: Console, result: CaseResult) -> None:
    case = result.case
    title = f"{case.title} ({case.threads} threads)"
    requests = ["data", "header", "other"] if case.source == "http" else []
    table = right_aligned(title, "", "s", "CPU s", "ratio", "largest", "> 1", "mask", "MB", *requests)
    for one in result.engines:
        table.add_row(*_row(result, one))
    console.print(table)
    for bar in result.bars():
        colour = "green" if bar.passes else "bold red"
        console.print(f" [{colour}]{escape(bar.what)} {bar.value:.3g}[/] ({bar.sign} {bar.wanted:g})")
    if result.limit:
        console.print(escape(_told(result.limit)))
    console.print()


def _row(result: CaseResult, one: Measured) -> list[str]:
    if one.median is None:
        return [escape(one.engine), escape(one.failed)]
    ratio, found, counts = result.ratio(one), one.difference, one.counts
    return [
        escape(one.engine),
        f"{one.median:.3f}",
        f"{one.cpu:.3f}",
        "" if ratio is None else f"{ratio:.2f}",
        *(["", "", ""] if found is None else [f"{found.largest}", f"{found.more_than_one}", f"{found.masks}"]),
        "" if one.growth is None else f"{one.growth / 1e6:.0f}",
        *([] if counts is None else [f"{counts.data}", f"{counts.header}", f"{counts.other}"]),
    ]


def _told(limit: Limit) -> str:
    warp = f"{limit.warp_rate / 1e6:.0f} MPix/s"
    seconds = f"{limit.seconds:.3f} s"
    return (
        f" limit {seconds}: decode {limit.decoded_bytes / 1e6:.0f} MB in {limit.blocks} blocks at "
        f"{limit.decode_rate / 1e6:.0f} MB/s, warp {limit.warped_pixels / 1e6:.1f} MPix at {warp}, "
        f"copy {limit.output_bytes / 1e6:.0f} MB at {limit.copy_rate / 1e6:.0f} MB/s; {limit.cores} cores"
    )
