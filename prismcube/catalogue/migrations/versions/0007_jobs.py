"""The ledger of jobs.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-28

Frozen, as 0002 is: types are spelt out as they were.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.BigInteger().with_variant(TIMESTAMP(timezone=True), "postgresql")
JSON = sa.Text().with_variant(JSONB(), "postgresql")

TABLES = ("job_leader", "job_callback", "job_log", "edge", "task", "job")


def upgrade() -> None:
    op.create_table(
        "job",
        _column("id", NAME),
        _column("process", NAME),
        _column("owner", NAME),
        _column("key", NAME, nullable=True),
        *(_column(name, JSON) for name in ("inputs", "request")),
        _column("rank", sa.Integer()),
        *(_column(name, sa.Text()) for name in ("level", "stage", "status", "work")),
        _column("paused", sa.Boolean()),
        *(_column(name, sa.Text()) for name in ("stopping", "message")),
        _column("created", TIME),
        _column("started", TIME, nullable=True),
        _column("updated", TIME),
        _column("finished", TIME, nullable=True),
        *(_column(name, sa.Integer()) for name in ("tasks", "open", "failed", "done")),
        _column("bytes", sa.BigInteger()),
        _column("most_bytes", sa.BigInteger(), nullable=True),
        _column("seconds", sa.Double(), nullable=True),
        _column("deadline", TIME, nullable=True),
        _column("results", JSON),
        sa.CheckConstraint(
            "status IN ('accepted', 'running', 'successful', 'failed', 'dismissed')", name="ck_job_status"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_job_work", "job", ["work", "rank", "created", "id"])
    op.create_index("ix_job_created", "job", ["created", "id"])
    op.create_index("ix_job_status", "job", ["status", "created", "id"])
    op.create_index("ix_job_key", "job", ["owner", "key"], unique=True)
    op.create_table(
        "task",
        _id(),
        _column("job_id", NAME),
        *(_column(name, sa.Text()) for name in ("stage", "state", "name")),
        _column("payload", JSON),
        _column("bytes", sa.BigInteger()),
        _column("waits", sa.Integer()),
        _column("maker", ID, nullable=True),
        *(_column(name, sa.Integer()) for name in ("attempt", "failures", "losses")),
        _column("owner", sa.Text()),
        *(_column(name, TIME, nullable=True) for name in ("due", "started", "finished")),
        _column("progress", sa.Double()),
        _column("message", sa.Text()),
        _column("result", JSON, nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delayed', 'ready', 'running', 'done', 'failed', 'parked', 'cancelled')",
            name="ck_task_state",
        ),
        _to("task", "job_id", "job"),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_task_page", "task", ["job_id", "id"])
    for name, state, columns in (
        ("ix_task_ready", "ready", ["job_id", "stage", "id"]),
        ("ix_task_running", "running", ["id"]),
        ("ix_task_due", "delayed", ["due"]),
    ):
        where = sa.text(f"state = '{state}'")
        op.create_index(name, "task", columns, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "edge",
        _column("parent", ID, autoincrement=False),
        _column("child", ID, autoincrement=False),
        _to("edge", "parent", "task"),
        _to("edge", "child", "task"),
        sa.PrimaryKeyConstraint("parent", "child", name="pk_edge"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_edge_child", "edge", ["child"])
    op.create_table(
        "job_log",
        _id(),
        _column("job_id", NAME),
        _column("task_id", ID, nullable=True),
        _column("time", TIME),
        *(_column(name, sa.Text()) for name in ("level", "stage", "message")),
        _to("job_log", "job_id", "job"),
        sa.PrimaryKeyConstraint("id", name="pk_job_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_log_job", "job_log", ["job_id", "id"])
    op.create_table(
        "job_callback",
        _id(),
        _column("job_id", NAME),
        *(_column(name, sa.Text()) for name in ("event", "url")),
        _column("attempt", sa.Integer()),
        _column("due", TIME),
        _to("job_callback", "job_id", "job"),
        sa.PrimaryKeyConstraint("id", name="pk_job_callback"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_callback_job_id", "job_callback", ["job_id"])
    op.create_index("ix_job_callback_due", "job_callback", ["due"])
    op.create_table(
        "job_leader",
        _column("name", NAME),
        _column("owner", sa.Text()),
        _column("until", sa.Double()),
        _column("about", JSON),
        sa.PrimaryKeyConstraint("name", name="pk_job_leader"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)


def _column(name: str, kind: Any, *, nullable: bool = False, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, **options)


def _id() -> sa.Column[int]:
    return sa.Column("id", ID, sa.Identity(), nullable=False)


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")
