"""What the ledger has to know of a process: its machine, and how often its tasks are tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prismcube.jobs.entities import Job
from prismcube.model.machine import Machine, unknown_machine


@dataclass(frozen=True, kw_only=True)
class Definition:
    """Of one process."""

    machine: Machine
    attempts: int = 3
    """A task fails for good when it has failed so often by its own fault, in ways that may pass."""


Definitions = Mapping[str, Definition]
"""By the id of the process."""


def known_machine(definitions: Definitions, process: str, *stages: str) -> Machine | None:
    """The machine of a process; None when there is none that has these stages."""
    found = definitions.get(process)
    names = {stage.name for stage in found.machine.stages} if found else set()
    return found.machine if found and names.issuperset(stages) else None


def machine_of(definitions: Definitions, job: Job) -> Machine:
    """The machine of a job; where its process, or its stage, is known no more, one to look at it and to give it up."""
    is_over = job.status.is_final and not job.stopping and not job.open
    return known_machine(definitions, job.process, job.stage) or unknown_machine(
        job.process, job.stage, ended=job.status if is_over else None
    )
