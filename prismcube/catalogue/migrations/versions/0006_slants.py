"""How the pixels of rotated files lie.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-28

Frozen, as 0002 is: types are spelt out as they were. No file that is catalogued already is rotated: those were refused.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dataset", sa.Column("slant", sa.Text().with_variant(JSONB(), "postgresql")))


def downgrade() -> None:
    op.drop_column("dataset", "slant")
