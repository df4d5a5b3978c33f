"""Jobs that would stand still for ever: they have work, but none of their tasks can be claimed, runs or is delayed.

The ledger never leaves one so. A row that was edited by hand, or is damaged, does: an `open` that is too high, a task
that waits for more than there is. Such jobs are looked for now and then, by indexes; only theirs are then counted.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Text, and_, bindparam, exists, literal, or_, select, update

from prismcube.catalogue.job_tables import edge, job, task
from prismcube.jobs import moves
from prismcube.jobs import statements as sql
from prismcube.model.machine import Stage
from prismcube.model.task_states import TaskEvent, TaskState, after
from prismcube.model.work import LogLevel

LOG = logging.getLogger("prismcube.jobs")

EVERY = timedelta(seconds=60)
"""Between two looks; and so long nothing has happened to a job that is looked at."""

MOST = 100
"""Jobs that one look finds; the next finds more."""

_IS_READY = exists().where(sql.OF_JOB, sql.IS_READY)
STALLED = (
    select(job.c.id)
    .where(
        job.c.work > "",
        job.c.work != moves.STOPPING,
        job.c.updated <= bindparam("before", type_=job.c.updated.type),
        job.c.process.in_(bindparam("known", expanding=True)),  # others stand still until a person gives them up
        or_(
            and_(
                ~_IS_READY,
                # Each is one list for all jobs: to look into these indexes for each would be to read them whole.
                job.c.id.not_in(select(task.c.job_id).where(sql.IS_RUNNING)),
                job.c.id.not_in(select(task.c.job_id).where(sql.IS_DELAYED)),
            ),
            job.c.work.not_in(bindparam("kinds", expanding=True)),  # which nobody claims
        ),
    )
    .limit(MOST)
)
_OF_STAGE = (task.c.job_id == bindparam("job"), task.c.stage == bindparam("stage"))
GOES_ON = select(literal(1)).where(
    or_(
        exists().where(*_OF_STAGE, sql.IS_READY),
        *(
            bindparam("job", type_=Text).in_(select(task.c.job_id).where(state, task.c.stage == bindparam("stage")))
            for state in (sql.IS_RUNNING, sql.IS_DELAYED)
        ),
    )
)
"""By the indexes of these states: that of the job would be read whole."""
_parent = task.alias()
_FREE = (
    update(task)
    .where(
        task.c.job_id == bindparam("of"),
        task.c.stage == bindparam("within"),
        task.c.state == TaskState.WAITING.value,
        ~exists(
            select(edge.c.child)
            .join(_parent, _parent.c.id == edge.c.parent)
            .where(edge.c.child == task.c.id, _parent.c.state != TaskState.DONE.value)
        ),
    )
    .values(waits=0, state=after(TaskState.WAITING, TaskEvent.FREED).value)
)
_BAD = select(task.c.id).where(*_OF_STAGE, task.c.state.in_([state.value for state in TaskState if state.is_bad]))


def put_right(connection: Connection, row: Any, stage: Stage, now: datetime) -> bool:
    """Let the row of a locked job say what its stage has it do; False when it does."""
    if row.work == stage.task:
        return False
    ended = {"open": 0} if not stage.task else {}
    moves.change(connection, row.id, now, work=stage.task, **ended)
    _tell(connection, row, f"its work was {row.work!r}, which its stage has not", now)
    return True


def goes_on(connection: Connection, row: Any) -> bool:
    """True when tasks of a job's stage have not ended, whatever its row says."""
    return connection.scalar(GOES_ON, {"job": row.id, "stage": row.stage}) is not None


def free(connection: Connection, row: Any, now: datetime) -> int:
    """Make tasks ready that wait, though all that they wait for is done; how many."""
    freed = connection.execute(_FREE, {"of": row.id, "within": row.stage}).rowcount
    if freed:
        _tell(connection, row, f"{freed:,} of its tasks waited for what is done, and wait no more", now)
    return freed


def bad_tasks(connection: Connection, row: Any) -> list[int]:
    """Those of the job's stage that ended badly: nothing that waits for them can ever be done."""
    return [*connection.scalars(_BAD, {"job": row.id, "stage": row.stage})]


def count_anew(connection: Connection, row: Any, now: datetime) -> bool:
    """Count the tasks of a locked job's stage, and write down what its row has wrong; False when that is nothing."""
    states = moves.states_of(connection, row.id, row.stage)
    bad = sum(number for state, number in states.items() if state.is_bad)
    found = {"tasks": sum(states.values()), "open": sum(states.values()) - bad - states.get(TaskState.DONE, 0)}
    found["failed"] = bad
    wrong = {name: number for name, number in found.items() if getattr(row, name) != number}
    if not wrong:
        return False
    changes = ", ".join(f"{name} is {number:,}, not {getattr(row, name):,}" for name, number in wrong.items())
    message = f"its counts did not agree with its tasks, and were counted anew: {changes}"
    moves.change(connection, row.id, now, **found)
    _tell(connection, row, message, now)
    return True


def _tell(connection: Connection, row: Any, message: str, now: datetime) -> None:
    LOG.warning("job %s: %s", row.id, message)
    moves.log(connection, row.id, now, message, stage=row.stage, level=LogLevel.WARNING)
