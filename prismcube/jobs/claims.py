"""The ledger as its orchestrator sees it: tasks are claimed, their results recorded, jobs moved on.

Each call is one transaction, which counts only while the caller leads. What comes of an attempt is recorded with all
that follows: the tasks that waited for it, the counts of its job, the job's next stage and that stage's tasks.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from prismcube.catalogue.job_tables import task
from prismcube.errors import UnreadableRow
from prismcube.jobs import moves
from prismcube.jobs import statements as sql
from prismcube.jobs.aside import hindrance, put_aside, put_hindered_aside, put_unclaimable_aside
from prismcube.jobs.decisions import Past, Verdict, judge, moved
from prismcube.jobs.definitions import known_machine, machine_of
from prismcube.jobs.entities import Order, Outcome
from prismcube.jobs.leader import LEASE_SECONDS, bury, check, renew, resign
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.readable import object_of, reading
from prismcube.jobs.rows import job_of, results_of
from prismcube.jobs.stalled import EVERY, STALLED, bad_tasks, count_anew, free, goes_on, put_right
from prismcube.model.machine import GIVEN_UP, Machine, Status
from prismcube.model.task_states import TaskEvent, TaskState, after
from prismcube.model.work import LogLevel

LOG = logging.getLogger("prismcube.jobs")


class Claims:
    """The ledger for the orchestrator `me`; raises NotLeader when another has taken over."""

    def __init__(self, ledger: Ledger, me: str) -> None:
        self._ledger = ledger
        self._definitions = ledger.definitions
        self.me = me
        self._looked: datetime | None = None

    def lead(self, about: Mapping[str, Any], *, seconds: float = LEASE_SECONDS) -> bool:
        """Take the lead, or keep it, for so long; False while another holds it."""
        with self._ledger.write() as connection:
            taken = renew(connection, self.me, about, seconds=seconds)
            return taken or (bury(connection) and renew(connection, self.me, about, seconds=seconds))

    def resign(self) -> None:
        """Let another take over at once."""
        with self._ledger.write() as connection:
            resign(connection, self.me)

    def claim(self, kind: str, limit: int, *, now: datetime | None = None) -> list[Order]:
        """At most so many tasks of a kind, which are running from now on: jobs by priority and age, tasks by id."""
        now = now or datetime.now(UTC)
        try:
            return self._claim(kind, limit, now)
        except UnreadableRow as error:  # nothing is claimed: the jobs that it is of must not hold up others
            with self._leading() as connection:
                if not put_unclaimable_aside(connection, self._definitions, kind, limit, now):
                    LOG.error("no task of the kind %s can be claimed: %s", kind, error)  # says it all
                    return []
        try:
            return self._claim(kind, limit, now)
        except UnreadableRow:  # further ones, behind those: in the next cycle, for the lease is short
            return []

    def _claim(self, kind: str, limit: int, now: datetime) -> list[Order]:
        """Raises UnreadableRow."""
        with self._leading() as connection:
            found = connection.execute(sql.CLAIMABLE[connection.dialect.name], {"kind": kind, "limit": limit})
            with reading("task"):
                rows = found.all()
            if not rows:
                return []
            connection.execute(sql.CLAIM, {"ids": _list([id for id, *_ in rows]), "me": self.me, "now": now})
            again: dict[tuple[str, str], list[int]] = defaultdict(list)
            for id, attempt, job_id, stage, *_ in rows:
                if attempt:
                    again[job_id, stage].append(id)
            for (job_id, stage), some in again.items():  # what attempts have handed over that did not end well
                connection.execute(sql.HANDED_OVER, {"job": job_id, "stage": stage, "ids": some})
            ids = sorted({job_id for _, _, job_id, *_ in rows})
            found = connection.execute(sql.JOBS_OF, {"ids": ids})
            with reading("job"):
                jobs = {row.id: row for row in found}
                left = {id: _left_bytes(row) for id, row in jobs.items()}
            self._begin(connection, [id for id, row in jobs.items() if row.status == Status.ACCEPTED.value], now)
            inputs = {id: object_of("job_document", id, row.inputs or {}) for id, row in jobs.items()}
            with reading("task"):
                return [
                    Order(
                        task=id,
                        attempt=attempt + 1,
                        owner=self.me,
                        job=job_id,
                        kind=kind,
                        stage=stage,
                        name=name,
                        payload=object_of("task", id, payload),
                        inputs=inputs[job_id],
                        left_bytes=left[job_id],
                    )
                    for id, attempt, job_id, stage, name, payload in rows
                ]

    def finish(self, outcomes: Iterable[Outcome], *, now: datetime | None = None) -> int:
        """Record what came of attempts, and all that follows; those that are no longer ours do not count. How many."""
        now = now or datetime.now(UTC)
        came = {outcome.task: outcome for outcome in outcomes}
        if not came:
            return 0
        ids = _list(sorted(came))
        with self._leading() as connection:
            # Only when nobody else changes these jobs any more: a person may just now take a task away (forced retry).
            jobs = moves.lock(connection, connection.scalars(sql.JOBS_BY_TASKS, {"ids": ids}))
            put_hindered_aside(connection, self._definitions, jobs.values(), now)
            found = connection.execute(sql.MINE, {"ids": ids, "me": self.me})
            rows = [row for row in found if row.attempt == came[row.id].attempt]
            verdicts = []
            for row in rows:
                definition = self._definitions.get(jobs[row.job_id].process)
                attempts = definition.attempts if definition else 1
                verdicts.append(judge(came[row.id], _past(row), attempts=attempts, now=now))
            self._record(connection, jobs, rows, verdicts, came, now)
            return len(rows)

    def take_over(self, *, now: datetime | None = None) -> int:
        """Make the tasks of orchestrators that are gone ready again. How many."""
        now = now or datetime.now(UTC)
        with self._leading() as connection:
            others = sql.RUNNING.where(task.c.owner != self.me)
            jobs = moves.lock(connection, [row.job_id for row in connection.execute(others)])
            rows = connection.execute(others).all()  # as they are when nobody else changes their jobs any more
            verdicts = [moved(row.id, _past(row)) for row in rows]
            self._record(connection, jobs, rows, verdicts, {}, now)
            again = {verdict.task for verdict in verdicts if verdict.state is TaskState.READY}
            for id, number in Counter(row.job_id for row in rows if row.id in again).items():
                if jobs[id].stopping:
                    continue
                message = f"{number:,} of its tasks begin again: the process that gave them out is gone"
                moves.log(connection, id, now, message, stage=jobs[id].stage, level=LogLevel.WARNING)
            return len(rows)

    def held(self) -> dict[tuple[int, int], bool]:
        """The attempts that are ours by (task, attempt), and whether their job is being stopped."""
        with self._ledger.read() as connection:
            rows = connection.execute(sql.RUNNING.where(task.c.owner == self.me))
            return {(row.id, row.attempt): bool(row.stopping) for row in rows}

    def tend(self, *, now: datetime | None = None) -> None:
        """What time brings: delayed tasks become ready, jobs reach their limits, stopped ones move on."""
        now = now or datetime.now(UTC)
        with self._ledger.read() as connection:
            stopping = [row.id for row in connection.execute(sql.STOPPING)]
            late = [*connection.scalars(sql.LATE, {"now": now})]
            stalled = self._stalled(connection, now)
        with self._leading() as connection:
            connection.execute(sql.WAKE, {"now": now})
            rows = moves.lock(connection, late).values()
            for row in put_hindered_aside(connection, self._definitions, rows, now):
                self._limit(connection, row, now)
            self._move_stopped(connection, stopping, now)
            self._repair(connection, stalled, now)

    @contextmanager
    def _leading(self) -> Iterator[Connection]:
        with self._ledger.write() as connection:
            check(connection, self.me)
            yield connection

    def _begin(self, connection: Connection, ids: Sequence[str], now: datetime) -> None:
        for row in moves.lock(connection, ids).values():
            if row.status != Status.ACCEPTED.value:  # cancelled meanwhile
                continue
            if reason := hindrance(row):
                raise UnreadableRow("job", row.id, reason)
            deadline = None if row.seconds is None else now + timedelta(seconds=row.seconds)
            moves.change(connection, row.id, now, status=Status.RUNNING.value, started=now, deadline=deadline)
            machine = machine_of(self._definitions, job_of(row))
            moves.tell(connection, row.id, machine, Status.RUNNING, now)

    def _record(
        self,
        connection: Connection,
        jobs: Mapping[str, Any],
        rows: Sequence[Any],
        verdicts: Sequence[Verdict],
        came: Mapping[int, Outcome],
        now: datetime,
    ) -> None:
        """Write what becomes of tasks whose jobs are locked, and move those jobs on that have none left."""
        job_of = {row.id: row.job_id for row in rows}
        done = [verdict for verdict in verdicts if verdict.state is TaskState.DONE]
        others = [verdict for verdict in verdicts if verdict.state is not TaskState.DONE]
        good, bad, read = Counter[str](), Counter[str](), Counter[str]()
        results: dict[str, dict[str, Any]] = defaultdict(dict)
        bare = [one.task for one in done if not came[one.task].result and not came[one.task].message]
        if bare:
            connection.execute(sql.DONE_BARELY, {"ids": _list(bare), "now": now})
        if len(bare) < len(done):
            kept = {one.task for one in done}.difference(bare)
            values = [_done_values(came[id], now) for id in sorted(kept)]
            connection.execute(sql.DONE, values)
        good.update(job_of[one.task] for one in done)
        for one in done:
            if result := came[one.task].result:
                read[job_of[one.task]] += int(result.get("read_bytes", 0))
                results[job_of[one.task]].update(result.get("outputs") or {})
        told = {job_of[one.task]: message for one in done if (message := came[one.task].message)}
        if others:
            connection.execute(sql.NOT_DONE, [_other_values(one, now) for one in others])
        for one in others:
            if one.state.is_bad:
                bad[job_of[one.task]] += 1
            if one.state is not TaskState.CANCELLED and one.message:
                self._log(connection, jobs, rows, one, now)
        self._free_children(connection, [one.task for one in done])
        fallen = [one.task for one in others if one.state.is_bad]
        bad.update(self._fell_with(connection, fallen, now))
        counts: list[dict[str, Any]] = [
            {"one": id, "ended": good[id] + bad[id], "bad": bad[id], "good": good[id], "read": read[id], "now": now}
            for id in sorted({*good, *bad})
        ]
        if counts:
            connection.execute(sql.COUNT, counts)
        for id, outputs in results.items():
            if outputs:
                connection.execute(sql.NEW_RESULTS, {"one": id, "all": {**results_of(connection, id), **outputs}})
        self._move_on(connection, [one["one"] for one in counts], now, told)

    def _log(
        self, connection: Connection, jobs: Mapping[str, Any], rows: Sequence[Any], verdict: Verdict, now: datetime
    ) -> None:
        id, stage, name = next((row.job_id, row.stage, row.name) for row in rows if row.id == verdict.task)
        again = "" if verdict.state.is_bad else "; it is tried again"
        level = LogLevel.ERROR if verdict.state.is_bad else LogLevel.WARNING
        told = verdict.message if name == stage else f"{name}: {verdict.message}"
        moves.log(connection, id, now, told + again, stage=stage, level=level, task_id=verdict.task)

    def _free_children(self, connection: Connection, ids: Sequence[int]) -> None:
        found = connection.execute(sql.CHILDREN, {"ids": _list(ids)}).all() if ids else []
        if found:
            connection.execute(sql.LESS_TO_WAIT_FOR, [{"one": row.child, "number": row.number} for row in found])

    def _fell_with(self, connection: Connection, ids: Sequence[int], now: datetime) -> Counter[str]:
        """Cancel the tasks that waited for some that will never be done, and those that waited for these."""
        fallen, to = Counter[str](), after(TaskState.WAITING, TaskEvent.BEREFT).value
        while ids:
            rows = connection.execute(sql.BEREFT, {"ids": _list(ids)}).all()
            message, none = "what it waits for has failed", {"faults": 0, "lost": 0, "left": 0}
            values = [{"one": row.id, "to": to, "until": None, "ended": now, "told": message, **none} for row in rows]
            if values:
                connection.execute(sql.NOT_DONE, values)
            fallen.update(row.job_id for row in rows)
            ids = [row.id for row in rows]
        return fallen

    def _move_on(self, connection: Connection, ids: Sequence[str], now: datetime, told: Mapping[str, str]) -> None:
        """Jobs that are locked by this transaction, after their tasks have ended; `told`: what those say, by job."""
        rows = moves.lock(connection, ids)
        self._move_stopped(connection, [id for id, row in rows.items() if row.stopping], now)
        for row in rows.values():
            machine = known_machine(self._definitions, row.process, row.stage)
            if row.stopping or not row.work or machine is None or not machine.stage(row.stage).task:
                continue
            is_over = row.most_bytes is not None and row.bytes > row.most_bytes
            if is_over and row.status == Status.RUNNING.value:  # before it moves on to what may be its end
                self._limit(connection, row, now)
                continue
            if row.open > 0:
                continue
            if row.tasks > 1 and goes_on(connection, row):  # what has not ended would be left out for ever
                count_anew(connection, row, now)
                continue
            message = _why(connection, row) if row.failed else told.get(row.id, "")
            moves.settle(connection, row, machine, now, message=message)

    def _move_stopped(self, connection: Connection, ids: Sequence[str], now: datetime) -> None:
        if not ids:
            return
        running = set(connection.scalars(sql.STILL_RUNNING, {"ids": list(ids)}))
        for row in moves.lock(connection, set(ids) - running).values():
            machine = known_machine(self._definitions, row.process, row.stopping)
            if machine is None and row.stopping == GIVEN_UP.name:
                machine = Machine((GIVEN_UP,))
            if row.stopping and machine is not None:
                target, status = machine.stage(row.stopping), Status(row.status)
                moves.enter(connection, row, machine, target, now, message=row.message, status=status)

    def _stalled(self, connection: Connection, now: datetime) -> list[str]:
        """Jobs to be repaired, when it is time to look for them."""
        if self._looked is not None and abs(now - self._looked) < EVERY:
            return []
        self._looked = now
        machines = {id: one.machine for id, one in self._definitions.items()}
        kinds = {stage.task for machine in machines.values() for stage in machine.stages}
        return [*connection.scalars(STALLED, {"before": now - EVERY, "known": [*machines], "kinds": sorted(kinds)})]

    def _repair(self, connection: Connection, ids: Sequence[str], now: datetime) -> None:
        """Let jobs go on that stand still because of what their rows say."""
        if not ids:
            return
        rows = moves.lock(connection, ids).values()
        for row in put_hindered_aside(connection, self._definitions, rows, now):
            known = known_machine(self._definitions, row.process, row.stage)
            if known is None or not row.work or row.stopping:
                continue
            if put_right(connection, row, known.stage(row.stage), now) or goes_on(connection, row):
                continue
            freed = free(connection, row, now) + self._fell_with(connection, bad_tasks(connection, row), now).total()
            counted = count_anew(connection, row, now)
            if not counted and not freed and row.open:
                put_aside(connection, self._definitions, row, "its tasks wait for each other", now)
        self._move_on(connection, ids, now, {})

    def _limit(self, connection: Connection, row: Any, now: datetime) -> None:
        machine = known_machine(self._definitions, row.process, row.stage)
        if row.stopping or machine is None:
            return
        target = machine.rest_after(row.stage)
        if target is None:
            return
        if row.deadline is not None and row.deadline <= now:
            reason = "its time is over" if row.seconds is None else f"its {row.seconds:g} s are over"
        elif row.most_bytes is not None and row.bytes > row.most_bytes:
            reason = f"its tasks have read more than {row.most_bytes:,} bytes"
        else:  # a person has let it go on meanwhile
            return
        message = f"{reason}: it is stopped; what is done stays, and a retry goes on"
        moves.stop(connection, row, target, now, message=message)  # failed when it rests: then it can be retried


def _left_bytes(row: Any) -> int | None:
    return None if row.most_bytes is None else max(0, int(row.most_bytes) - int(row.bytes))


def _past(row: Any) -> Past:
    return Past(failures=_number(row.failures), losses=_number(row.losses), orphaned=_number(row.orphaned))


def _number(value: object) -> int:
    """A count of a task; one that can't be read begins anew."""
    return value if isinstance(value, int) else 0


