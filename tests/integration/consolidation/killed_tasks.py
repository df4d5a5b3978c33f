"""What is killed at points that a test orders: processes that execute tasks, and the orchestrator.

begin     nothing of the task is done
publish   a file is about to be renamed to its name
commit    a transaction of the catalogue is about to be committed; of a task with several, each by its name in `DOES`
remove    a file is about to be removed
end       all is done, and nobody knows

What a test orders are files in a folder: `<kind> <point>` kills the process that is the first to come there, once;
`<kind> fails` lets tasks of this kind fail when all of them is done, as long as it lies there. Of an orchestrator,
`<process> <stage> <target> before` kills it just before the transaction is committed that moves a job from the stage to
the target, and `... after` when it has just been committed. An order may hold the name of a file whose first line is a
process: then that one is killed, with its children, and who came to the point goes on.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, event, select

from prismcube.catalogue import Catalogue
from prismcube.catalogue.job_tables import job
from prismcube.errors import InvalidInput
from prismcube.jobs.attempt import Body
from prismcube.jobs.definitions import Definition, Definitions
from prismcube.jobs.entities import NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.machines import CONSOLIDATE, DELETE_DATASETS, EXPORT_CUBE
from prismcube.model.work import Work
from processes import echo, loading, tidy, update_mapping

SIMPLE = {one.id: one for one in (echo.PROCESS, loading.INDEX, loading.REGISTER, tidy.PROCESS, update_mapping.PROCESS)}
"""Processes of one task."""
MACHINES = {
    "consolidate": CONSOLIDATE,
    "delete-datasets": DELETE_DATASETS,
    "export-cube": EXPORT_CUBE,
    **{id: one.machine for id, one in SIMPLE.items()},
}
DEFINITIONS = {id: Definition(machine=machine) for id, machine in MACHINES.items()}
DOES = {
    "consolidate.prepare": ("commit",),
    "consolidate.slab": ("publish",),
    "consolidate.index": ("commit",),
    "consolidate.swap": ("commit",),
    "consolidate.clean": ("commit",),
    "consolidate.rollback": ("commit", "remove"),
    "delete.prepare": ("commit",),
    "delete.mark": ("commit",),
    "delete.files": ("remove",),
    "delete.remove": ("commit",),
    "delete.remove-rest": ("commit",),
    "delete.rollback": ("commit",),
    "export.prepare": ("publish",),
    "export.part": ("publish",),
    "export.write": ("publish",),
    "export.clean": ("remove",),
    "export.rollback": ("remove",),
    "echo": (),
    "index": ("commit variables", "commit files", "commit collections"),
    "register": ("commit variables", "commit files", "commit collections"),
    "tidy": ("commit",),
    "update-mapping": ("commit",),
}
"""What tasks of each kind do that others see."""

PART_BYTES = 2 * 128 * 64 * 2
"""Of exported cubes: of their three dates, each as large as the two cells, two are in the first part."""

LIMIT = "bytes of a file"
"""An order whose text says how many."""

STAGES = select(job.c.id, job.c.process, job.c.stage)

Reach = Callable[[str], None]
"""Told of a point that a task has come to; does not return from where its process is killed."""


def points_of(kind: str) -> tuple[str, ...]:
    """On the way of a task."""
    return ("begin", *DOES[kind], "end")


def runtime(url: str, managed: str, orders: str) -> tuple[Ledger, Mapping[str, Body]]:
    """What a process that executes tasks has."""
    from prismcube.consolidation import export  # not on top: the orchestrator's program needs none of it
    from processes import consolidate, delete_datasets, export_cube
    from processes.tools import Tools

    export.PART_BYTES = PART_BYTES
    catalogue = Catalogue(url, managed=managed)
    # Of its own engine: what the ledger commits is none of the points of a task.
    ledger = Ledger(Catalogue(url).engine, DEFINITIONS)

    def submit(process: str, inputs: Mapping[str, Any], *, key: str) -> str:
        return ledger.submit(NewJob(process=process, inputs=inputs, key=key))[0].id

    tools = Tools(catalogue=catalogue, submit=submit, threads=1, grace=0)
    bodies: dict[str, Body] = {}
    for process in (consolidate.PROCESS, delete_datasets.PROCESS, export_cube.PROCESS, *SIMPLE.values()):
        for kind, body in process.bodies.items():
            bodies[kind] = partial(_run, kind, body, tools, Path(orders))
    return ledger, bodies


class KillingLedger(Ledger):
    """Of an orchestrator: looks in each of its transactions which jobs it moves."""

    def __init__(self, engine: Engine, definitions: Definitions, *, orders: Path) -> None:
        super().__init__(engine, definitions)
        self._orders = orders

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            before = {row.id: row.stage for row in connection.execute(STAGES)}
            yield connection
            moves = [
                f"{row.process} {before[row.id]} {row.stage}"
                for row in connection.execute(STAGES)
                if before.get(row.id, row.stage) != row.stage
            ]
            for move in moves:
                take(self._orders, f"{move} before")
        for move in moves:
            take(self._orders, f"{move} after")


def _run(kind: str, body: Callable[..., Any], tools: Any, orders: Path, work: Work) -> Mapping[str, Any]:
    reach = partial(_reach, orders, kind)
    reach("begin")
    with (
        _limited(orders),
        _commits(tools.catalogue, reach, _commits_of(kind)),
        _renames(tools.catalogue.managed, reach),
        _removals(reach),
    ):
        result = dict(body(tools, work, work.payload))
    reach("end")
    if (orders / f"{kind} fails").exists():
        raise InvalidInput("order", f"tasks of the kind {kind} are to fail")
    return result


def _reach(orders: Path, kind: str, point: str) -> None:
    """Note that a task comes to a point, and take the order to be killed there."""
    note(orders / "reached", f"{kind} {point}")
    take(orders, f"{kind} {point}")


def note(file: Path, line: str) -> None:
    """Add a line, by one write."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def take(orders: Path, order: str) -> None:
    """If it was ordered, tell who is killed, and kill: this process, or the one that the order names."""
    path = orders / order
    try:
        named = path.read_text()
        path.unlink()
    except FileNotFoundError:
        return
    victim = int(Path(named).read_text().split()[0]) if named else os.getpid()
    family = psutil.Process(victim).children(recursive=True) if named else []
    note(orders / "killed", f"{victim} {order}")
    for pid in (victim, *(child.pid for child in family)):
        with suppress(ProcessLookupError):  # a child that ended with its parent
            os.kill(pid, signal.SIGKILL)


