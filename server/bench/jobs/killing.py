"""Processes are killed while tasks run, and started again: one that works, the orchestrator, dask's scheduler, the
database.

Lost are tasks that are not done; wrong are effects that are not what they are to be; doubled are tasks of which two
attempts were at work at the same time. An attempt that had ended, and of which nobody knew, is made again: that is
what at least once means, and no fault.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from prismcube.errors import CatalogueUnavailable
from prismcube.jobs.entities import NewJob, Task
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState
from server.bench.figures import Figure
from server.bench.jobs.line import running
from server.bench.jobs.own_postgres import PostgresServer
from server.bench.jobs.tasks import LINES, MANY, Sign, effect_of, lines
from server.bench.waiting import PATIENCE, NotMeasured, wait_until

POSTGRESQL = "PostgreSQL"

MOST_SECONDS = 10.0
"""Until work goes on: the bar."""

MOST_SECONDS_OF_SCHEDULER = 30.0
"""The same when dask's scheduler was killed: its workers end with it, and are started anew as well."""

WORKER_AT, ORCHESTRATOR_AT, SCHEDULER_AT, DATABASE_AT = 0.2, 0.5, 0.75, 0.5
"""Shares of the tasks that are done when they are killed."""


@dataclass(frozen=True, kw_only=True)
class Kills:
    """Who was killed, and how long it took until work went on."""

    worker: int
    worker_seconds: float
    """Until the task that it had begun was done by another."""
    orchestrator: int
    orchestrator_seconds: float
    """Until any task ended that was begun by a process which had done none before."""
    scheduler: int | None = None
    """Where dask's workers work."""
    scheduler_seconds: float | None = None
    """As for the orchestrator."""


def figures(
    url: str,
    database: str,
    *,
    tasks: int,
    task_seconds: float,
    folder: Path,
    processes: int = 2,
    dask: bool = False,
    tick: Callable[[int], None],
) -> tuple[list[Figure], Kills]:
    """Run a job of so many tasks; `folder` is empty, for effects and scratch."""
    effects = folder / "effects"
    effects.mkdir(parents=True)
    inputs = {"tasks": tasks, "seconds": task_seconds, "folder": str(effects)}
    with running(url, folder / "scratch", processes=processes, dask=dask) as (ledger, line):
        begun = time.monotonic()
        id = ledger.submit(NewJob(process=MANY, inputs=inputs))[0].id
        watch = _Watch(effects, tick)

        def wait_for(share: float) -> None:
            watch.until_ended(share * tasks)
            if (job := ledger.get(id)).finished is not None:
                told = f"the job was {job.status} before all could be killed ({job.message}); it needs more tasks"
                raise NotMeasured(told)

        wait_for(WORKER_AT)
        worker, worker_seconds = _kill_worker(watch, dask=dask)
        wait_for(ORCHESTRATOR_AT)
        orchestrator, orchestrator_seconds = _kill("orchestrator", line.pid(), watch)
        scheduler, scheduler_seconds = None, None
        if dask:
            wait_for(SCHEDULER_AT)
            scheduler, scheduler_seconds = _kill("scheduler", line.scheduler_pid(), watch)
        patience = PATIENCE + 10 * tasks * task_seconds
        wait_until(
            lambda: watch.look() and ledger.get(id).finished is not None,
            "the job did not end",
            every=0.05,
            seconds=patience,
        )
        taken = time.monotonic() - begun
        if line.pid() == orchestrator:
            raise NotMeasured("the orchestrator that was killed leads")
        if scheduler is not None and line.scheduler_pid() == scheduler:
            raise NotMeasured("the scheduler that was killed runs")
        found = [*_judged(ledger, id, effects, database, tasks)]
    kills = Kills(
        worker=worker,
        worker_seconds=worker_seconds,
        orchestrator=orchestrator,
        orchestrator_seconds=orchestrator_seconds,
        scheduler=scheduler,
        scheduler_seconds=scheduler_seconds,
    )
    return [
        *_goes_on(kills, database),
        *found,
        Figure(name=f"all {tasks:,} tasks", database=database, unit="s", value=taken),
    ], kills


def figures_of_database(
    *, tasks: int, task_seconds: float, folder: Path, tick: Callable[[int], None]
) -> tuple[list[Figure], int]:
    """The same of a PostgreSQL server of our own, and its process that was killed; it is started again at once.

    Raises NotMeasured where none is installed.
    """
    effects = folder / "effects"
    effects.mkdir(parents=True)
    inputs = {"tasks": tasks, "seconds": task_seconds, "folder": str(effects)}
    server = PostgresServer()
    try:
        with running(server.database(), folder / "scratch", processes=2) as (ledger, _):
            id = ledger.submit(NewJob(process=MANY, inputs=inputs))[0].id
            watch = _Watch(effects, tick)
            watch.until_ended(DATABASE_AT * tasks)
            victim = server.pid
            server.kill()
            killed = time.monotonic()
            server.start_again()
            answers = time.monotonic() - killed
            wait_until(lambda: _done(ledger, id) >= 0, "the database does not answer")
            before = _done(ledger, id)
            wait_until(lambda: _done(ledger, id) > before >= 0, "no task was recorded as done")
            goes_on = time.monotonic() - killed
            wait_until(
                lambda: watch.look() and ledger.get(id).finished is not None,
                "the job did not end",
                every=0.05,
                seconds=PATIENCE + 10 * tasks * task_seconds,
            )
            found = [*_judged(ledger, id, effects, POSTGRESQL, tasks)]
    finally:
        server.stop()
    name = "database killed: work goes on after"
    return [
        Figure(name=name, database=POSTGRESQL, unit="s", value=goes_on, bar=MOST_SECONDS),
        Figure(name="of it until the database answers", database=POSTGRESQL, unit="s", value=answers),
        *found,
    ], victim


