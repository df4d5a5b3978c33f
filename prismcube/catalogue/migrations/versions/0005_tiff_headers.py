"""Where the blocks of TIFF files lie.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-28

Frozen, as 0002 is: types are spelt out as they were. Files that are catalogued already get their rows when they are
indexed again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tiff_header",
        sa.Column("container_id", ID, autoincrement=False, nullable=False),
        sa.Column("subdir", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("packed", sa.LargeBinary()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("(packed IS NULL) = (reason <> '')", name="ck_tiff_header_kind"),
        sa.ForeignKeyConstraint(
            ["container_id"], ["container.id"], name="fk_tiff_header_container_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("container_id", "subdir", name="pk_tiff_header"),
    )


def downgrade() -> None:
    op.drop_table("tiff_header")
