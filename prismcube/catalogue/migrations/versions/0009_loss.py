"""What the numbers of consolidated files have lost.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-29

Frozen, as 0002 is: types are spelt out as they were. Of lossy files that are there already it is not known: they are
written anew when they are consolidated again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("container", sa.Column("loss", sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    op.drop_column("container", "loss")