def _list(ids: Sequence[int]) -> str:
    return json.dumps(ids)


def _why(connection: Connection, row: Any) -> str:
    """What people are told of a stage that failed: its first fault, and how many there were."""
    bad = (
        select(task.c.name, task.c.message)
        .where(
            task.c.job_id == row.id,
            task.c.stage == row.stage,
            task.c.state.in_([TaskState.FAILED.value, TaskState.PARKED.value]),
        )
        .order_by(task.c.id)
        .limit(1)
    )
    first = connection.execute(bad).first()
    if first is None:
        return "stopped"
    told = first.message if first.name == row.stage else f"{first.name}: {first.message}"
    return told if row.failed == 1 else f"{row.failed:,} of {row.tasks:,} tasks failed; the first: {told}"


def _done_values(outcome: Outcome, now: datetime) -> dict[str, Any]:
    result = dict(outcome.result)
    result.pop("outputs", None)
    read = int(result.pop("read_bytes", 0))
    return {"one": outcome.task, "now": now, "told": outcome.message, "came": result, "read": read}


def _other_values(verdict: Verdict, now: datetime) -> dict[str, Any]:
    return {
        "one": verdict.task,
        "to": verdict.state.value,
        "faults": verdict.past.failures,
        "lost": verdict.past.losses,
        "left": verdict.past.orphaned,
        "until": verdict.due,
        "ended": now if verdict.state.is_bad else None,
        "told": verdict.message,
    }
