"""One attempt of a task, from within: what runs in the process that an engine keeps for it.

execute(order) ── Attempt(order)   what the body is given (`prismcube.model.work.Work`)
               ── body(attempt)    the task itself
               -> Outcome          whatever the body returns or raises
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from prismcube.catalogue.bulk import CHUNK, insert_rows, insert_with_ids
from prismcube.catalogue.job_tables import edge, job, task
from prismcube.errors import (
    Cancelled,
    CatalogueUnavailable,
    NotYet,
    Overloaded,
    PrismcubeError,
    StorageFull,
    TemporaryFailure,
)
from prismcube.jobs import moves
from prismcube.jobs.entities import End, Order, Outcome
from prismcube.jobs.ledger import Ledger
from prismcube.model.task_states import TaskState, beginning
from prismcube.model.work import LogLevel, NewTask, Work

LOG = logging.getLogger("prismcube.jobs")

EVERY_SECONDS = 1.0
"""Between two writings of progress; each is a transaction."""

MESSAGE = 1_000
"""Characters of an error that are kept."""

Body = Callable[[Work], Mapping[str, Any]]
"""A task's work; what it returns is kept as its result."""

OURS = select(task.c.id).where(
    task.c.id == bindparam("task"),
    task.c.attempt == bindparam("attempt"),
    task.c.owner == bindparam("owner"),
    task.c.state == TaskState.RUNNING.value,
)
TELL = (
    update(task)
    .where(
        task.c.id == bindparam("task"),
        task.c.attempt == bindparam("number"),
        task.c.owner == bindparam("me"),
        task.c.state == TaskState.RUNNING.value,
    )
    .values(progress=bindparam("share"), message=bindparam("told"))
)
STOPPING = select(job.c.stopping).where(job.c.id == bindparam("job"))
RESULTS = (
    select(task.c.id, task.c.result)
    .where(
        task.c.job_id == bindparam("job"),
        task.c.stage == bindparam("stage"),
        task.c.state == TaskState.DONE.value,
        task.c.id > bindparam("after"),
    )
    .order_by(task.c.id)
    .limit(CHUNK)
)


def execute(order: Order, ledger: Ledger, bodies: Mapping[str, Body], scratch: Path) -> Outcome:
    """Carry out an attempt; never raises. `scratch` is its folder, made when it is needed."""
    attempt = Attempt(order, ledger, scratch)
    try:
        attempt.check()
        body = bodies.get(order.kind)
        if body is None:
            return _ended(order, End.FAILED, f"no process here knows tasks of the kind {order.kind!r}")
        result = dict(body(attempt))
    except Cancelled:
        return _ended(order, End.CANCELLED, "cancelled")
    except (CatalogueUnavailable, NotYet) as error:
        return _ended(order, End.DISTURBED, str(error))
    except (TemporaryFailure, Overloaded, StorageFull) as error:
        return _ended(order, End.TEMPORARY, str(error))
    except PrismcubeError as error:
        return _ended(order, End.FAILED, str(error))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return _ended(order, End.TEMPORARY, f"no room left on the disk: {error}" if full else _told(error))
    except Exception as error:  # a mistake of ours; nothing may end the process that works for others too
        LOG.exception("task %d (%s) of job %s failed", order.task, order.kind, order.job)
        return _ended(order, End.TEMPORARY, _told(error))
    finally:
        shutil.rmtree(attempt.folder, ignore_errors=True)
    told = str(result.pop("message", ""))[:MESSAGE]
    return Outcome(task=order.task, attempt=order.attempt, end=End.DONE, result=result, message=told)


