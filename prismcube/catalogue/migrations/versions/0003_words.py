"""The words that collections are found by.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-28

Frozen: what makes the words is spelt out as it was, never imported.
"""

from __future__ import annotations

import json
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collection", sa.Column("words", sa.Text(), nullable=False, server_default=""))
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, name, title, description, keywords FROM collection")).all()
    for row in rows:
        keywords = json.loads(row.keywords) if isinstance(row.keywords, str) else row.keywords
        connection.execute(
            sa.text("UPDATE collection SET words = :words WHERE id = :id"),
            {"id": row.id, "words": _words([row.name, row.title, row.description, *keywords])},
        )


def downgrade() -> None:
    op.drop_column("collection", "words")


def _words(texts: list[str]) -> str:
    return "\n".join(filter(None, map(_plain, texts)))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())
