"""What the bodies of tasks work with; `server` puts it together, once in each process that runs tasks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from prismcube.catalogue import Catalogue
from prismcube.cube.gate import Stop, never

MOST_THREADS = 8
"""Of a task, however many cores there are: with as many processes as cores there would be their square of threads."""


class Submit(Protocol):
    """Makes a follow-up job."""

    def __call__(self, process: str, inputs: Mapping[str, Any], *, key: str) -> str:
        """Id of the job; asked again with the same `key`, it is the same job."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Handed to every body, estimate and check."""

    catalogue: Catalogue
    """With `managed`, the URI of the folder below which files may be ours."""
    submit: Submit
    threads: int = field(default_factory=lambda: min(os.cpu_count() or 1, MOST_THREADS))
    """That a task may use to compress: as many when others run beside it, for a lone one should be quick as well. Where
    there are more of them than cores the system shares these out; none holds memory of its own.
    """
    memory: int = 2**30
    """Bytes that a task may use for pixels."""
    stop: Stop = never
    """Called now and then by estimates; raises when nobody waits for one any more."""
    grace: float
    """Seconds that files stay which readers don't see any more: cubes that are being read may have been planned
    before."""