class Attempt:
    """What the body of a task is given."""

    def __init__(self, order: Order, ledger: Ledger, folder: Path) -> None:
        self._order = order
        self._ledger = ledger
        self.folder = folder
        self._last = 0.0
        self._handed: set[str] = set()

    @property
    def job(self) -> str:
        return self._order.job

    @property
    def task(self) -> int:
        return self._order.task

    @property
    def name(self) -> str:
        return self._order.name

    @property
    def attempt(self) -> int:
        return self._order.attempt

    @property
    def inputs(self) -> Mapping[str, Any]:
        return self._order.inputs

    @property
    def left_bytes(self) -> int | None:
        return self._order.left_bytes

    @property
    def payload(self) -> Mapping[str, Any]:
        return self._order.payload

    @property
    def scratch(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    def check(self) -> None:
        """Raises Cancelled when nobody wants this attempt any more."""
        with self._ledger.read() as connection:
            self._check(connection)

    def progress(self, share: float, message: str = "") -> None:
        now = time.monotonic()
        if now - self._last < EVERY_SECONDS:
            return
        self._last = now
        values = {
            "task": self.task,
            "number": self.attempt,
            "me": self._order.owner,
            "share": min(max(share, 0.0), 1.0),
            "told": message[:MESSAGE],
        }
        with self._ledger.write() as connection:
            if not connection.execute(TELL, values).rowcount or connection.scalar(STOPPING, {"job": self.job}):
                raise Cancelled(f"task {self.task} is no longer wanted")

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        with self._ledger.write() as connection:
            now, stage = datetime.now(UTC), self._order.stage
            moves.log(connection, self.job, now, message, stage=stage, level=level, task_id=self.task)

    def hand_over(self, stage: str, tasks: Iterable[NewTask]) -> int:
        if stage in self._handed:
            raise ValueError(f"tasks were handed over to {stage!r} already")
        self._handed.add(stage)
        ids: dict[str, int] = {}
        for some in batched(tasks, CHUNK):
            with self._ledger.write() as connection:
                self._check(connection, keep=True)
                self._insert(connection, stage, some, ids)
        return len(ids)

    def previous(self, stage: str) -> Iterator[Mapping[str, Any]]:
        after = 0
        while True:
            with self._ledger.read() as connection:
                rows = connection.execute(RESULTS, {"job": self.job, "stage": stage, "after": after}).all()
            for row in rows:
                yield row.result or {}  # nothing is kept of a task that has nothing to tell
            if len(rows) < CHUNK:
                return
            after = rows[-1].id

    def _check(self, connection: Connection, *, keep: bool = False) -> None:
        """Raises Cancelled; with `keep`, nobody else gets the task before this transaction ends."""
        values = {"task": self.task, "attempt": self.attempt, "owner": self._order.owner}
        query = OURS.with_for_update() if keep else OURS
        if connection.execute(query, values).first() is None or connection.scalar(STOPPING, {"job": self.job}):
            raise Cancelled(f"task {self.task} is no longer wanted")

    def _insert(self, connection: Connection, stage: str, tasks: Iterable[NewTask], ids: dict[str, int]) -> None:
        rows, edges = [], []
        common = moves.new_task(self.job, stage, "", {}) | {"maker": self.task}
        for one in tasks:
            if one.name in ids:
                raise ValueError(f"two tasks of the stage {stage!r} are called {one.name!r}")
            ids[one.name] = 0  # until it is stored
            row = {**common, "name": one.name, "payload": dict(one.payload), "bytes": one.bytes}
            if one.after:
                row["state"], row["waits"] = beginning(len(one.after)).value, len(one.after)
                edges += [(parent, one.name) for parent in one.after]
            rows.append(row)
        ids.update(zip((row["name"] for row in rows), insert_with_ids(connection, task, rows), strict=True))
        for parent, child in edges:
            if parent not in ids:
                raise ValueError(f"{child!r} waits for {parent!r}, which was not handed over before it")
        insert_rows(connection, edge, [{"parent": ids[parent], "child": ids[child]} for parent, child in edges])


def _ended(order: Order, end: End, message: str) -> Outcome:
    return Outcome(task=order.task, attempt=order.attempt, end=end, message=message[:MESSAGE])


def _told(error: Exception) -> str:
    """An error that nobody foresaw: its kind, its text, and where it came up."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (in {Path(place.filename).name}, line {place.lineno})"
