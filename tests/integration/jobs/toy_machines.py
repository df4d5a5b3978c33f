"""Machines of toy processes that make many tasks; a person tries again what failed in them, or cancels it."""

from __future__ import annotations

from typing import Any

from prismcube.model.machine import Event, Level, Machine, Stage, Status


def running(task: str, *, then: str, failed: str = "failed", cancelled: str = "cancelled", **more: Any) -> Stage:
    """A stage that is named and works as its task says: `process.stage`."""
    return Stage(
        name=task.partition(".")[2],
        meaning="It works.",
        status=Status.RUNNING,
        task=task,
        moves={Event.DONE: then, Event.FAILED: failed, Event.CANCEL: cancelled},
        **more,
    )


def waiting(name: str, *, again: str, cancelled: str = "cancelled") -> Stage:
    return Stage(
        name=name,
        meaning="It waits for a person.",
        status=Status.FAILED,
        moves={Event.RETRY: again, Event.CANCEL: cancelled},
    )


DONE = Stage(name="done", meaning="All is done.", status=Status.SUCCESSFUL)
CANCELLED = Stage(name="cancelled", meaning="Given up by a person.", status=Status.DISMISSED)

MANY = Machine(
    (
        running("many.prepare", then="work"),
        running("many.work", then="done", fans_out=True),
        DONE,
        waiting("failed", again="work"),
        CANCELLED,
    )
)

BACK = "rollback"
FAN = Machine(
    (
        running("fan.prepare", then="work", failed="prepare-failed", cancelled=BACK),
        running("fan.work", then="publish", failed="work-failed", cancelled=BACK, fans_out=True, pause=Level.MAJOR),
        running("fan.publish", then="done", failed="publish-failed", cancelled=BACK, pause=Level.CRITICAL),
        DONE,
        *(waiting(f"{name}-failed", again=name, cancelled=BACK) for name in ("prepare", "work", "publish")),
        Stage(
            name=BACK,
            meaning="It takes back what it has begun.",
            status=Status.DISMISSED,
            task="fan.rollback",
            moves={Event.DONE: "cancelled", Event.FAILED: "rollback-failed"},
        ),
        Stage(
            name="rollback-failed",
            meaning="It could not take all back.",
            status=Status.FAILED,
            moves={Event.RETRY: BACK},
        ),
        CANCELLED,
    )
)
"""It takes back what it has begun when it is cancelled, and waits for a person before it works and publishes."""
