"""`prismcube serve`"""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from config.settings import Settings
from config.tree import EngineKind
from prismcube.errors import ConfigurationError
from server.cli.catalogue import make_catalogue
from server.cli.options import ConfigOption, HomeOption, settings_for
from server.cli.processes import in_child
from server.kernels import is_complete, place_of
from server.run import Application, Role, preload, preload_kernels


def serve(
    config: ConfigOption = None,
    home: HomeOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer requests.")] = None,
    role: Annotated[
        Role, typer.Option(help="downloader: makes cubes of plans sent to /plans, without a catalogue.")
    ] = Role.SERVER,
) -> None:
    """Serve the catalogue over HTTP until Ctrl-C; migrates the catalogue first.

    Example: prismcube serve --home /data/prismcube --port 8080 --workers 4
    """
    settings = settings_for(config, home=home, host=host, port=port, workers=workers)
    check_port(settings)
    sweep_temporary(settings)
    preload(role)
    if role is Role.SERVER:
        in_child(lambda: make_catalogue(settings), meanwhile=lambda: preload_kernels(settings))
    else:
        _check_downloader(settings)
    console = Console(highlight=False)
    tell_of_kernels(settings, console)
    url = settings.serve.public_url or f"http://{settings.serve.host}:{settings.serve.port}"
    Application(settings, role=role, when_ready=lambda: console.print(f"serving {url} (Ctrl-C stops)")).run()


def _check_downloader(settings: Settings) -> None:
    """Raises ConfigurationError where callers would be asked for what nobody here can check."""
    if settings.access.keys:
        reason = "keys are in the catalogue, which a downloader has not: take tokens (prismcube.access.oidc)"
        raise ConfigurationError(str(settings.path), [("prismcube.access.keys", reason)])


def tell_of_kernels(settings: Settings, console: Console) -> None:
    """Say why the first minute of a new server is slow."""
    if settings.engine.kind is EngineKind.AUTO and not is_complete(place_of(settings)):
        console.print("compiling kernels, once: for about a minute GDAL reads all files, and /readyz says 503")


OLD_SECONDS = 24 * 3600
"""An answer that was begun so long ago is no longer written."""


def sweep_temporary(settings: Settings) -> None:
    """Remove what servers that were killed left of their answers."""
    for folder in (settings.home / "tmp").glob("answer-*"):
        with suppress(FileNotFoundError):  # another server is sweeping too
            if folder.stat().st_mtime < time.time() - OLD_SECONDS:
                shutil.rmtree(folder)


def check_port(settings: Settings) -> None:
    """Raises ConfigurationError when the port is taken: gunicorn itself would retry for seconds and then trace."""
    family = socket.AF_INET6 if ":" in settings.serve.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.serve.host, settings.serve.port))
        except OSError as error:
            address = f"{settings.serve.host}:{settings.serve.port}"
            reason = f"can't listen on {address}: {error.strerror}; choose another with --port"
            raise ConfigurationError("serve", [("prismcube.serve.port", reason)]) from error
