"""Verbs run in a process of their own.

Whatever opens the catalogue, GDAL or threads before gunicorn forks would hang or break in its workers; so the verbs
that prepare a server run in a child with the same terminal.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import typer

from config.settings import Settings


def run_verb(
    verb: str, settings: Settings, arguments: Sequence[str] = (), *, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Run `prismcube VERB ARGUMENTS` for these settings; exits with the child's code when that isn't 0.

    `meanwhile` is done while the child works.
    """
    command = [sys.executable, "-m", "server.cli", verb, "--config", str(settings.path), "--home", str(settings.home)]
    with subprocess.Popen([*command, *arguments], env=os.environ) as child:  # noqa: S603  our own program
        meanwhile()
    if child.returncode:
        raise typer.Exit(child.returncode)
