"""A preload of `dask worker`: it ends with the process that started it, so that nobody is left who was to be scaled.

dask worker SCHEDULER PARENT --preload prismcube.jobs.engines.with_parent
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import click

from prismcube.jobs.parent import when_parent_ends


@click.command()  # so dask hands over the words of its command that are not its own
@click.argument("parent", type=int)
def dask_setup(worker: Any, parent: int) -> None:
    """Called by dask when the worker starts."""
    when_parent_ends(parent, partial(os._exit, 1))
