"""How a job goes from stage to stage, within a transaction that holds its row.

    enter ── a stage with tasks    its control task is made, or those handed over are counted; their end moves it on
          ├─ one without any left  the event `done` leads on at once
          └─ rest or end           the job is finished; whoever wants to know is told

Everything here is called with the row of the job locked (`FOR UPDATE`; SQLite has one writer at a time), so that tasks
that end, people who cancel and limits that are reached come one after the other.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from prismcube.catalogue.dialects import POSTGRESQL
from prismcube.catalogue.job_tables import job, job_callback, job_document, job_log, task
from prismcube.errors import UnreadableRow
from prismcube.jobs.addresses import site_of
from prismcube.jobs.documents import failure, status_info
from prismcube.jobs.readable import JOBS, reading, state_of
from prismcube.jobs.rows import job_of
from prismcube.model.machine import Event, Level, Machine, Stage, Status
from prismcube.model.task_states import TaskState, beginning
from prismcube.model.work import LogLevel

LOG = logging.getLogger("prismcube.jobs")

STOPPING = "(stopping)"
"""In `job.work`: what runs is being stopped; no kind of tasks is called so."""

CHANNEL = "prismcube_jobs"
"""Of PostgreSQL's NOTIFY: something may be there to do, or has come to its end."""

LOCKED = select(job).where(job.c.id.in_(bindparam("ids", expanding=True))).order_by(job.c.id).with_for_update()
CHANGE = update(job).where(job.c.id == bindparam("one"))
OF_STAGE = (
    select(task.c.state, func.count().label("number"))
    .where(task.c.job_id == bindparam("job"), task.c.stage == bindparam("stage"))
    .group_by(task.c.state)
)
REQUEST = select(job_document.c.request).where(job_document.c.job_id == bindparam("job"))
NEW_TASK = insert(task)
NEW_LINE = insert(job_log)
NEW_CALLBACK = insert(job_callback)
NOTIFY = func.pg_notify(CHANNEL, "")

_CALLBACKS = {
    Status.RUNNING: "inProgressUri",
    Status.SUCCESSFUL: "successUri",
    Status.FAILED: "failedUri",
    Status.DISMISSED: "failedUri",
}
"""Which address of a subscriber is told (18-062r2, schema subscriber.yaml)."""


def lock(connection: Connection, ids: Iterable[str]) -> dict[str, Any]:
    """The rows of jobs, which nobody else changes until the transaction ends; by ids, so that none wait in a ring.

    They are checked (`prismcube.jobs.readable`).
    """
    return {row.id: row for row in JOBS.read(connection, LOCKED, {"ids": sorted(set(ids))})}


def change(connection: Connection, id: str, now: datetime, **values: Any) -> None:
    """Write columns of a job."""
    connection.execute(CHANGE.values(updated=now, **values), {"one": id})


def notify(connection: Connection) -> None:
    """Wake the orchestrator and those who wait for the end of a job, when this transaction is committed.

    On SQLite they see that the file has changed.
    """
    if connection.dialect.name == POSTGRESQL:
        connection.execute(select(NOTIFY))


def log(
    connection: Connection,
    id: str,
    now: datetime,
    message: str,
    *,
    stage: str,
    level: LogLevel = LogLevel.INFO,
    task_id: int | None = None,
) -> None:
    """Add a line to a job's log."""
    line = {"job_id": id, "task_id": task_id, "time": now, "level": level.value, "stage": stage, "message": message}
    connection.execute(NEW_LINE, line)


