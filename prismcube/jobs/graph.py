"""A job as a graph: the stages of its machine with their tasks counted by state and, where they are few, the tasks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from prismcube.catalogue.job_tables import edge, task
from prismcube.jobs.entities import Job, Task
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.readable import state_of
from prismcube.model.machine import Machine, Stage
from prismcube.model.task_states import TaskState

FEW = 60
"""Tasks of a stage that are shown one by one."""


@dataclass(frozen=True, kw_only=True)
class StageGraph:
    """A stage, and what it has of tasks."""

    stage: Stage
    is_here: bool
    """The job is in it."""
    counts: Mapping[TaskState, int]
    tasks: Sequence[Task]
    """None where there are more than a few."""
    edges: Sequence[tuple[int, int]]
    """Between these tasks: (id of the one that comes first, of the one that waits for it)."""


def graph_of(ledger: Ledger, job: Job, machine: Machine) -> list[StageGraph]:
    """All stages of the machine, in the order of its table. Reads the tasks of small stages only."""
    counts: dict[str, Counter[TaskState]] = defaultdict(Counter)
    counted = select(task.c.stage, task.c.state, func.count().label("number")).where(task.c.job_id == job.id)
    with ledger.read() as connection:
        for row in connection.execute(counted.group_by(task.c.stage, task.c.state)):
            counts[row.stage][state_of(row.state)] += row.number
    return [_stage(ledger, job, stage, counts[stage.name]) for stage in machine.stages]


def _stage(ledger: Ledger, job: Job, stage: Stage, counts: Mapping[TaskState, int]) -> StageGraph:
    few = 0 < sum(counts.values()) <= FEW
    tasks = ledger.tasks(job.id, stage=stage.name, limit=FEW) if few else []
    return StageGraph(
        stage=stage,
        is_here=stage.name == job.stage,
        counts=counts,
        tasks=tasks,
        edges=_edges(ledger, [one.id for one in tasks]) if len(tasks) > 1 else [],
    )


def _edges(ledger: Ledger, ids: Sequence[int]) -> list[tuple[int, int]]:
    found = select(edge.c.parent, edge.c.child).where(edge.c.child.in_(ids)).order_by(edge.c.parent, edge.c.child)
    with ledger.read() as connection:
        return [(row.parent, row.child) for row in connection.execute(found)]
