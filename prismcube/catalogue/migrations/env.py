"""Run by Alembic for each command; the connection comes from `migrate`, which has begun the transaction."""

from __future__ import annotations

from alembic import context

from prismcube.catalogue.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # Alembic assumes that SQLite has none, which is true of sqlite3's own BEGIN only
)
context.run_migrations()
