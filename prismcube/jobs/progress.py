"""How far a job is: the stages on the way to its good end, and what is done of the one that it is in. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from prismcube.jobs.entities import Job
from prismcube.model.machine import Event, Machine, Stage, Status

FAN_WEIGHT = 8
"""A stage of many tasks counts as so many of one task: it does the work, the others plan and tidy up."""


def way(machine: Machine) -> list[Stage]:
    """The stages with tasks that a job goes through when all goes well, in order."""
    found: list[Stage] = []
    stage = machine.first
    while stage.task and stage not in found:
        found.append(stage)
        stage = machine.stage(stage.moves[Event.DONE])
    return found


def progress(job: Job, machine: Machine, *, running: float = 0.0) -> int | None:
    """Percent; None off the way, as while things are taken back.

    `running`: what the running tasks of its stage have done, in tasks.
    """
    if job.status is Status.SUCCESSFUL:
        return 100
    stages = way(machine)
    place = _place(job, machine, stages)
    if place is None:
        return None
    weights = [FAN_WEIGHT if stage.fans_out else 1 for stage in stages]
    ended = (job.tasks - job.open + running) / job.tasks if job.tasks else 0.0
    done = sum(weights[:place]) + min(max(0.0, ended), 1.0) * weights[place]
    return min(int(100 * done / sum(weights)), 99)


def _place(job: Job, machine: Machine, stages: Sequence[Stage]) -> int | None:
    """Which of the stages it is in, or rests at."""
    here = machine.stage(job.stage)
    names = [stage.name for stage in stages]
    again = here.moves.get(Event.RETRY, "")
    return next((names.index(name) for name in (here.name, again) if name in names), None)
