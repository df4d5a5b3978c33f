"""Every change of a task's state, noted by SQLite itself: whichever process, and whichever statement, makes it."""

from __future__ import annotations

from sqlalchemy import Engine, text

from prismcube.catalogue.dialects import SQLITE
from prismcube.model.task_states import TaskState, beginning, walk

NOTE = (
    "CREATE TABLE noted_move (was TEXT, became TEXT)",
    "CREATE TRIGGER note_beginning AFTER INSERT ON task BEGIN INSERT INTO noted_move VALUES (NULL, NEW.state); END",
    "CREATE TRIGGER note_move AFTER UPDATE OF state ON task WHEN OLD.state != NEW.state "
    "BEGIN INSERT INTO noted_move VALUES (OLD.state, NEW.state); END",
)
ALLOWED = {(None, beginning(0)), (None, beginning(1)), *((state, target) for state, _, target in walk())}
"""(what it was, None where the task was made; what it became)."""


def note_moves(engine: Engine) -> None:
    """From now on; on SQLite alone: the ledger's statements are the same on PostgreSQL."""
    if engine.dialect.name == SQLITE:
        with engine.begin() as connection:
            for statement in NOTE:
                connection.execute(text(statement))


def noted_moves(engine: Engine) -> set[tuple[TaskState | None, TaskState]]:
    if engine.dialect.name != SQLITE:
        return set()
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT DISTINCT was, became FROM noted_move")).all()
    return {(TaskState(row.was) if row.was else None, TaskState(row.became)) for row in rows}
