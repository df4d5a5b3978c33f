"""`prismcube demo`"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from config.settings import Settings
from config.tree import Log, LogFormat, LogLevel
from server.cli.options import PROJECT, ConfigOption, settings_for
from server.cli.processes import in_child
from server.cli.serve import check_port, sweep_temporary, tell_of_kernels
from server.run import Application, preload, preload_kernels

EXAMPLES = PROJECT / "examples"
SETS = (
    ("s2-romania.yml", "data/s2-romania-2015-2021"),
    ("l8-paraguay.yml", "data/l8-paraguay-2020"),
)
"""Mapping and folder of each demo collection."""

POINT = "coords=POINT(22.1522%2045.2048)&parameter-name=ndvi"
MEDIAN = "properties=ndvi&datetime=2020&group=all&mosaic=median"
COMMANDS = (
    ("the map, the dates and the series", "{url}/viewer"),
    ("a cloud-masked NDVI series", f"curl '{{url}}/collections/s2-romania/position?{POINT}&f=csv'"),
    ("the median NDVI of 2020", f"curl -o ndvi.tif '{{url}}/collections/s2-romania/coverage?{MEDIAN}'"),
    ("what that costs, as a plan", f"curl '{{url}}/collections/s2-romania/coverage?{MEDIAN}&f=plan'"),
    ("the jobs: what they do, how far they are", "{url}/jobs"),
    ("a mosaic of two scenes", "curl -o paraguay.png '{url}/collections/l8-paraguay/coverage?f=png&width=800'"),
)
"""What the demo suggests: (what comes of it, command)."""


def demo(
    config: ConfigOption = None,
    home: Annotated[Path, typer.Option(help="Folder of the demo's catalogue; kept for the next start.")] = Path(
        ".prismcube"
    ),
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    prepare_only: Annotated[bool, typer.Option("--prepare-only", help="Index the data and stop.")] = False,
) -> None:
    """Index two real data sets, then serve them until Ctrl-C: a whole server in one command.

    A second start finds its files indexed and serves at once.

    Example: prismcube demo --home /tmp/demo --port 5000
    """
    started = time.monotonic()
    settings = _quiet(settings_for(config, home=home, port=port))
    if prepare_only:
        prepare(settings)
        return
    check_port(settings)
    sweep_temporary(settings)
    preload()
    in_child(lambda: prepare(settings), meanwhile=lambda: preload_kernels(settings))
    console = Console(highlight=False, soft_wrap=True)
    tell_of_kernels(settings, console)
    Application(settings, when_ready=lambda: _welcome(console, settings, started)).run()


def _quiet(settings: Settings) -> Settings:
    """Text, and no line a request, unless the settings say how to log: what the demo prints is for people."""
    told = {name: getattr(settings.log, name) for name in settings.log.model_fields_set}
    log = Log(**{"format": LogFormat.TEXT, "level": LogLevel.WARNING, **told})
    for name in {"format", "level"}.difference(told):  # for the processes that the server starts
        os.environ[f"PRISMCUBE_LOG__{name.upper()}"] = getattr(log, name).value
    return settings.model_copy(update={"log": log})


def prepare(settings: Settings) -> None:
    """Index the demo's data sets. Raises typer.Exit when a file fails."""
    from server.cli.catalogue import index_files

    for mapping, folder in SETS:
        if index_files(settings, [EXAMPLES / folder], mapping=EXAMPLES / mapping, brief=True):
            raise typer.Exit(1)


def _welcome(console: Console, settings: Settings, started: float) -> None:
    url = f"http://{settings.serve.host}:{settings.serve.port}"
    console.print(f"\nServing [bold]{url}[/] after {time.monotonic() - started:.0f} s (Ctrl-C stops). Try:\n")
    for number, (title, command) in enumerate(COMMANDS, 1):
        console.print(f"  {number}. {title}\n     [cyan]{command.format(url=url)}[/]")
    if settings.jobs.run:  # a client, which must not delay the server or end with an error of its own
        subprocess.Popen([sys.executable, "-m", "server.cli.tour", url], stdin=subprocess.DEVNULL)  # noqa: S603
