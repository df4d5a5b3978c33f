"""What a task is given, and what it can tell: the only thing that the bodies of tasks know of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class LogLevel(StrEnum):
    """How much a line of a job's log matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task of a later stage, handed over by an earlier one."""

    name: str
    """For people: what it works on. Unique within the stage."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """JSON, small: it is kept in a row."""
    after: tuple[str, ...] = ()
    """Names of tasks of the same stage that must be done before."""
    bytes: int = 0
    """What it is expected to read, for the job's budget and progress; 0: unknown."""


class Work(Protocol):
    """One attempt of a task, from within.

    A body may be run again at any time, even after it has ended well: it must find what an earlier attempt has done,
    and do nothing twice with effect.
    """

    @property
    def job(self) -> str:
        """Id of the job."""
        ...

    @property
    def task(self) -> int:
        """Id of the task; the same in each attempt."""
        ...

    @property
    def name(self) -> str:
        """Of the task, as it was handed over; a control task is called as its stage."""
        ...

    @property
    def payload(self) -> Mapping[str, Any]:
        """Of the task, as it was handed over; empty for a control task."""
        ...

    @property
    def attempt(self) -> int:
        """1 at first."""
        ...

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Of the job, as they were checked when it was submitted."""
        ...

    @property
    def left_bytes(self) -> int | None:
        """Of the job's budget, when this attempt began; None: it has none.

        For a task that reads much by itself: the ledger looks at budgets when tasks have ended. It ends well then with
        what it has done, and tells in `read_bytes` that it has read more than this: that stops the job.
        """
        ...

    @property
    def scratch(self) -> Path:
        """An empty folder of this attempt; it is removed afterwards."""
        ...

    def progress(self, share: float, message: str = "") -> None:
        """Tell how much is done, 0 to 1; cheap, so call it often, as between blocks.

        Raises Cancelled when the job has been cancelled, or the task been given to somebody else.
        """
        ...

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        """Add a line to the job's log."""
        ...

    def hand_over(self, stage: str, tasks: Iterable[NewTask]) -> int:
        """Give tasks to a later stage, any number of them; they count when this attempt ends well. How many."""
        ...

    def previous(self, stage: str) -> Iterable[Mapping[str, Any]]:
        """What the done tasks of an earlier stage have returned, in the order of the tasks."""
        ...
