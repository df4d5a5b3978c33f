"""Requests to stores, many at once but not too many: in all, to one host, and by the bytes that they bring.

    RequestPool.add ── waiting, by host ── running, in a thread ── finished: its bytes are held until `free`
                    hurry: before all others, whatever is held

What has arrived is held until somebody takes it, so what is asked for ahead must stop at some point. Who waits for a
request must not wait for bytes that others hold, who may wait themselves: he says `hurry`.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from weakref import WeakMethod


class State(Enum):
    """Of a request; from top to bottom."""

    WAITING = auto()
    RUNNING = auto()
    FINISHED = auto()
    """Its answer is held."""
    FREED = auto()
    """Nobody wants it any more; one that runs goes on to its end, for nobody."""


@dataclass(kw_only=True, eq=False)
class Request:
    """One request to a store."""

    host: str
    size: int
    """Bytes of the answer."""
    action: Callable[[], Any]
    """Makes the request and gives the answer."""
    tell: Callable[[Request], None]
    """Called when it is finished, in a thread of the pool; never when it was freed before."""
    takers: int = 1
    """Who want it; each calls `free` once."""
    answer: Any = None
    error: BaseException | None = None
    """What `action` raised."""
    state: State = field(default=State.WAITING, repr=False)
    holds: bool = False
    """Its bytes count."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a pool does at once."""

    requests: int = 64
    """In all."""
    requests_per_host: int = 48
    """Or bucket."""
    size: int = 128 * 2**20
    """Bytes under way or arrived and not taken, beside what somebody waits for; one request may have more alone."""


class RequestPool:
    """Threads that make requests; of any thread. They start with the first one; a forked process has its own."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begin()
        begin = WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def add(self, requests: Iterable[Request]) -> None:
        """Make these when there is room, those of one host in this order. Returns at once."""
        with self._lock:
            for request in requests:
                self._waiting.setdefault(request.host, deque()).append(request)
            self._start()

    def hurry(self, requests: Iterable[Request]) -> None:
        """Somebody waits for these now."""
        with self._lock:
            for request in requests:
                if request.state is State.WAITING:
                    self._urgent.setdefault(request.host, deque()).append(request)
            self._start()

    def free(self, requests: Iterable[Request]) -> None:
        """One of those who want these does not any more, or has taken the answers."""
        with self._lock:
            self._free(requests)
            self._start()

    def forget(self, requests: Iterable[Request]) -> None:
        """As `free`, at some later time: takes no lock, so that it may be called while an object is deleted."""
        self._forgotten.append(requests)

    @property
    def held(self) -> int:
        """Bytes under way or arrived and not taken."""
        return self._held

    def _begin(self) -> None:
        # Again in a forked process: nobody there will ever release the lock, and the threads are gone.
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[Request]] = OrderedDict()
        self._urgent: OrderedDict[str, deque[Request]] = OrderedDict()
        self._running: dict[str, int] = {}
        self._held = 0
        self._forgotten: deque[Iterable[Request]] = deque()
        self._threads = ThreadPoolExecutor(self._limits.requests, thread_name_prefix="storage")

    def _start(self) -> None:
        while self._forgotten:
            self._free(self._forgotten.popleft())
        while sum(self._running.values()) < self._limits.requests:
            request = self._next(self._urgent, self._fits_always) or self._next(self._waiting, self._fits)
            if request is None:
                return
            request.state, request.holds = State.RUNNING, True
            self._held += request.size
            self._running[request.host] = self._running.get(request.host, 0) + 1
            self._threads.submit(self._run, request)

    def _free(self, requests: Iterable[Request]) -> None:
        for request in requests:
            request.takers -= 1
            if request.takers:
                continue
            if request.state in (State.WAITING, State.FINISHED):
                self._let_go(request)
            request.state = State.FREED

    def _next(self, queues: OrderedDict[str, deque[Request]], fits: Callable[[Request], bool]) -> Request | None:
        """The first that may start, of the hosts in turn."""
        for host in list(queues):
            queue = queues[host]
            while queue and queue[0].state is not State.WAITING:  # freed, or started by the other queue
                queue.popleft()
            if not queue:
                del queues[host]
            elif self._running.get(host, 0) < self._limits.requests_per_host and fits(queue[0]):
                queues.move_to_end(host)
                return queue.popleft()
        return None

    def _fits(self, request: Request) -> bool:
        return self._held == 0 or self._held + request.size <= self._limits.size

    def _fits_always(self, request: Request) -> bool:
        return True

    def _run(self, request: Request) -> None:
        try:
            request.answer = request.action()
        except BaseException as error:
            # Whoever waits gets it, and must not wait for ever.
            request.error = error
        with self._lock:
            self._running[request.host] -= 1
            if not self._running[request.host]:
                del self._running[request.host]
            wanted = request.state is State.RUNNING
            if wanted:
                request.state = State.FINISHED
            else:
                self._let_go(request)
            self._start()
        if wanted:
            request.tell(request)

    def _let_go(self, request: Request) -> None:
        if request.holds:
            self._held -= request.size
            request.holds = False
        request.answer = None
