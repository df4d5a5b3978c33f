"""Jobs that can't go on because rows of theirs can't be read: each rests as failed, so that all others go on.

Called within a transaction of who leads; a person corrects the row and retries the job, or cancels it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from prismcube.catalogue.job_tables import job_document, task
from prismcube.errors import Conflict
from prismcube.jobs import moves
from prismcube.jobs import statements as sql
from prismcube.jobs.definitions import Definitions, known_machine
from prismcube.jobs.readable import DOCUMENTS, TASKS, told, unreadable
from prismcube.jobs.rows import ADVICE
from prismcube.model.machine import Status
from prismcube.model.work import LogLevel

LOG = logging.getLogger("prismcube.jobs")

_COUNTS = frozenset({"tasks", "open", "failed"})
_RULES = frozenset({"level", "bytes", "most_bytes", "seconds", "deadline"})
_OF_TASK = frozenset({"name", "payload", "attempt"})
"""What a job, and an attempt of a task, can't do without; of other columns people see that they can't be read."""

_DOCUMENTS = select(job_document).where(job_document.c.job_id.in_(bindparam("ids", expanding=True)))
_TASKS = select(task).where(task.c.id.in_(bindparam("ids", expanding=True))).order_by(task.c.id)


def hindrance(row: Any) -> str:
    """Why a job can't go on by its locked row; empty: it can. What is taken back needs no rules."""
    needed = _COUNTS if row.status == Status.DISMISSED.value else _COUNTS | _RULES
    found = {name: reason for name, reason in unreadable(row).items() if name in needed}
    return told("job", found) if found else ""


def check_can_go_on(row: Any) -> None:
    """Raises Conflict: what a person wants of a job needs what nobody can read."""
    if reason := hindrance(row):
        raise Conflict("job", row.id, f"{reason}; {ADVICE}")


def put_aside(connection: Connection, definitions: Definitions, row: Any, reason: str, now: datetime) -> None:
    """Stop a job whose row is locked; it has failed as soon as nothing of it runs."""
    if row.stopping:
        return
    LOG.error("job %s (%s) is failed, and all others go on: %s", row.id, row.process, reason)
    message = f"{reason}; {ADVICE}"
    machine = known_machine(definitions, row.process, row.stage)
    target = machine.rest_after(row.stage) if machine else None
    if target is not None:
        moves.stop(connection, row, target, now, message=message)
        return
    moves.change(connection, row.id, now, work="", message=message)  # there is no place to rest at: it stays here
    moves.log(connection, row.id, now, message, stage=row.stage, level=LogLevel.ERROR)


def put_hindered_aside(
    connection: Connection, definitions: Definitions, rows: Iterable[Any], now: datetime
) -> list[Any]:
    """Of jobs that are locked, those that can't go on; the others."""
    others = []
    for row in rows:
        if reason := hindrance(row):
            put_aside(connection, definitions, row, reason, now)
        else:
            others.append(row)
    return others


def put_unclaimable_aside(
    connection: Connection, definitions: Definitions, kind: str, limit: int, now: datetime
) -> int:
    """Of the jobs whose tasks would be claimed next, those that can't be; how many.

    Reads row by row, and what may be large: for claims that have failed.
    """
    rows = connection.execute(sql.CLAIMABLE_IDS[connection.dialect.name], {"kind": kind, "limit": limit}).all()
    jobs = moves.lock(connection, {row.job_id for row in rows})
    reasons = {id: reason for id, row in jobs.items() if (reason := hindrance(row))}
    for row in DOCUMENTS.read(connection, _DOCUMENTS, {"ids": sorted(jobs)}):
        found = {name: why for name, why in unreadable(row).items() if name == "inputs"}
        if found:
            reasons.setdefault(row.job_id, told("job_document", found))
    for row in TASKS.read(connection, _TASKS, {"ids": [row.id for row in rows]}):
        found = {name: why for name, why in unreadable(row).items() if name in _OF_TASK}
        if found:
            reasons.setdefault(row.job_id, f"task {row.id} {told('task', found)}")
    for id, reason in sorted(reasons.items()):
        put_aside(connection, definitions, jobs[id], reason, now)
    return len(reasons)
