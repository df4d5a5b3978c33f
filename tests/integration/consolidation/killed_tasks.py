"""A process that executes tasks, and is killed at one point of one kind of task, once.

begin     nothing of the task is done
publish   a file is about to be renamed to its name
commit    a transaction of the catalogue is about to be committed
end       all is done, and nobody knows
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event

from prismcube.catalogue import Catalogue
from prismcube.jobs.attempt import Body
from prismcube.jobs.definitions import Definition
from prismcube.jobs.entities import NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.work import Work
from processes import consolidate, delete_datasets
from processes.tools import Tools

PROCESSES = (consolidate.PROCESS, delete_datasets.PROCESS)
DEFINITIONS = {one.id: Definition(machine=one.machine) for one in PROCESSES}
POINTS = ("begin", "publish", "commit", "end")


def runtime(url: str, managed: str, order: str) -> tuple[Ledger, Mapping[str, Body]]:
    """`order` is a file: while it is there, its text `kind point` says where this process is killed."""
    catalogue = Catalogue(url, managed=managed)
    # Of its own engine: what the ledger commits is none of the points of a task.
    ledger = Ledger(Catalogue(url).engine, DEFINITIONS)

    def submit(process: str, inputs: Mapping[str, Any], *, key: str) -> str:
        return ledger.submit(NewJob(process=process, inputs=inputs, key=key))[0].id

    tools = Tools(catalogue=catalogue, submit=submit, threads=1, grace=0)
    bodies: dict[str, Body] = {}
    for process in PROCESSES:
        for kind, body in process.bodies.items():
            bodies[kind] = partial(_run, kind, body, tools, Path(order))
    return ledger, bodies


def _run(kind: str, body: Callable[..., Any], tools: Tools, order: Path, work: Work) -> Mapping[str, Any]:
    wanted, _, point = order.read_text().partition(" ") if order.exists() else ("", "", "")
    if kind != wanted:
        return dict(body(tools, work, work.payload))
    kill = partial(_kill, order)
    if point == "begin":
        kill()
    with (
        _before_commits(tools.catalogue, kill if point == "commit" else None),
        _before_renames(kill if point == "publish" else None),
    ):
        result = dict(body(tools, work, work.payload))
    if point == "end":
        kill()
    return result


def _kill(order: Path, *_: Any) -> None:
    """Once: the order is taken, and who took it is told."""
    os.replace(order, order.with_suffix(f".{os.getpid()}"))
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def _before_commits(catalogue: Catalogue, call: Callable[..., None] | None) -> Iterator[None]:
    if call is None:
        yield
        return
    event.listen(catalogue.engine, "commit", call)
    try:
        yield
    finally:
        event.remove(catalogue.engine, "commit", call)


@contextmanager
def _before_renames(call: Callable[..., None] | None) -> Iterator[None]:
    rename = os.rename
    if call is not None:
        os.rename = lambda *names, **more: (call(), rename(*names, **more))[1]  # type: ignore[assignment]
    try:
        yield
    finally:
        os.rename = rename
