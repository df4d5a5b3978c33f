"""`prismcube worker`"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from server.cli.options import ConfigOption, HomeOption, settings_for


def worker(
    config: ConfigOption = None,
    home: HomeOption = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Processes that execute tasks on this machine.")] = None,
    with_parent: Annotated[int | None, typer.Option(hidden=True, help="End with the process of this id.")] = None,
    signs: Annotated[int | None, typer.Option(hidden=True, help="Give signs of life into this pipe.")] = None,
) -> None:
    """Execute jobs until Ctrl-C, on this machine or on a cluster: what `serve` starts by itself, alone.

    Several may run; one leads, and another takes over within seconds when it is gone.

    Example: prismcube worker --home /data/prismcube --processes 8
    """
    from prismcube.catalogue import migrate
    from server.jobs.run import run_jobs  # brings GDAL

    settings = settings_for(config, home=home, job_processes=processes)
    if with_parent is None:
        migrate(settings.catalogue_url)
    console = Console(highlight=False)
    told = "executing jobs (Ctrl-C stops)"
    run_jobs(
        settings,
        with_parent=with_parent,
        signs=signs,
        ready=lambda: console.print(told) if with_parent is None else None,
    )
