"""What jobs were asked and what they answered, apart from their state; losses of orchestrators, apart from others.

A job's row is written with every result that comes, and read several times a second: SQLite reads and writes all of it,
through megabytes of inputs if they lie there.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-29

Frozen, as 0002 is: types are spelt out as they were.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON = sa.Text().with_variant(JSONB(), "postgresql")
MOVED = ("inputs", "request", "results")


def upgrade() -> None:
    op.add_column("task", sa.Column("orphaned", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "job_document",
        sa.Column("job_id", NAME, nullable=False),
        *(sa.Column(name, JSON, nullable=False) for name in MOVED),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_job_document_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name="pk_job_document"),
    )
    op.execute(
        "INSERT INTO job_document (job_id, inputs, request, results) SELECT id, inputs, request, results FROM job"
    )
    for name in MOVED:
        op.drop_column("job", name)


def downgrade() -> None:
    for name in MOVED:
        op.add_column("job", sa.Column(name, JSON, nullable=False, server_default=sa.text("'{}'")))
    op.execute(
        "UPDATE job SET inputs = kept.inputs, request = kept.request, results = kept.results "
        "FROM job_document AS kept WHERE kept.job_id = job.id"
    )
    op.drop_table("job_document")
    op.drop_column("task", "orphaned")
