"""What the ledger has to know of a process: its machine, and how often its tasks are tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prismcube.model.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Definition:
    """Of one process."""

    machine: Machine
    attempts: int = 3
    """A task fails for good when it has failed so often by its own fault, in ways that may pass."""


Definitions = Mapping[str, Definition]
"""By the id of the process."""
