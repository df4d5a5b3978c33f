"""Which part of its grid a dataset holds data in.

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-30

Frozen, as 0002 is: types are spelt out as they were. Of files that are there already it is all of the grid, as it
counted before: what is consolidated in cells larger than its data spans the cells until it is written anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

PART = ("left", "bottom", "right", "top")


def upgrade() -> None:
    for name in PART:  # with a default, since SQLite adds no other columns that are never NULL
        op.add_column("dataset", sa.Column(name, sa.Double(), nullable=False, server_default=sa.text("0")))
    op.execute('UPDATE dataset SET "left" = x0, "bottom" = y0 - dy * height, "right" = x0 + dx * width, "top" = y0')


def downgrade() -> None:
    for name in PART:
        op.drop_column("dataset", name)