def new_task(id: str, stage: str, name: str, payload: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """The row of a task that can be claimed as soon as its job is in that stage."""
    row: dict[str, Any] = {
        "job_id": id,
        "stage": stage,
        "state": beginning(0).value,
        "name": name,
        "payload": payload,
        "bytes": 0,
        "waits": 0,
        "maker": None,
        "attempt": 0,
        "failures": 0,
        "losses": 0,
        "orphaned": 0,
        "owner": "",
        "progress": 0.0,
        "message": "",
    }
    return row | values


def enter(
    connection: Connection,
    row: Any,
    machine: Machine,
    stage: Stage,
    now: datetime,
    *,
    message: str = "",
    status: Status | None = None,
    anew: bool = False,
) -> None:
    """Move a job into a stage, and on through those that have nothing to do.

    `message` says why, when that is not plain from the stage; `status` is what the job tells meanwhile instead of the
    stage's own. `anew`: the one task of the stage is made again when it is done, as that of any stage after it: the job
    has come round to it once more.
    """
    while stage.task:
        states = states_of(connection, row.id, stage.name)
        if not stage.fans_out and (not states or (anew and states.keys() == {TaskState.DONE})):
            connection.execute(NEW_TASK, new_task(row.id, stage.name, stage.name, {}))
            states[beginning(0)] = 1
        open_ = sum(number for state, number in states.items() if state is not TaskState.DONE and not state.is_bad)
        bad = sum(number for state, number in states.items() if state.is_bad)
        if open_:
            _work(connection, row, stage, now, tasks=sum(states.values()), open=open_, failed=bad, status=status)
            return
        stage, anew = machine.stage(stage.moves[Event.FAILED if bad else Event.DONE]), True
    _rest(connection, row, machine, stage, now, message or stage.meaning)


def settle(connection: Connection, row: Any, machine: Machine, now: datetime, *, message: str = "") -> None:
    """Move a job on whose stage has no open task left; `row` tells how many ended badly.

    `message`: why it has failed, or what is told of it in place of the meaning of its end.
    """
    target = machine.stage(machine.stage(row.stage).moves[Event.FAILED if row.failed else Event.DONE])
    told = message if row.failed or target.is_end else ""
    enter(connection, row, machine, target, now, message=told, anew=True)


def stop(
    connection: Connection, row: Any, target: Stage, now: datetime, *, message: str, status: Status | None = None
) -> None:
    """Let nothing more of a job be claimed; the orchestrator moves it on as soon as nothing of it runs.

    With `status` it tells that from now on, also while it is taken back; else what it has told, until it is there.
    """
    stopping = {"stopping": target.name, "work": STOPPING, "paused": False}
    told = row.status if status is None else status.value
    change(connection, row.id, now, status=told, message=message, **stopping)
    log(connection, row.id, now, message, stage=row.stage, level=LogLevel.WARNING)
    notify(connection)


def tell(connection: Connection, id: str, machine: Machine, status: Status, now: datetime) -> None:
    """Note whom to call back because a job has come to this status, and what to tell: it may go on before that is sent.

    Results may be large, and stay as they are until the job ends well once more: they are read when they are sent.
    """
    request = _request(connection, id)
    subscriber = request.get("subscriber")
    url = subscriber.get(_CALLBACKS.get(status, "")) if isinstance(subscriber, Mapping) else None
    if not url or not isinstance(url, str):
        return
    content = None
    if status is not Status.SUCCESSFUL:
        one = job_of(lock(connection, [id])[id])
        content = status_info(one, machine, base=str(request.get("base", "")))
        if status is not Status.RUNNING:
            content["exception"] = failure(one)
    callback = {"job_id": id, "event": status.value, "url": url, "attempt": 0, "due": now}
    connection.execute(NEW_CALLBACK, {**callback, "site": site_of(url), "content": content})


def _request(connection: Connection, id: str) -> Mapping[str, Any]:
    """How the job was asked for; where that can't be read, nobody is called back: it is no reason not to work."""
    result = connection.execute(REQUEST, {"job": id})
    try:
        with reading("job_document", id):
            found = result.scalar_one_or_none() or {}
            return found if isinstance(found, Mapping) else {}
    except UnreadableRow as error:
        LOG.error("nobody is called back for job %s: %s", id, error)
        return {}


def _work(
    connection: Connection,
    row: Any,
    stage: Stage,
    now: datetime,
    *,
    tasks: int,
    open: int,
    failed: int,
    status: Status | None,
) -> None:
    paused = Level(row.level).pauses_at(stage.pause)
    message = f"waits for `continue` before the stage {stage.name!r}" if paused else stage.meaning
    change(
        connection,
        row.id,
        now,
        stage=stage.name,
        status=(status or stage.status).value,
        work="" if paused else stage.task,
        paused=paused,
        stopping="",
        message=message,
        tasks=tasks,
        open=open,
        failed=failed,
        finished=None,
    )
    log(connection, row.id, now, message, stage=stage.name)
    notify(connection)


def _rest(connection: Connection, row: Any, machine: Machine, stage: Stage, now: datetime, message: str) -> None:
    """The job is in a stage without tasks: at its end, or until a person moves it."""
    change(
        connection,
        row.id,
        now,
        stage=stage.name,
        status=stage.status.value,
        work="",
        paused=False,
        stopping="",
        message=message,
        tasks=0,
        open=0,
        finished=now,
    )
    level = LogLevel.ERROR if stage.status is Status.FAILED else LogLevel.INFO
    log(connection, row.id, now, message, stage=stage.name, level=level)
    tell(connection, row.id, machine, stage.status, now)
    notify(connection)


def states_of(connection: Connection, id: str, stage: str) -> dict[TaskState, int]:
    """How many tasks of a stage are in each state; reads all of them."""
    found: Counter[TaskState] = Counter()
    for row in connection.execute(OF_STAGE, {"job": id, "stage": stage}):
        found[state_of(row.state)] += row.number
    return found
