"""What the command line says of errors that are raised on purpose."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console

from prismcube.errors import ConfigurationError, PrismcubeError


def exit_code(work: Callable[[], object]) -> int:
    """0 when the work is done; after an error of ours, told in a sentence, 2 (configuration) or 1."""
    try:
        work()
    except PrismcubeError as error:
        Console(stderr=True, highlight=False).print("[bold red]error:[/] ", end="")
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    return 0
