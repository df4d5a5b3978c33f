"""The tables of the ledger (`prismcube.jobs`), in the catalogue's database, so that one transaction can change both.

A task can be claimed when its job is in its stage: so a job moves on, is paused or cancelled by one row, however
many tasks it has. `job.work` repeats the kind of the tasks of its stage for the index that claims go through.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from prismcube.catalogue.tables import metadata
from prismcube.catalogue.types import Id, Json, Name, UTCDateTime
from prismcube.model.task_states import TaskState


def _of_state(name: str, state: TaskState, *columns: str) -> Index:
    """An index of the tasks in a state; SQLite uses it where that state stands in the query, not in a parameter."""
    where = text(f"state = '{state.value}'")
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


job = Table(
    "job",
    metadata,
    Column("id", Name, primary_key=True),
    Column("process", Name, nullable=False),
    Column("owner", Name, nullable=False),  # who submitted it; "": anybody
    Column("key", Name),  # an idempotency key: the second submission by the same owner finds the first
    Column("rank", Integer, nullable=False),  # minus the priority: claims read their index from low to high
    Column("level", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("work", Text, nullable=False),  # kind of the stage's tasks; "": none, or not to be claimed now
    Column("paused", Boolean(create_constraint=False), nullable=False),
    Column("stopping", Text, nullable=False),  # the stage to enter when what runs has stopped; "": it goes on
    Column("message", Text, nullable=False),
    Column("created", UTCDateTime, nullable=False),
    Column("started", UTCDateTime),
    Column("updated", UTCDateTime, nullable=False),
    Column("finished", UTCDateTime),
    # Of the stage: its tasks, those that have not ended, and those that ended badly.
    Column("tasks", Integer, nullable=False),
    Column("open", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("done", Integer, nullable=False),  # of all stages
    Column("bytes", BigInteger, nullable=False),  # read by tasks so far
    Column("most_bytes", BigInteger),
    Column("seconds", Double),  # that it may run for
    Column("deadline", UTCDateTime),
    CheckConstraint("status IN ('accepted', 'running', 'successful', 'failed', 'dismissed')", name="status"),
    Index("ix_job_work", "work", "rank", "created", "id"),
    Index("ix_job_created", "created", "id"),
    Index("ix_job_status", "status", "created", "id"),
    Index("ix_job_key", "owner", "key", unique=True),
    sqlite_with_rowid=False,
)

job_document = Table(  # what may be large: SQLite writes and reads rows whole, and those of `job` all the time
    "job_document",
    metadata,
    Column("job_id", Name, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("inputs", Json, nullable=False),
    Column("request", Json, nullable=False),  # outputs, response, subscriber: as they were asked for
    Column("results", Json, nullable=False),  # outputs by their ids
)

task = Table(
    "task",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("job_id", Name, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("stage", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("payload", Json, nullable=False),
    Column("bytes", BigInteger, nullable=False),  # expected to be read, then: read
    Column("waits", Integer, nullable=False),  # for so many tasks of the same stage
    Column("maker", Id),  # the task that handed it over
    Column("attempt", Integer, nullable=False),  # how often it was begun; a result counts for the last one alone
    Column("failures", Integer, nullable=False),  # of those attempts, its own fault
    Column("losses", Integer, nullable=False),  # and those that took their process with them
    Column("orphaned", Integer, nullable=False, server_default=text("0")),  # and those whose orchestrator was gone
    Column("owner", Text, nullable=False),  # the orchestrator that runs it
    Column("due", UTCDateTime),  # not before
    Column("started", UTCDateTime),
    Column("finished", UTCDateTime),
    Column("progress", Double, nullable=False),
    Column("message", Text, nullable=False),
    Column("result", Json),
    CheckConstraint(
        f"state IN ({', '.join(repr(state.value) for state in TaskState)})",
        name="state",
    ),
    Index("ix_task_page", "job_id", "id"),
    # Of some states only: a task that is done is in none of them, and costs nobody anything.
    _of_state("ix_task_ready", TaskState.READY, "job_id", "stage", "id"),
    _of_state("ix_task_running", TaskState.RUNNING, "id"),
    _of_state("ix_task_due", TaskState.DELAYED, "due"),
    sqlite_autoincrement=True,
)

edge = Table(
    "edge",
    metadata,
    Column("parent", Id, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("child", Id, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)

job_log = Table(
    "job_log",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("job_id", Name, ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("task_id", Id),
    Column("time", UTCDateTime, nullable=False),
    Column("level", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index("ix_job_log_job", "job_id", "id"),
    sqlite_autoincrement=True,
)

job_callback = Table(  # a row for each address that is still to be told
    "job_callback",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("job_id", Name, ForeignKey("job.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("event", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("due", UTCDateTime, nullable=False, index=True),
    Column("site", Text, nullable=False, server_default=text("''")),  # of the URL: one sender at a time goes there
    Column("content", Json),  # to be sent: what was true then, whatever has become of the job; NULL: its results
    Index("ix_job_callback_site", "site", "due", "id"),
    sqlite_autoincrement=True,
)

job_leader = Table(  # the orchestrator that claims tasks: one row
    "job_leader",
    metadata,
    Column("name", Name, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Double, nullable=False),  # seconds of the database's clock since 1970
    Column("about", Json, nullable=False),  # its engine: what runs where, for people
    sqlite_with_rowid=False,
)