def _done(ledger: Ledger, id: str) -> int:
    """Tasks that are recorded as done; less than any while the database does not answer."""
    try:
        return ledger.get(id).done
    except CatalogueUnavailable:
        return -1


def _goes_on(kills: Kills, database: str) -> Iterator[Figure]:
    seconds = {
        "worker": (kills.worker_seconds, MOST_SECONDS),
        "orchestrator": (kills.orchestrator_seconds, MOST_SECONDS),
        "scheduler": (kills.scheduler_seconds, MOST_SECONDS_OF_SCHEDULER),
    }
    for name, (value, bar) in seconds.items():
        if value is not None:
            yield Figure(name=f"{name} killed: work goes on after", database=database, unit="s", value=value, bar=bar)


class _Watch:
    """What attempts tell while they run."""

    def __init__(self, folder: Path, tick: Callable[[int], None]) -> None:
        self._folder = folder
        self._tick = tick
        self._told = 0

    def lines(self) -> list[Sign]:
        return lines(self._folder)

    def look(self) -> bool:
        """Tell how many tasks more have ended; always true."""
        ended = len({one.number for one in self.lines() if one.what == "end"})
        self._tick(ended - self._told)
        self._told = ended
        return True

    def until_ended(self, number: float) -> None:
        wait_until(lambda: self.look() and self._told >= number, f"no {number:g} tasks ended", every=0.02)

    def until(self, is_so: Callable[[Sign], bool], told: str) -> None:
        wait_until(lambda: any(map(is_so, self.lines())), told)


def _kill_worker(watch: _Watch, *, dask: bool) -> tuple[int, float]:
    """Kill the process that has begun the last task, while it works on it; of dask, the worker whose child it is."""
    last = watch.lines()[-1].time
    watch.until(lambda one: one.what == "begin" and one.time > last, "no task began")
    lost = next(one for one in reversed(watch.lines()) if one.what == "begin")
    victim = psutil.Process(lost.pid).ppid() if dask else lost.pid
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    watch.until(
        lambda one: one.what == "end" and one.number == lost.number, "the task of the killed process was not done again"
    )
    return victim, time.monotonic() - killed


def _kill(what: str, pid: int | None, watch: _Watch) -> tuple[int, float]:
    if pid is None:
        raise NotMeasured(f"there is no {what} that could be killed")
    known = {one.pid for one in watch.lines()}
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    watch.until(lambda one: one.what == "end" and one.pid not in known, f"no task ended after the {what}'s end")
    return pid, time.monotonic() - killed


def _judged(ledger: Ledger, id: str, folder: Path, database: str, tasks: int) -> Iterator[Figure]:
    found = [one for one in _tasks(ledger, id) if one.stage == "work"]
    job, told = ledger.get(id), lines(folder)
    done = [one for one in found if one.state is TaskState.DONE]
    wrong = [n for n in range(tasks) if _read(folder / f"effect-{n}") != str(effect_of(n))]
    results = [one for one in done if (one.result or {}).get("effect") != effect_of(int(one.payload["n"]))]
    others = {path.name for path in folder.iterdir()} - {LINES, *(f"effect-{n}" for n in range(tasks))}
    ends = [one.number for one in told if one.what == "end"]
    counts = {
        "tasks lost": tasks - len(done) + (job.status is not Status.SUCCESSFUL),
        "effects wrong": len(wrong) + len(results) + len(others),
        "tasks with two attempts at once": len(at_once(told)),
        "attempts charged": sum(one.failures for one in found),
    }
    for name, value in counts.items():
        yield Figure(name=name, database=database, unit="errors", value=value, bar=0)
    again = len(ends) - len(set(ends))
    yield Figure(name="tasks done again, with the same effect", database=database, unit="tasks", value=again)


def _tasks(ledger: Ledger, id: str) -> Iterator[Task]:
    after = 0
    while page := ledger.tasks(id, after=after, limit=1_000):
        yield from page
        after = page[-1].id


def at_once(told: Sequence[Sign]) -> set[int]:
    """Tasks of which an attempt ended after a later one had begun."""
    begun: dict[int, dict[int, float]] = {}
    found = set()
    for one in told:
        if one.what == "begin":
            begun.setdefault(one.number, {})[one.attempt] = one.time
    for one in told:
        later = (time for attempt, time in begun.get(one.number, {}).items() if attempt > one.attempt)
        if one.what == "end" and any(time < one.time for time in later):
            found.add(one.number)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
