"""The dask engine: workers of an existing cluster of dask.distributed.

orchestrator's thread ── submit, cancel, finished ──> a thread with a loop of its own ── the cluster's scheduler
                                                      one future an attempt ── `dask_worker.carry_out` on a worker

The ledger is the queue: dask is given no more than it has threads for, so that it has nothing to plan and little to
lose. Its scheduler keeps nothing, and when it is restarted, all that was under way is given back at no cost. No attempt
is begun twice by dask itself, which would do so when a worker dies: the ledger decides that.

A task whose worker dies is lost, which is counted, for it may have killed it. It is not where the worker was to end: it
has told its scheduler before it went, or the pool that ends it has told us.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, SchedulerPlugin
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from prismcube.jobs.engines.child import Runtime
from prismcube.jobs.engines.dask_worker import TOLD_TO_END, carry_out
from prismcube.jobs.entities import End, Order, Outcome

LOG = logging.getLogger("prismcube.jobs")

PREFIX = "prismcube-"
"""Of the keys of our tasks."""

ANSWER_SECONDS = 5.0
"""Within which a scheduler must answer; else it is taken for lost."""

LOOK_SECONDS = 0.5
"""Between two looks at the cluster, and between two trials to reach it."""

DROP_SECONDS = 2.0
"""After which an attempt that is to be stopped, and that no worker has, is taken out of dask."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A worker of dask, as its scheduler sees it."""

    name: str
    threads: int
    resources: Mapping[str, float]
    keys: frozenset[str]
    """Of the tasks that it was given."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What is known of a cluster."""

    workers: tuple[Machine, ...] = ()
    connected: bool = False
    trouble: str = ""
    """Why it can't be reached."""

    @property
    def threads(self) -> int:
        return sum(worker.threads for worker in self.workers)

    def resource(self, name: str) -> int:
        """How many tasks that need it there is room for."""
        return sum(min(int(worker.resources.get(name, 0)), worker.threads) for worker in self.workers)

    @classmethod
    def of(cls, identity: Mapping[str, Any], processing: Mapping[str, Any]) -> Cluster:
        """From what a scheduler answers; workers that are being stopped count for nothing."""
        found = tuple(
            Machine(
                name=str(told["name"]),
                threads=int(told["nthreads"]),
                resources=told["resources"],
                keys=frozenset(str(key) for key in processing.get(address, ())),
            )
            for address, told in identity["workers"].items()
            if told["status"] == "running"
        )
        return cls(workers=found, connected=True)


@dataclass(kw_only=True)
class _Begun:
    order: Order
    since: float = field(default_factory=time.monotonic)


class OneTry(SchedulerPlugin):  # type: ignore[misc]  # dask's types are left out
    """Lets dask's scheduler give up on a task of ours when its worker dies, which it would else begin elsewhere."""

    name = "prismcube"
    idempotent = True

    async def start(self, scheduler: Any) -> None:
        self._scheduler = scheduler

    def transition(self, key: Any, start: str, finish: str, *args: Any, **more: Any) -> None:
        if finish == "processing" and str(key).startswith(PREFIX):
            self._scheduler.tasks[key].suspicious = self._scheduler.allowed_failures


