"""Rows of the ledger's tables as entities."""

from __future__ import annotations

from typing import Any

from prismcube.jobs.entities import Job, LogLine, Task, WholeJob
from prismcube.model.machine import Level, Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel

_SAME_IN_JOB = tuple(name for name in Job.__dataclass_fields__ if name not in ("priority", "level", "status"))
_DOCUMENTS = tuple(name for name in WholeJob.__dataclass_fields__ if name not in Job.__dataclass_fields__)
_SAME_IN_TASK = tuple(name for name in Task.__dataclass_fields__ if name != "state")


def job_of(row: Any) -> Job:
    """From a row of the table `job`."""
    return Job(**_values_of(row))


def whole_job_of(row: Any) -> WholeJob:
    """From a row of the tables `job` and `job_document`."""
    return WholeJob(**_values_of(row), **{name: getattr(row, name) for name in _DOCUMENTS})


def _values_of(row: Any) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in _SAME_IN_JOB}
    return {"priority": -row.rank, "level": Level(row.level), "status": Status(row.status), **same}


def task_of(row: Any) -> Task:
    """From a row of the table `task`."""
    return Task(state=TaskState(row.state), **{name: getattr(row, name) for name in _SAME_IN_TASK})


def line_of(row: Any) -> LogLine:
    """From a row of the table `job_log`."""
    return LogLine(
        id=row.id,
        job_id=row.job_id,
        task_id=row.task_id,
        time=row.time,
        level=LogLevel(row.level),
        stage=row.stage,
        message=row.message,
    )
