"""State machines of jobs, as tables: which stages there are, what each means, and what comes after it.

A job is in one stage. What a stage does is done by tasks; when the last of them has ended, an event moves the job on:

    work stage      has tasks of one kind        done, failed            -> the next stage, made with the same commit
    resting stage   waits for a person           retry                   -> back to the work
    end             nothing comes after it

A person's `cancel` is an event of any stage that lists it. The machines themselves are values, one a process; tests
walk through all of their moves, and kill what works at each of their stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """What the standard tells of a job (OGC API - Processes - Part 1: Core, 18-062r2, clause 7.10, `statusCode`)."""

    ACCEPTED = "accepted"  # stored; nothing has begun
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"  # rests until a person retries or cancels it
    DISMISSED = "dismissed"  # given up by a person; what it had begun is or was taken back

    @property
    def is_final(self) -> bool:
        """Nothing goes on by itself any more."""
        return self in (Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED)


class Event(StrEnum):
    """What moves a job from stage to stage."""

    DONE = "done"  # every task of the stage is done
    FAILED = "failed"  # every task has ended, and at least one of them badly
    RETRY = "retry"  # a person wants what failed tried again
    CANCEL = "cancel"  # a person, or a limit, stops the job


class Level(StrEnum):
    """How often a job waits for a person's `continue`: each level has the pauses of those before it."""

    NONE = "none"  # never
    CRITICAL = "critical"  # before what can't be taken back
    MAJOR = "major"  # before what takes long
    ALL = "all"  # before every stage, but for the one that takes back what a job has done

    def pauses_at(self, stage: Level) -> bool:
        """True when a job of this level waits before a stage of that level."""
        order = list(Level)
        return self is not Level.NONE and stage is not Level.NONE and order.index(self) >= order.index(stage)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A row of a machine's table."""

    name: str
    meaning: str
    """What is true of a job in it; shown to people."""
    status: Status
    task: str = ""
    """The kind of its tasks; empty: there are none, and a person or nothing moves the job on."""
    fans_out: bool = False
    """Its tasks are those that an earlier stage handed over; else there is one, made when the job comes in."""
    pause: Level = Level.ALL
    """Of a work stage: which jobs wait before it."""
    moves: Mapping[Event, str] = field(default_factory=lambda: MappingProxyType({}))
    """The stage that each event leads to; an event that is not listed can't happen here."""

    @property
    def is_end(self) -> bool:
        return not self.moves


@dataclass(frozen=True)
class Machine:
    """The stages of a process's jobs."""

    stages: tuple[Stage, ...]
    """The first one is where a job begins."""

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"a stage is listed twice: {names}")
        for stage, event, target in self.walk():
            if target not in names:
                raise ValueError(f"{stage.name} moves to {target!r} by {event}, which is no stage")
        for stage in self.stages:
            if stage.task and not {Event.DONE, Event.FAILED} <= stage.moves.keys():
                raise ValueError(f"{stage.name} has tasks, but does not say what follows when they end")
            if not stage.task and {Event.DONE, Event.FAILED} & stage.moves.keys():
                raise ValueError(f"{stage.name} has no tasks that could end")
            if stage.is_end and not stage.status.is_final:
                raise ValueError(f"{stage.name} is an end that is still {stage.status}")
        if missing := set(names) - self._reachable():
            raise ValueError(f"no way leads to {', '.join(sorted(missing))}")

    @property
    def first(self) -> Stage:
        return self.stages[0]

    def stage(self, name: str) -> Stage:
        """Raises KeyError."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def after(self, name: str, event: Event) -> Stage | None:
        """Where the event leads from there; None: it can't happen."""
        target = self.stage(name).moves.get(event)
        return None if target is None else self.stage(target)

    def rest_after(self, name: str) -> Stage | None:
        """Where a job rests that is stopped there: past the work that would follow a failure; None: nowhere."""
        found = self.after(name, Event.FAILED)
        for _ in self.stages:  # not more often: a machine may lead round in a circle
            if found is None or not found.task:
                return found
            found = self.after(found.name, Event.FAILED)
        return None

    def ends_with(self, task: str) -> bool:
        """True for the kind of the one task that a job which goes well does last: its outputs are the job's."""
        return any(
            stage.task == task
            and not stage.fans_out
            and self.stage(stage.moves[Event.DONE]).status is Status.SUCCESSFUL
            for stage in self.stages
            if stage.task
        )

    def walk(self) -> Iterator[tuple[Stage, Event, str]]:
        """Every move of the table."""
        for stage in self.stages:
            for event, target in stage.moves.items():
                yield stage, event, target

    def _reachable(self) -> set[str]:
        found, open_ = {self.first.name}, [self.first]
        while open_:
            for target in open_.pop().moves.values():
                if target not in found:
                    found.add(target)
                    open_.append(self.stage(target))
        return found


GIVEN_UP = Stage(
    name="given-up",
    meaning="Given up by a person; nothing was taken back, since its process is not known here.",
    status=Status.DISMISSED,
)
"""Where a job ends that was cancelled when nobody knew its machine."""


def unknown_machine(process: str, stage: str, *, ended: Status | None = None) -> Machine:
    """The machine of a job whose process, or that stage of it, is known no more: to look at it, and to give it up.

    Nothing moves the job on. What has not `ended` can be cancelled, which takes nothing back.
    """
    meaning = f"The process {process!r}, or this stage of it, is not known here any more."
    if ended is not None:
        return Machine((Stage(name=stage, meaning=meaning, status=ended),))
    moves = {Event.CANCEL: GIVEN_UP.name}
    return Machine((Stage(name=stage, meaning=meaning, status=Status.RUNNING, moves=moves), GIVEN_UP))


def simple_machine(task: str, *, meaning: str) -> Machine:
    """The machine of a process that is one task: `work`, and how it can end."""
    return Machine(
        (
            Stage(
                name="work",
                meaning=meaning,
                status=Status.RUNNING,
                task=task,
                moves={Event.DONE: "done", Event.FAILED: "failed", Event.CANCEL: "cancelled"},
            ),
            Stage(name="done", meaning="All is done.", status=Status.SUCCESSFUL),
            Stage(
                name="failed",
                meaning="It did not go well; the message says why. It can be tried again.",
                status=Status.FAILED,
                moves={Event.RETRY: "work", Event.CANCEL: "cancelled"},
            ),
            Stage(name="cancelled", meaning="Given up by a person.", status=Status.DISMISSED),
        )
    )
