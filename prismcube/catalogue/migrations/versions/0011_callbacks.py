"""What a callback tells, as it was true of what it tells of; and whom it goes to, so that all are served in turn.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-29

Frozen, as 0002 is: types are spelt out as they were. Of callbacks that wait already no more is known than what had come
to pass; they are sent as those of one site.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

JSON = sa.Text().with_variant(JSONB(), "postgresql")
FILL = (
    "UPDATE job_callback SET content = json_object('jobID', job_id, 'status', event, 'type', 'process') "
    "WHERE event = 'running'",
    "UPDATE job_callback SET content = json_object("
    "'exception', json_object('title', 'The job is ' || event, 'type', 'about:blank'), "
    "'jobID', job_id, 'status', event, 'type', 'process') "
    "WHERE event IN ('failed', 'dismissed')",
)


def upgrade() -> None:
    op.add_column("job_callback", sa.Column("site", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("job_callback", sa.Column("content", JSON))
    op.create_index("ix_job_callback_site", "job_callback", ["site", "due", "id"])
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in FILL:
        op.execute(statement.replace("json_object", "jsonb_build_object") if on_postgresql else statement)


def downgrade() -> None:
    op.drop_index("ix_job_callback_site", "job_callback")
    op.drop_column("job_callback", "content")
    op.drop_column("job_callback", "site")