class DaskEngine:
    """Executes attempts on a cluster."""

    def __init__(
        self, runtime: Runtime, *, scheduler: str, url: str, resources: Mapping[str, str] | None = None
    ) -> None:
        """`scheduler` is its address, `url` that of the ledger's database as workers reach it.

        `resources` says by kind of task which resource of a worker one of them takes; other kinds run anywhere.
        """
        self._runtime = pickle.dumps(runtime)
        self._address = scheduler
        self._url = url
        self._resources = resources or {}
        self._cluster = Cluster()
        self._begun: dict[tuple[int, int], _Begun] = {}
        self._unwanted: set[tuple[int, int]] = set()
        self._leaving: set[str] = set()
        self._ended: SimpleQueue[Outcome] = SimpleQueue()
        self._wake: Callable[[], None] = lambda: None
        # What follows is the loop's thread's own.
        self._loop: asyncio.AbstractEventLoop
        self._closing = asyncio.Event()
        self._client: Any = None
        self._futures: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, daemon=True, name="dask")

    # --- the engine, as the orchestrator's thread sees it ------------------------------------------------------------

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def room(self, kind: str) -> int:
        cluster = self._cluster
        room = cluster.threads - len(self._begun)
        resource = self._resources.get(kind)
        if resource is not None:
            kinds = [self._resources.get(begun.order.kind) for begun in self._begun.values()]
            room = min(room, cluster.resource(resource) - kinds.count(resource))
        return max(0, room)

    def submit(self, order: Order) -> None:
        self._begun[order.task, order.attempt] = _Begun(order=order)
        self._soon(lambda: self._follow(order))

    def finished(self) -> list[Outcome]:
        found: list[Outcome] = []
        while True:
            try:
                outcome = self._ended.get_nowait()
            except Empty:
                return found
            attempt = outcome.task, outcome.attempt
            del self._begun[attempt]
            self._unwanted.discard(attempt)
            found.append(outcome)

    def cancel(self, task: int, attempt: int) -> None:
        begun = self._begun.get((task, attempt))
        if begun is None or (task, attempt) in self._unwanted:
            return
        self._unwanted.add((task, attempt))
        # Its worker sees in the ledger that nobody wants it. It may have none.
        self._soon(lambda: self._drop(begun.order))

    def attempts(self) -> set[tuple[int, int]]:
        return set(self._begun)

    def about(self) -> Mapping[str, Any]:
        cluster = self._cluster
        told = {
            "engine": "dask",
            "scheduler": self._address,
            "connected": cluster.connected,
            "workers": len(cluster.workers),
            "threads": cluster.threads,
            "running": len(self._begun),
            "pid": os.getpid(),
        }
        return {**told, "trouble": cluster.trouble} if cluster.trouble else told

    def close(self) -> None:
        """What workers still execute they stop by themselves, once it is given back in the ledger."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended
                self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(2 * ANSWER_SECONDS)

    # --- for a pool of workers ---------------------------------------------------------------------------------------

    def costs(self) -> dict[str, float]:
        """What it costs to stop each worker, by name: the seconds that were spent on what it works on."""
        now = time.monotonic()
        spent = {_key(begun.order): now - begun.since for begun in [*self._begun.values()]}
        return {worker.name: sum(spent.get(key, 0.0) for key in worker.keys) for worker in self._cluster.workers}

    def expect(self, worker: str) -> None:
        """This worker is about to be stopped: what it works on is given back at no cost."""
        self._leaving.add(worker)

    # --- in the loop's thread ----------------------------------------------------------------------------------------

    def _soon(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        def begin() -> None:
            task = self._loop.create_task(make())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(begin)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._keep())
        except Exception:
            LOG.exception("the thread that talks to dask has ended")
            raise
        finally:
            self._cluster = Cluster(trouble="closed")
            self._loop.close()

    async def _keep(self) -> None:
        """Be connected, as long as nobody closes; each time to a scheduler that knows nothing of us."""
        while not self._closing.is_set():
            client = Client(self._address, asynchronous=True, timeout=ANSWER_SECONDS, set_as_default=False)
            trouble = "its scheduler is gone"
            try:
                await asyncio.wait_for(self._connect(client), 2 * ANSWER_SECONDS)
                await self._watch(client)
            except Exception as error:  # whatever it is: tell, and try again
                trouble = f"{type(error).__name__}: {error}"
            self._client = None
            if not self._closing.is_set():
                if self._cluster.trouble != trouble:
                    LOG.warning("dask at %s: %s; tasks wait", self._address, trouble)
                self._cluster = Cluster(trouble=trouble)
            await self._let_go()
            with suppress(Exception):  # it is broken anyway
                await asyncio.wait_for(client._close(fast=True), ANSWER_SECONDS)
            await self._pause(LOOK_SECONDS)

    async def _connect(self, client: Any) -> None:
        await client
        await client.register_plugin(OneTry())
        self._client = client

    async def _watch(self, client: Any) -> None:
        """Until the scheduler does not answer any more."""
        while not self._closing.is_set() and client.status == "running":
            identity = await asyncio.wait_for(client.scheduler.identity(n_workers=-1), ANSWER_SECONDS)
            processing = await asyncio.wait_for(client.processing(), ANSWER_SECONDS)
            before, self._cluster = self._cluster, Cluster.of(identity, processing)
            if not before.connected:
                LOG.info("dask at %s has %d workers", self._address, len(self._cluster.workers))
            if before.threads != self._cluster.threads:
                self._wake()
            await self._pause(LOOK_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _let_go(self) -> None:
        """All that is under way is lost to us."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, order: Order) -> None:
        """Hand an attempt to dask, and wait for its end."""
        try:
            outcome = await self._outcome(order)
        except asyncio.CancelledError:
            outcome = _ended(order, End.DISTURBED, "dask's scheduler is gone")
        attempt = order.task, order.attempt
        if attempt in self._unwanted and outcome.end in (End.LOST, End.DISTURBED) and self._client is not None:
            outcome = _ended(order, End.CANCELLED, "stopped")
        self._ended.put(outcome)
        self._wake()

    async def _outcome(self, order: Order) -> Outcome:
        client = self._client
        if client is None:
            return _ended(order, End.DISTURBED, "dask's scheduler is gone")
        resource = self._resources.get(order.kind)
        key = _key(order)
        try:
            future = self._futures[key] = client.submit(
                carry_out,
                order,
                runtime=self._runtime,
                url=self._url,
                key=key,
                resources={resource: 1} if resource else None,
                retries=0,
                pure=False,
            )
            came: Outcome = await future
            return came
        except FutureCancelledError as error:
            return _ended(order, End.DISTURBED, f"taken from dask: {error.reason}")
        except KilledWorker as error:
            worker = error.last_worker
            expected = worker.name in self._leaving or await _has_taken_leave(client, worker.address, key)
            word = "was stopped" if expected else "is gone"
            message = f"its worker {worker.name} ({worker.address}) {word}"
            return _ended(order, End.DISTURBED if expected else End.LOST, message)
        except Exception as error:  # the worker has other code than we, the order can't be sent, or the like
            LOG.warning("attempt %d of task %d was lost", order.attempt, order.task, exc_info=error)
            return _ended(order, End.LOST, f"{type(error).__name__}: {error}")
        finally:
            if (sent := self._futures.pop(key, None)) is not None:
                sent.release()

    async def _drop(self, order: Order) -> None:
        """Take an attempt out of dask that no worker has; one that has it ends it itself."""
        key = _key(order)
        while True:
            await asyncio.sleep(DROP_SECONDS)
            client, future = self._client, self._futures.get(key)
            if client is None or future is None:
                return
            with suppress(OSError, TimeoutError):  # the scheduler does not answer: the next round, or it is lost
                held = await asyncio.wait_for(client.processing(), ANSWER_SECONDS)
                if not any(key in keys for keys in held.values()):
                    await client.cancel([future], force=True)


async def _has_taken_leave(client: Any, worker: str, key: str) -> bool:
    """Whether a worker that has gone with a task had told its scheduler before, which still knows."""
    try:
        events = await asyncio.wait_for(client.get_events(worker), ANSWER_SECONDS)
    except Exception:  # whatever it is: the attempt has ended, and this must be told
        LOG.warning("dask can't tell how the worker %s has ended", worker, exc_info=True)
        return False
    return took_leave((event for _, event in events), key)


def took_leave(events: Iterable[Any], key: str) -> bool:
    """Whether a worker told that it would end before it went with a task, by what happened at its address in turn."""
    told = False
    for event in events:
        match event:
            case {"action": "add-worker"}:  # another one, at the address of the former
                told = False
            case {"action": "closing-worker", "reason": reason}:
                told = reason == TOLD_TO_END
            case {"action": "remove-worker", "processing-tasks": keys} if key in keys:
                return told  # what comes later, such as that the scheduler closes one it has given up, says nothing
    return False


def _key(order: Order) -> str:
    return f"{PREFIX}{order.task}-{order.attempt}-{order.owner}"


def _ended(order: Order, end: End, message: str) -> Outcome:
    return Outcome(task=order.task, attempt=order.attempt, end=end, message=message)
