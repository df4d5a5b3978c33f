"""Rows of the ledger's tables as entities; what can't be read of them has a stand-in (`prismcube.jobs.readable`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select

from prismcube.catalogue.job_tables import job_document
from prismcube.errors import UnreadableRow
from prismcube.jobs.entities import Job, LogLine, Task, WholeJob
from prismcube.jobs.readable import object_of, reading, told, unreadable
from prismcube.model.machine import Level, Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel

LOG = logging.getLogger("prismcube.jobs")

RESULTS = select(job_document.c.results).where(job_document.c.job_id == bindparam("one"))

ADVICE = "correct it in the database, then retry the job; or cancel it"
"""What a person can do about a row that can't be read."""

_SAME_IN_JOB = tuple(
    name for name in Job.__dataclass_fields__ if name not in ("priority", "level", "status", "message", "unreadable")
)
_DOCUMENTS = tuple(name for name in WholeJob.__dataclass_fields__ if name not in Job.__dataclass_fields__)
_SAME_IN_TASK = tuple(name for name in Task.__dataclass_fields__ if name not in ("state", "message"))


def job_of(row: Any) -> Job:
    """From a checked row of the table `job`."""
    return Job(**_values_of(row))


def whole_job_of(row: Any, documents: Any) -> WholeJob:
    """From checked rows of the tables `job` and `job_document`."""
    return WholeJob(**_values_of(row), **{name: getattr(documents, name) for name in _DOCUMENTS})


def _values_of(row: Any) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in _SAME_IN_JOB}
    bad = unreadable(row)
    message = f"{told('job', bad)}; {ADVICE}" if bad else row.message
    words = {"level": Level(row.level), "status": Status(row.status)}
    return {"priority": -row.rank, **words, **same, "message": message, "unreadable": tuple(bad)}


def task_of(row: Any) -> Task:
    """From a checked row of the table `task`."""
    bad = unreadable(row)
    message = told("task", bad) if bad else row.message
    return Task(state=TaskState(row.state), message=message, **{name: getattr(row, name) for name in _SAME_IN_TASK})


def line_of(row: Any) -> LogLine:
    """From a checked row of the table `job_log`."""
    return LogLine(
        id=row.id,
        job_id=row.job_id,
        task_id=row.task_id,
        time=row.time,
        level=LogLevel(row.level),
        stage=row.stage,
        message=row.message,
    )


def results_of(connection: Connection, id: str) -> Mapping[str, Any]:
    """A job's outputs by their ids; what can't be read counts as none: it is replaced, or removed."""
    found = connection.execute(RESULTS, {"one": id})
    try:
        with reading("job_document", id):
            return object_of("job_document", id, found.scalar_one_or_none() or {})
    except UnreadableRow as error:
        LOG.warning("job %s counts as one without results: %s", id, error)
        return {}
