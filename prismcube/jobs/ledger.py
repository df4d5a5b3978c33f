"""The ledger as people and the API see it: jobs are submitted, watched, retried, continued, cancelled and removed.

Nothing is executed here: whoever calls only reads and writes rows. Of a job only its own row is touched, however many
tasks it has.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.exc import IntegrityError

from prismcube.catalogue.engine import PooledSession
from prismcube.catalogue.job_tables import job, job_document, job_log, task
from prismcube.errors import Conflict, NotFound, UnreadableRow
from prismcube.jobs import moves
from prismcube.jobs import statements as sql
from prismcube.jobs.aside import check_can_go_on
from prismcube.jobs.definitions import Definitions, machine_of
from prismcube.jobs.entities import Job, LogLine, NewJob, Task, WholeJob
from prismcube.jobs.job_filter import JobFilter
from prismcube.jobs.readable import DOCUMENTS, JOBS, LINES, TASKS, unreadable
from prismcube.jobs.rows import job_of, line_of, results_of, task_of, whole_job_of
from prismcube.model.machine import GIVEN_UP, Event, Machine, Status
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel

Key = tuple[Any, ...]

BACKLOG = (
    select(job.c.work, func.sum(job.c.open).label("number"))
    .where(job.c.work > "", job.c.work != moves.STOPPING)
    .group_by(job.c.work)
)
"""Not `!= ""`: so the index passes over all jobs that have ended."""


class Ledger:
    """Jobs and tasks in the catalogue's database. Safe to share between threads, not forks."""

    def __init__(self, engine: Engine, definitions: Definitions) -> None:
        """`engine` is the catalogue's; `definitions` are those of the processes that may be submitted."""
        self.engine = engine
        self.definitions = definitions
        self._session = PooledSession(engine, turns=False)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction of the ledger."""
        with self._session.write() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the ledger."""
        with self._session.read() as connection:
            yield connection

    def submit(self, wanted: NewJob, *, now: datetime | None = None) -> tuple[Job, bool]:
        """Store a job; with an idempotency key that its owner has used before, the job of that time instead.

        Returns the job, and whether it is new. Raises NotFound for an unknown process, Conflict when the key was used
        for something else.
        """
        machine = self._machine_for(wanted.process)
        now, id = now or datetime.now(UTC), str(uuid.uuid4())
        first = machine.first
        row = {
            "id": id,
            "process": wanted.process,
            "owner": wanted.owner,
            "key": wanted.key,
            "rank": -wanted.priority,
            "level": wanted.level.value,
            "stage": first.name,
            "status": Status.ACCEPTED.value,
            "work": "",
            "paused": False,
            "stopping": "",
            "message": "",
            "created": now,
            "updated": now,
            "tasks": 0,
            "open": 0,
            "failed": 0,
            "done": 0,
            "bytes": 0,
            "most_bytes": wanted.most_bytes,
            "seconds": wanted.seconds,
        }
        document = {"job_id": id, "inputs": dict(wanted.inputs), "request": dict(wanted.request), "results": {}}
        try:
            with self._session.write() as connection:
                connection.execute(insert(job), row)
                connection.execute(insert(job_document), document)
                stored = moves.lock(connection, [id])[id]
                moves.log(connection, id, now, "submitted", stage=first.name)
                moves.enter(connection, stored, machine, first, now, status=Status.ACCEPTED)
                return _one(connection, id), True
        except IntegrityError:
            before = self.submitted_before(wanted)
            if before is None:
                raise
            return before, False

    def submitted_before(self, wanted: NewJob) -> Job | None:
        """The job that the owner submitted with the same idempotency key, if any: to be asked before inputs are checked
        against the catalogue, which that job may have changed.

        Raises Conflict when the key was used for something else.
        """
        if wanted.key is None:
            return None
        with self._session.read() as connection:
            found = JOBS.read(connection, select(job).where(job.c.owner == wanted.owner, job.c.key == wanted.key))
            if not found:
                return None
            row, documents = found[0], _documents(connection, found[0].id)
        if _asked(row, documents) != _asked_by(wanted):
            raise Conflict("idempotency key", wanted.key, f"was used for another request, of job {row.id}")
        return job_of(row)

    def of_key(self, owner: str, key: str) -> WholeJob | None:
        """The job that the owner submitted with this idempotency key, if any. Raises UnreadableRow."""
        with self._session.read() as connection:
            id = connection.scalar(select(job.c.id).where(job.c.owner == owner, job.c.key == key))
            return None if id is None else _whole(connection, id)

    def get(self, id: str) -> Job:
        """Raises NotFound."""
        with self._session.read() as connection:
            return _one(connection, id)

    def whole(self, id: str) -> WholeJob:
        """As `get`, with what may be large. Raises NotFound, UnreadableRow."""
        with self._session.read() as connection:
            return _whole(connection, id)

    def results(self, id: str) -> Mapping[str, Any]:
        """A job's outputs by their ids; empty while it has none, where nobody can read them, and without such a job."""
        with self._session.read() as connection:
            return results_of(connection, id)

    def machine(self, one: Job) -> Machine:
        """Of a job, also of one whose process is known no more."""
        return machine_of(self.definitions, one)

    def jobs(
        self,
        wanted: JobFilter | None = None,
        *,
        after: Key | None = None,
        limit: int = 100,
        now: datetime | None = None,
    ) -> list[Job]:
        """A page of jobs, the newest first; `after` is the `key` of the last one of the page before."""
        query = select(job).where(*(wanted or JobFilter()).conditions(now or datetime.now(UTC)))
        if after is not None:
            created, id = _place(after)
            query = query.where(or_(job.c.created < created, and_(job.c.created == created, job.c.id < id)))
        query = query.order_by(job.c.created.desc(), job.c.id.desc()).limit(limit)
        with self._session.read() as connection:
            return [job_of(row) for row in JOBS.read(connection, query)]

    @staticmethod
    def key(one: Job) -> Key:
        """What the page after this job begins after: its instant, None for one that can't be read, and its id."""
        return None if "created" in one.unreadable else one.created, one.id

    def tasks(
        self,
        id: str,
        *,
        states: Sequence[TaskState] = (),
        stage: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[Task]:
        """A page of a job's tasks, by id. Raises NotFound."""
        query = select(task).where(task.c.job_id == id, task.c.id > after).order_by(task.c.id).limit(limit)
        if states:
            query = query.where(task.c.state.in_([state.value for state in states]))
        if stage is not None:
            query = query.where(task.c.stage == stage)
        with self._session.read() as connection:
            _one(connection, id)
            return [task_of(row) for row in TASKS.read(connection, query)]

    def log(
        self,
        id: str,
        *,
        least: LogLevel = LogLevel.INFO,
        after: int = 0,
        before: int | None = None,
        newest: bool = False,
        limit: int = 100,
    ) -> list[LogLine]:
        """A page of a job's log, oldest first: of the lines between `after` and `before` the first ones, or the last.

        Raises NotFound.
        """
        levels = [level.value for level in [*LogLevel][[*LogLevel].index(least) :]]
        query = select(job_log).where(job_log.c.job_id == id, job_log.c.id > after, job_log.c.level.in_(levels))
        if before is not None:
            query = query.where(job_log.c.id < before)
        query = query.order_by(job_log.c.id.desc() if newest else job_log.c.id).limit(limit)
        with self._session.read() as connection:
            _one(connection, id)
            found = [line_of(row) for row in LINES.read(connection, query)]
        return found[::-1] if newest else found

    def running(self, id: str) -> float:
        """What the running tasks of a job's stage have done, in tasks."""
        wanted = (task.c.job_id, task.c.stage, task.c.progress)
        running = select(*wanted).where(sql.IS_RUNNING)  # of all jobs: some hundreds
        with self._session.read() as connection:
            stage = _one(connection, id).stage
            shares = [row.progress for row in connection.execute(running) if (row.job_id, row.stage) == (id, stage)]
        return float(sum(shares))

    def retry(self, id: str, *, force: bool = False, now: datetime | None = None) -> Job:
        """Try again what failed; with `force`, also what has not ended, wherever it runs.

        What is done is not done again. Raises NotFound, Conflict when there is nothing to retry.
        """
        now = now or datetime.now(UTC)
        with self._locked(id) as (connection, row, machine):
            check_can_go_on(row)
            stage = machine.stage(row.stage)
            target = machine.after(row.stage, Event.RETRY)
            if target is None and not (force and stage.task and not row.paused):
                raise Conflict("job", id, f"is {row.status} in the stage {row.stage!r}: there is nothing to retry")
            target = target or stage
            for statement in (sql.RETRY_IN_TURN, sql.RETRY, *((sql.FORCE,) if force else ())):
                connection.execute(statement, {"of": id, "within": target.name})
            deadline = None if row.seconds is None else now + timedelta(seconds=row.seconds)
            moves.change(connection, id, now, deadline=deadline, bytes=0)  # what it may take, it may take again
            moves.log(connection, id, now, "retried by force" if force else "retried", stage=target.name)
            moves.enter(connection, row, machine, target, now)
            return _one(connection, id)

    def resume(self, id: str, *, now: datetime | None = None) -> Job:
        """Let a job go on that waits for a person. Raises NotFound, Conflict when it does not wait."""
        now = now or datetime.now(UTC)
        with self._locked(id) as (connection, row, machine):
            check_can_go_on(row)
            stage = machine.stage(row.stage)
            if not row.paused or not stage.task:
                raise Conflict("job", id, f"is {row.status} in the stage {row.stage!r}: it waits for nobody")
            moves.change(connection, id, now, paused=False, work=stage.task, message=stage.meaning)
            moves.log(connection, id, now, "continued", stage=row.stage)
            moves.notify(connection)
            return _one(connection, id)

    def cancel(self, id: str, *, now: datetime | None = None) -> Job:
        """Stop a job, and take back what it has begun where its machine says so.

        To cancel twice is to cancel once. Raises NotFound, Conflict when the job has ended.
        """
        now = now or datetime.now(UTC)
        with self._locked(id, stopping=True) as (connection, row, machine):
            target = machine.after(row.stage, Event.CANCEL)
            is_unknown = target == GIVEN_UP
            if row.status == Status.DISMISSED.value and not (is_unknown and row.stopping != GIVEN_UP.name):
                return job_of(row)
            if target is None:
                raise Conflict("job", id, f"is {row.status} in the stage {row.stage!r}: it can't be cancelled")
            moves.stop(connection, row, target, now, status=Status.DISMISSED, message="cancelled by a person")
            return _one(connection, id)

    def delete(self, id: str) -> Job:
        """Remove a job that has ended, with its tasks and its log; the job as it was.

        Raises NotFound, Conflict while something of it may still run, or is to be taken back.
        """
        with self._locked(id) as (connection, row, machine):
            has_cancel = machine.after(row.stage, Event.CANCEL) is not None
            works = row.stopping or (row.work and machine.stage(row.stage).task)
            if not Status(row.status).is_final or works or has_cancel:
                first = "cancel it first, so that what it has begun is taken back" if has_cancel else "wait for it"
                raise Conflict("job", id, f"has not ended; {first}")
            connection.execute(delete(job).where(job.c.id == id))
            return job_of(row)

    def ended(self, before: datetime, *, after: Key | None = None, limit: int = 100) -> list[Job]:
        """A page of jobs that ended before this time, the oldest first; none that rest until a person comes."""
        old = select(job).where(
            job.c.status.in_([Status.SUCCESSFUL.value, Status.DISMISSED.value]),
            job.c.work == "",
            job.c.finished < before,
        )
        if after is not None:
            created, id = _place(after)
            old = old.where(or_(job.c.created > created, and_(job.c.created == created, job.c.id > id)))
        with self._session.read() as connection:
            return [job_of(row) for row in JOBS.read(connection, old.order_by(job.c.created, job.c.id).limit(limit))]

    def backlog(self) -> dict[str, int]:
        """How many tasks of each kind could be claimed at once, or are running: what workers are scaled by."""
        with self._session.read() as connection:
            return {row.work: int(row.number) for row in connection.execute(BACKLOG)}

    def statuses(self) -> dict[Status, int]:
        """How many jobs there are in each."""
        counted = select(job.c.status, func.count().label("number")).group_by(job.c.status)
        with self._session.read() as connection:
            found = {row.status: int(row.number) for row in connection.execute(counted)}
        return {status: found.get(status.value, 0) for status in Status}

    @contextmanager
    def _locked(self, id: str, *, stopping: bool = False) -> Iterator[tuple[Connection, Any, Machine]]:
        """A job that nobody else changes; one that is being stopped only where that is said."""
        with self._session.write() as connection:
            row = moves.lock(connection, [id]).get(id)
            if row is None:
                raise NotFound("job", id)
            if row.stopping and not stopping:
                raise Conflict("job", id, "is being stopped; wait until nothing of it runs any more")
            yield connection, row, self.machine(job_of(row))

    def _machine_for(self, process: str) -> Machine:
        if process not in self.definitions:
            raise NotFound("process", process)
        return self.definitions[process].machine


def _place(after: Key) -> Key:
    """Where a page begins; by the row itself where nobody can read its instant."""
    created, id = after
    return select(job.c.created).where(job.c.id == id).scalar_subquery() if created is None else created, id


def _asked(row: Any, documents: Any) -> tuple[Any, ...]:
    """What a job was asked to do, and within which limits; not by which of our names (`base`) it was asked."""
    request = {name: value for name, value in documents.request.items() if name != "base"}
    return row.process, documents.inputs, request, row.rank, row.level, row.most_bytes, row.seconds


def _asked_by(wanted: NewJob) -> tuple[Any, ...]:
    inputs, request = json.loads(json.dumps([dict(wanted.inputs), dict(wanted.request)]))
    request.pop("base", None)
    level, limits = wanted.level.value, (wanted.most_bytes, wanted.seconds)
    return wanted.process, inputs, request, -wanted.priority, level, *limits


def _one(connection: Connection, id: str) -> Job:
    return job_of(_row(connection, id))


def _whole(connection: Connection, id: str) -> WholeJob:
    return whole_job_of(_row(connection, id), _documents(connection, id))


def _row(connection: Connection, id: str) -> Any:
    for row in JOBS.read(connection, select(job).where(job.c.id == id)):
        return row
    raise NotFound("job", id)


def _documents(connection: Connection, id: str) -> Any:
    for row in DOCUMENTS.read(connection, select(job_document).where(job_document.c.job_id == id)):
        if reasons := unreadable(row):
            raise UnreadableRow("job_document", id, ", ".join(f"{name}: {why}" for name, why in reasons.items()))
        return row
    raise NotFound("job", id)