@contextmanager
def _limited(orders: Path) -> Iterator[None]:
    """Files in our folder may be no longer than it is ordered, which the system tells much as it does a full disk."""
    from prismcube.consolidation import writing

    order, assemble = orders / LIMIT, writing.assemble

    def limited(*arguments: Any, **more: Any) -> None:
        former = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(order.read_text()), former[1]))
        try:
            assemble(*arguments, **more)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, former)

    if order.exists():
        writing.assemble = limited
    try:
        yield
    finally:
        writing.assemble = assemble


def _commits_of(kind: str) -> list[str]:
    return [point for point in DOES[kind] if point.startswith("commit")]


@contextmanager
def _commits(catalogue: Catalogue, reach: Reach, names: list[str]) -> Iterator[None]:
    """Each in turn by its name; those after the last of them have that name too."""
    left = iter(names)

    def before(_: object) -> None:
        reach(next(left, names[-1] if names else "commit"))

    event.listen(catalogue.engine, "commit", before)
    try:
        yield
    finally:
        event.remove(catalogue.engine, "commit", before)


@contextmanager
def _renames(managed: str | None, reach: Reach) -> Iterator[None]:
    """To names in our folder: libraries give files of their own their names as well."""
    from prismcube.storage.uri import gdal_path

    folder = Path(gdal_path(managed or ""))
    rename, replace = os.rename, os.replace

    def told(then: Callable[..., None], source: Any, target: Any, **more: Any) -> None:
        if Path(os.fsdecode(target)).is_relative_to(folder):
            reach("publish")
        then(source, target, **more)

    os.rename, os.replace = partial(told, rename), partial(told, replace)
    try:
        yield
    finally:
        os.rename, os.replace = rename, replace


@contextmanager
def _removals(reach: Reach) -> Iterator[None]:
    from prismcube.storage import store

    delete = store.delete

    def told(uri: str) -> None:
        reach("remove")
        delete(uri)

    store.delete = told
    try:
        yield
    finally:
        store.delete = delete
