"""What the orchestrator asks of the ledger's tables and writes to them, as statements that are compiled once.

The state that a statement gives to tasks is the one to which an event leads by `prismcube.model.task_states`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    true,
    update,
)

from prismcube.catalogue.dialects import POSTGRESQL, SQLITE, Condition
from prismcube.catalogue.job_tables import edge, job, job_document, task
from prismcube.jobs import moves
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskEvent, TaskState, after, happens_in, leads_to

IS_READY, IS_RUNNING, IS_DELAYED = (
    task.c.state == literal_column(f"'{state.value}'")
    for state in (TaskState.READY, TaskState.RUNNING, TaskState.DELAYED)
)
"""In words, not as parameters: so that SQLite looks into the index of that state."""

_CLAIMED = (task.c.id, task.c.attempt, task.c.job_id, task.c.stage, task.c.name, task.c.payload)
OF_JOB = and_(task.c.job_id == job.c.id, task.c.stage == job.c.stage)
_READY = and_(OF_JOB, IS_READY)
_BY_RANK = (job.c.rank, job.c.created, job.c.id)


def _claimable_on_sqlite(*columns: Column[Any]) -> Select[Any]:
    """The tasks of a job come in the order of the index, that of their ids; to ask for it would have SQLite sort all
    that are ready, for each claim of some hundred."""
    found = select(*columns).select_from(job).join(task, _READY)
    return found.where(job.c.work == bindparam("kind")).order_by(*_BY_RANK).limit(bindparam("limit"))


def _claimable_on_postgresql(*columns: Column[Any]) -> Select[Any]:
    """Of each job the first ones, by the index: a plain join comes in any order, and all of it would be sorted."""
    first = select(*columns).where(_READY).order_by(task.c.id).limit(bindparam("limit")).correlate(job).lateral("first")
    found = select(*first.c).select_from(job).join(first, true())
    found = found.where(job.c.work == bindparam("kind")).order_by(*_BY_RANK, first.c.id)
    return found.limit(bindparam("limit"))


CLAIMABLE = {SQLITE: _claimable_on_sqlite(*_CLAIMED), POSTGRESQL: _claimable_on_postgresql(*_CLAIMED)}
"""By database: tasks that are ready, of jobs by rank and age, and by id."""
_WHOSE = (task.c.id, task.c.job_id)
CLAIMABLE_IDS = {SQLITE: _claimable_on_sqlite(*_WHOSE), POSTGRESQL: _claimable_on_postgresql(*_WHOSE)}
"""The same without what may be unreadable."""


class _listed(Condition):
    """An id is in a list, which is one parameter: a parameter for each id takes longer than the rest of a claim."""

    sqlite = "{0} IN (SELECT value FROM json_each({1}))"
    postgresql = "{0} IN (SELECT value::bigint FROM json_array_elements_text({1}::json))"


BY_IDS = _listed(task.c.id, bindparam("ids", type_=Text))
CLAIM = (
    update(task)
    .where(BY_IDS)
    .values(
        state=after(TaskState.READY, TaskEvent.CLAIMED).value,
        attempt=task.c.attempt + 1,
        owner=bindparam("me"),
        started=bindparam("now", type_=task.c.started.type),
        progress=0.0,
        message="",
    )
)
HANDED_OVER = delete(task).where(
    task.c.job_id == bindparam("job"),
    task.c.stage != bindparam("stage"),
    task.c.maker.in_(bindparam("ids", expanding=True)),
)
"""Of another stage: rows of their own, which may be very many, are told apart by the index alone."""
# A job whose documents are lost, by a table that was restored, say, must not hold up those of others.
JOBS_OF = (
    select(job.c.id, job.c.status, job.c.bytes, job.c.most_bytes, job_document.c.inputs)
    .outerjoin(job_document, job_document.c.job_id == job.c.id)
    .where(job.c.id.in_(bindparam("ids", expanding=True)))
)
NEW_RESULTS = (
    update(job_document)
    .where(job_document.c.job_id == bindparam("one"))
    .values(results=bindparam("all", type_=job_document.c.results.type))
)
JOBS_BY_TASKS = select(task.c.job_id).distinct().where(BY_IDS)
PAST = (task.c.failures, task.c.losses, task.c.orphaned)
MINE = select(task.c.id, task.c.job_id, task.c.stage, task.c.attempt, *PAST, task.c.name).where(
    BY_IDS, task.c.state == TaskState.RUNNING.value, task.c.owner == bindparam("me")
)
RUNNING = (
    select(task.c.id, task.c.job_id, task.c.attempt, task.c.owner, *PAST, job.c.stopping)
    .join(job, job.c.id == task.c.job_id)
    .where(IS_RUNNING)
)
ENDED_WELL = {
    "state": after(TaskState.RUNNING, TaskEvent.DONE).value,
    "progress": 1.0,
    "owner": "",
    "finished": bindparam("now", type_=task.c.finished.type),
}
DONE = (
    update(task)
    .where(task.c.id == bindparam("one"))
    .values(
        message=bindparam("told"),
        result=bindparam("came", type_=task.c.result.type),
        bytes=bindparam("read"),
        **ENDED_WELL,
    )
)
DONE_BARELY = update(task).where(BY_IDS).values(**ENDED_WELL)
"""Of tasks that have nothing to tell but that they are done."""
NOT_DONE = (
    update(task)
    .where(task.c.id == bindparam("one"))
    .values(
        state=bindparam("to"),
        failures=bindparam("faults"),
        losses=bindparam("lost"),
        orphaned=bindparam("left"),
        due=bindparam("until", type_=task.c.due.type),
        finished=bindparam("ended", type_=task.c.finished.type),
        message=bindparam("told"),
        owner="",
    )
)
CHILDREN = (
    select(edge.c.child, func.count().label("number"))
    .where(_listed(edge.c.parent, bindparam("ids", type_=Text)))
    .group_by(edge.c.child)
)
LESS_TO_WAIT_FOR = (
    update(task)
    .where(task.c.id == bindparam("one"))
    .values(
        waits=task.c.waits - bindparam("number"),
        state=case(
            (
                and_(task.c.waits <= bindparam("number"), task.c.state == TaskState.WAITING.value),
                after(TaskState.WAITING, TaskEvent.FREED).value,
            ),
            else_=task.c.state,
        ),
    )
)
BEREFT = (
    select(task.c.id, task.c.job_id)
    .distinct()
    .join(edge, edge.c.child == task.c.id)
    .where(_listed(edge.c.parent, bindparam("ids", type_=Text)), task.c.state == TaskState.WAITING.value)
)
WAKE = (
    update(task)
    .where(IS_DELAYED, task.c.due <= bindparam("now", type_=task.c.due.type))
    .values(state=after(TaskState.DELAYED, TaskEvent.DUE).value, due=None)
)


def _again(event: TaskEvent, *more: ColumnElement[bool]) -> Update:
    """Tasks of a stage begin anew, as if nothing had come of them before."""
    states = [state.value for state in happens_in(event)]
    past = {"failures": 0, "losses": 0, "orphaned": 0, "progress": 0.0, "message": ""}
    return (
        update(task)
        .where(task.c.job_id == bindparam("of"), task.c.stage == bindparam("within"), task.c.state.in_(states), *more)
        .values(state=leads_to(event).value, owner="", due=None, finished=None, **past)
    )


RETRY_IN_TURN = _again(TaskEvent.RETRIED_IN_TURN, task.c.waits > 0)
RETRY = _again(TaskEvent.RETRIED)
"""After those that are retried in turn, which it would make ready as well."""
FORCE = _again(TaskEvent.FORCED)
COUNT = (
    update(job)
    .where(job.c.id == bindparam("one"))
    .values(
        open=job.c.open - bindparam("ended"),
        failed=job.c.failed + bindparam("bad"),
        done=job.c.done + bindparam("good"),
        bytes=job.c.bytes + bindparam("read"),
        updated=bindparam("now", type_=job.c.updated.type),
    )
)
STOPPING = select(job.c.id).where(job.c.work == moves.STOPPING)
STILL_RUNNING = (
    select(job.c.id)
    .distinct()
    .join(task, and_(task.c.job_id == job.c.id, task.c.stage == job.c.stage, IS_RUNNING))
    .where(job.c.id.in_(bindparam("ids", expanding=True)))
)
"""By the stage as well: of a job with very many tasks its index would be read whole otherwise."""
LATE = select(job.c.id).where(
    job.c.status == Status.RUNNING.value,
    job.c.work != moves.STOPPING,
    job.c.work != "",
    job.c.deadline <= bindparam("now", type_=job.c.deadline.type),
)
