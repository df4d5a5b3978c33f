"""The orchestrator: claims tasks from the ledger, gives them to an engine, and records what comes back.

One leads at a time; others wait for its lease to end, or see that it is dead. Everything that it knows is in the
ledger: when it is killed, the next one makes the tasks that it held ready again. A cycle takes milliseconds, so that
leases are renewed in time:

    lead ── record what has ended ── tend (limits, delays, stopped jobs) ── let go of what is no longer ours ── claim
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from prismcube.errors import CatalogueUnavailable
from prismcube.jobs.claims import Claims
from prismcube.jobs.engine import Engine
from prismcube.jobs.entities import End, Order, Outcome
from prismcube.jobs.identity import identity
from prismcube.jobs.leader import NotLeader
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.wake import Wake

LOG = logging.getLogger("prismcube.jobs")

RENEW_SECONDS = 1.0
"""Between two signs of life; a lease is `leader.LEASE_SECONDS`."""

TEND_SECONDS = 0.5
"""Between two looks at limits, delays, and jobs that are being stopped."""

AGAIN_SECONDS = 0.5
"""After the database did not answer."""

LEAST_WAIT, LONGEST_WAIT = 0.05, 0.5
"""Between two cycles, unless something happens."""

BATCH = 500
"""Tasks that are claimed in one transaction at most."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How many tasks of a kind may be under way at once; what an engine holds back, the ledger keeps."""

    by_kind: Mapping[str, int]
    default: int = 1_000

    def of(self, kind: str) -> int:
        return self.by_kind.get(kind, self.default)


class Orchestrator:
    """Runs until it is stopped; made in the process that it runs in."""

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        *,
        windows: Windows,
        every_second: Callable[[], None] = lambda: None,
        alive: Callable[[], None] = lambda: None,
        name: str = "",
    ) -> None:
        """`every_second` is called about once a second while it leads: callbacks, the removal of old jobs.

        `alive` is called at least once a second, whether it leads, waits or has no database.
        """
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._process = identity()
        self._claims = Claims(ledger, self.name)
        self._terms = 1
        self._ledger = ledger
        self._engine = engine
        self._windows = windows
        self._every_second = every_second
        self._alive = alive
        self._stop = threading.Event()
        self._leads = False
        self._renewed = self._tended = float("-inf")
        self._kinds: dict[tuple[int, int], str] = {}
        self._ended: list[Outcome] = []

    @property
    def leads(self) -> bool:
        """It may change what is in the ledger, and is not to end."""
        return self._leads and not self._stop.is_set()

    def stop(self) -> None:
        """Let `run` come to its end; from any thread, or from a handler of signals."""
        self._stop.set()

    def run(self) -> None:
        """Work until it is stopped; then what has not ended is given back, for the next one to do."""
        with Wake(self._ledger.engine) as wake:
            self._engine.start(wake.set)
            try:
                while not self._stop.is_set():
                    self._alive()
                    try:
                        wake.wait(self.cycle())
                    except NotLeader:
                        self._step_down()
                    except (CatalogueUnavailable, SQLAlchemyError) as error:
                        LOG.warning("the ledger does not answer, trying again: %s", error)
                        self._stop.wait(AGAIN_SECONDS)
            finally:
                self._engine.close()
                self._give_back()

    def cycle(self) -> float:
        """One round; how long the next may wait unless something happens. Raises NotLeader."""
        now = time.monotonic()
        if now - self._renewed >= RENEW_SECONDS and not self._lead(now):
            return RENEW_SECONDS
        self._ended += self._engine.finished()
        if self._ended:
            self._claims.finish(self._ended)
            for outcome in self._ended:
                self._kinds.pop((outcome.task, outcome.attempt), None)
            self._ended = []
        if now - self._tended >= TEND_SECONDS:
            self._tended = now
            self._claims.tend()
            self._let_go()
        return LEAST_WAIT if self._claim() else LONGEST_WAIT

    def _lead(self, now: float) -> bool:
        leads = self._claims.lead({"name": self.name, "process": self._process, **self._engine.about()})
        if not leads:
            if self._leads:
                self._step_down()
            return False
        self._renewed = now
        if not self._leads:
            lost = self._claims.take_over()
            LOG.info("%s claims tasks from now on; %d were under way elsewhere and are done again", self.name, lost)
            self._leads = True
        self._every_second()
        return True

    def _claim(self) -> bool:
        """True when something was claimed."""
        under_way = Counter(self._kinds.values())
        claimed = False
        for kind in sorted(self._ledger.backlog(), key=lambda kind: (under_way[kind], kind)):
            limit = min(self._windows.of(kind) - under_way[kind], self._engine.room(kind), BATCH)
            for order in self._claims.claim(kind, limit) if limit > 0 else ():
                self._submit(order)
                claimed = True
        return claimed

    def _submit(self, order: Order) -> None:
        self._kinds[order.task, order.attempt] = order.kind
        self._engine.submit(order)

    def _let_go(self) -> None:
        """Stop attempts whose job is cancelled, or that were taken from us; give back what we never came to know of."""
        held, under_way = self._claims.held(), self._engine.attempts()
        for task, attempt in under_way:
            if held.get((task, attempt), True):
                self._engine.cancel(task, attempt)
        message = "the database did not say that it was claimed"  # killed after the commit, before the answer
        for task, attempt in held.keys() - self._kinds.keys() - under_way:
            self._ended.append(Outcome(task=task, attempt=attempt, end=End.DISTURBED, message=message))

    def _step_down(self) -> None:
        """Another leads, or may: what runs here counts no more.

        It leads under another name the next time, also when nobody has led meanwhile: what it held is then taken over
        as from anybody else, and what its engine still tells of that does not count.
        """
        LOG.warning("the lease has ended, or another orchestrator has taken over; %s waits", self.name)
        self._terms += 1
        self._claims = Claims(self._ledger, f"{self.name}-{self._terms}")
        self._leads, self._renewed = False, float("-inf")
        for task, attempt in self._engine.attempts():
            self._engine.cancel(task, attempt)
        self._kinds.clear()
        self._ended = []

    def _give_back(self) -> None:
        """Leave what has not ended to the next one, at once and at no cost."""
        message = "its orchestrator was stopped"
        for task, attempt in self._kinds:
            self._ended.append(Outcome(task=task, attempt=attempt, end=End.DISTURBED, message=message))
        try:
            self._claims.finish(self._ended)
            self._claims.resign()
        except NotLeader:
            pass  # the next one has them already
        except (CatalogueUnavailable, SQLAlchemyError) as error:
            LOG.warning("the lease could not be given back, and will end by itself: %s", error)

    def about(self) -> Mapping[str, Any]:
        """What it tells of itself."""
        return {"name": self.name, "leads": self._leads, **self._engine.about()}
