"""Jobs that are measured: one has many small tasks, one has nothing to do, one never asks whether it is wanted.

Each attempt of a small task tells in a file when it began and when it ended; its effect is a file of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prismcube.catalogue.engine import create_engine
from prismcube.jobs.attempt import Body
from prismcube.jobs.definitions import Definition
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Event, Machine, Stage, Status, simple_machine
from prismcube.model.work import NewTask, Work

MANY, NOTHING, DEAF = "bench-many", "bench-nothing", "bench-deaf"
"""The processes."""

PREPARE, WORK = "bench.prepare", "bench.work"
"""Kinds of the tasks of the first one."""

MACHINE = Machine(
    (
        Stage(
            name="prepare",
            meaning="It makes tasks.",
            status=Status.RUNNING,
            task=PREPARE,
            moves={Event.DONE: "work", Event.FAILED: "failed", Event.CANCEL: "cancelled"},
        ),
        Stage(
            name="work",
            meaning="It works.",
            status=Status.RUNNING,
            task=WORK,
            fans_out=True,
            moves={Event.DONE: "done", Event.FAILED: "failed", Event.CANCEL: "cancelled"},
        ),
        Stage(name="done", meaning="All is done.", status=Status.SUCCESSFUL),
        Stage(name="failed", meaning="Some tasks failed.", status=Status.FAILED, moves={Event.RETRY: "work"}),
        Stage(name="cancelled", meaning="Given up.", status=Status.DISMISSED),
    )
)

DEFINITIONS: Mapping[str, Definition] = {
    MANY: Definition(machine=MACHINE),
    NOTHING: Definition(machine=simple_machine(NOTHING, meaning="It does nothing.")),
    DEAF: Definition(machine=simple_machine(DEAF, meaning="It sleeps, and never asks whether it is wanted.")),
}

LINES = "lines.txt"
"""In the folder of the effects."""


@dataclass(frozen=True, kw_only=True)
class Sign:
    """An attempt has begun or ended."""

    what: str
    """`begin` or `end`."""
    number: int
    """Of the task, from 0."""
    attempt: int
    pid: int
    time: float
    """Seconds of the machine's clock since it was started."""


def new_tasks(number: int) -> Iterator[NewTask]:
    """Those of a job with so many."""
    return (NewTask(name=f"t{n}", payload={"n": n}) for n in range(number))


def prepare(work: Work) -> Mapping[str, Any]:
    """Makes `tasks` tasks that sleep for `seconds` each and leave their effect in `folder`."""
    return {"made": work.hand_over("work", new_tasks(int(work.inputs["tasks"])))}


def leave_effect(work: Work) -> Mapping[str, Any]:
    """What may be done twice has its effect once: a file that is put in its place whole."""
    number, folder = int(work.payload["n"]), Path(work.inputs["folder"])
    _tell(folder, f"begin {number} {work.attempt}")
    time.sleep(float(work.inputs["seconds"]))
    aside = work.scratch / "effect"
    aside.write_text(str(effect_of(number)))
    aside.replace(folder / f"effect-{number}")
    _tell(folder, f"end {number} {work.attempt}")
    return {"effect": effect_of(number)}


def effect_of(number: int) -> int:
    """What a task's file is to say."""
    return number**2


def lines(folder: Path) -> list[Sign]:
    """What attempts have told so far."""
    try:
        written = (folder / LINES).read_text()
    except FileNotFoundError:
        return []
    found = []
    for one in written.splitlines():
        what, number, attempt, pid, told = one.split()
        found.append(Sign(what=what, number=int(number), attempt=int(attempt), pid=int(pid), time=float(told)))
    return found


def _tell(folder: Path, what: str) -> None:
    """In one write, so that lines of several processes never mix."""
    with (folder / LINES).open("ab", buffering=0) as file:
        file.write(f"{what} {os.getpid()} {time.monotonic():.6f}\n".encode())


def nothing(work: Work) -> Mapping[str, Any]:
    """The smallest task there is."""
    return {}


def sleep(work: Work) -> Mapping[str, Any]:
    """Tells in `file` which process it is, and sleeps for `seconds`."""
    aside = work.scratch / "pid"
    aside.write_text(str(os.getpid()))
    aside.replace(work.inputs["file"])
    time.sleep(float(work.inputs["seconds"]))
    return {}


BODIES: Mapping[str, Body] = {PREPARE: prepare, WORK: leave_effect, NOTHING: nothing, DEAF: sleep}


def open_ledger(url: str) -> Ledger:
    """The ledger of a database, for these jobs."""
    return Ledger(create_engine(url), DEFINITIONS)


def runtime(url: str) -> tuple[Ledger, Mapping[str, Body]]:
    """What a process has that executes them."""
    return open_ledger(url), BODIES
