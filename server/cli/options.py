"""Options that several verbs share, and the settings they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config.settings import Settings, load

PROJECT = Path(__file__).resolve().parents[2]
"""Where the program lies: its default configuration and examples."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="PRISMCUBE_CONFIG",
        help="Configuration file; by default pygeoapi-config.yml here, else the one that came with the program.",
    ),
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the catalogue and caches, in place of prismcube.home.")
]


def find_config(path: Path | None) -> Path:
    """The configuration file to use."""
    here = Path("pygeoapi-config.yml")
    return path or (here if here.exists() else PROJECT / "pygeoapi-config.yml")


def settings_for(
    config: Path | None,
    *,
    home: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    job_processes: int | None = None,
) -> Settings:
    """Settings of a file, with what the command line says on top. Raises ConfigurationError."""
    overrides: dict[str, object] = {
        "prismcube.home": str(home) if home else None,
        "prismcube.serve.host": host,
        "prismcube.serve.port": port,
        "prismcube.serve.workers": workers,
        "prismcube.jobs.processes": job_processes,
    }
    return load(find_config(config), overrides={name: value for name, value in overrides.items() if value is not None})
