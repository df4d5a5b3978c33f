"""Calls clients back when their jobs come to a new state (OGC 18-062r2, requirements class callback).

    moves.tell ── row of job_callback ── send_due (about once a second) ── a sender each site: POST ─┬ 2xx: the row goes
                                                                                                     └ else: later again
A row that is sent is put off first: whoever sends it, nobody else does so at the same time, and a crash between the
POST and the removal of its row leads to a second POST, not to none. A site has one sender at a time, for a short turn:
those that don't answer hold up nobody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import bindparam, delete, func, select, update

from prismcube.catalogue.job_tables import job_callback
from prismcube.errors import CatalogueUnavailable, NotFound, UnreadableRow
from prismcube.jobs import moves
from prismcube.jobs.addresses import Addresses, NotAllowed, Target
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.readable import reading
from prismcube.jobs.results import ResultFiles, shown
from prismcube.model.work import LogLevel

LOG = logging.getLogger("prismcube.jobs")

ATTEMPTS = 8
FIRST_WAIT, FACTOR = 20.0, 4.0
"""Seconds before the second attempt, and how much longer each further wait is: eight attempts take 13.6 hours."""
LONGEST_WAIT = 6 * 3600.0
TIMEOUT = 10.0
"""Seconds that one attempt may take."""
SENDERS = 8
"""At once, each at another site."""
TURN = 1.0
"""Seconds after which a site that takes all that is due waits for its next turn, as others may."""
REMEMBERED = 3600.0
"""Seconds after which it is forgotten that a site took nothing."""

SITES = (
    select(job_callback.c.site)
    .where(job_callback.c.due <= bindparam("now", type_=job_callback.c.due.type))
    .group_by(job_callback.c.site)
    .order_by(func.min(job_callback.c.due))
)
_OURS = ("id", "job_id", "event", "url", "attempt")
NEXT = (
    select(*(job_callback.c[name] for name in _OURS))
    .where(
        job_callback.c.site == bindparam("site"),
        job_callback.c.due <= bindparam("now", type_=job_callback.c.due.type),
    )
    .order_by(job_callback.c.due, job_callback.c.id)
    .limit(1)
)
"""Without its content: one that can't be read would hold up all others of its site."""
CONTENT = select(job_callback.c.content).where(job_callback.c.id == bindparam("one"))
PUT_OFF = (
    update(job_callback)
    .where(job_callback.c.id == bindparam("one"), job_callback.c.attempt == bindparam("seen"))
    .values(attempt=bindparam("attempt_now"), due=bindparam("later", type_=job_callback.c.due.type))
)
GONE = delete(job_callback).where(job_callback.c.id == bindparam("one"))


class Refused(Exception):
    """The other side did not take it; says why."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


Post = Callable[[Target, bytes], None]
"""Sends a JSON document; raises Refused."""


class Sites:
    """Which sites have a sender, and which took nothing the last time. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: set[str] = set()
        self._refused: dict[str, float] = {}

    def in_turn(self, due: Sequence[str]) -> list[str]:
        """Those without a sender, in this order, but those that took nothing come last: that longest ago first."""
        with self._lock:
            free = [site for site in due if site not in self._served]
            return sorted(free, key=lambda site: self._refused.get(site, 0.0))

    def begin(self, site: str) -> None:
        with self._lock:
            self._served.add(site)

    def end(self, site: str, *, took: bool) -> None:
        now = time.monotonic()
        with self._lock:
            self._served.discard(site)
            self._refused.pop(site, None)
            if not took:
                self._refused[site] = now  # at the end: they stand in the order of their times
            while self._refused and now - next(iter(self._refused.values())) > REMEMBERED:
                del self._refused[next(iter(self._refused))]


class Callbacks:
    """Sends what is due; of one orchestrator."""

    def __init__(self, ledger: Ledger, files: ResultFiles, addresses: Addresses, *, send: Post | None = None) -> None:
        self._ledger = ledger
        self._files = files
        self._addresses = addresses
        self._send = send or post
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="callback")
        self._free = threading.Semaphore(SENDERS)
        self._sites = Sites()
        self._closing = threading.Event()

    def close(self) -> None:
        """Wait for what is under way, a few seconds at most."""
        self._closing.set()
        self._senders.shutdown(cancel_futures=True)

    def send_due(self, *, now: datetime | None = None) -> int:
        """Give a sender to each site that something is due for, while there are any; to how many. Returns at once."""
        begun = 0
        for site in self._sites.in_turn(self._due(now or datetime.now(UTC))):
            if not self._free.acquire(blocking=False):
                break
            self._sites.begin(site)
            self._senders.submit(self._serve, site, now)
            begun += 1
        return begun

    def _due(self, now: datetime) -> list[str]:
        """The sites that something is due for, those that have waited longest first."""
        with self._ledger.read() as connection:
            return [*connection.scalars(SITES, {"now": now})]

    def _serve(self, site: str, now: datetime | None) -> None:
        """Send to a site what is due, as long as it takes it; a turn at most."""
        until, took = time.monotonic() + TURN, True
        try:
            while row := self._next(site, now or datetime.now(UTC)):
                if self._put_off(row, now or datetime.now(UTC)):
                    took = self._attempt(row)
                if not took or self._closing.is_set() or time.monotonic() >= until:
                    break
        except (CatalogueUnavailable, NotFound) as error:  # its row is still there, or its job is gone
            LOG.warning("callbacks to %s: %s", site, error)
        except Exception:  # a defect of ours; in a thread nobody would hear of it
            LOG.exception("callbacks to %s", site)
        finally:
            self._sites.end(site, took=took)
            self._free.release()

    def _next(self, site: str, now: datetime) -> Any:
        with self._ledger.read() as connection:
            return connection.execute(NEXT, {"site": site, "now": now}).one_or_none()

    def _put_off(self, row: Any, now: datetime) -> bool:
        values = {
            "one": row.id,
            "seen": row.attempt,
            "attempt_now": row.attempt + 1,
            "later": now + timedelta(seconds=wait_after(row.attempt + 1)),
        }
        with self._ledger.write() as connection:
            return bool(connection.execute(PUT_OFF, values).rowcount)

    def _attempt(self, row: Any) -> bool:
        """True when it was taken."""
        refused = self._refused(row)
        if refused is not None:
            self._failed(row, str(refused), is_last=refused.for_good or row.attempt + 1 >= ATTEMPTS)
            return False
        with self._ledger.write() as connection:
            connection.execute(GONE, {"one": row.id})
        return True

    def _refused(self, row: Any) -> Refused | None:
        """Send it; why it has not come, if so."""
        try:
            target = self._addresses.target(row.url)
            self._send(target, json.dumps(self._content(row)).encode())
        except NotAllowed as error:
            return Refused(str(error))
        except UnreadableRow as error:
            return Refused(str(error), for_good=True)
        except Refused as error:
            return error
        except (CatalogueUnavailable, NotFound):  # that is no answer of theirs
            raise
        except Exception as error:  # a defect of ours; it must not be tried for ever
            LOG.exception("callback %s", row.id)
            return Refused(f"it can't be sent ({type(error).__name__}); the server's log says why")
        return None

    def _failed(self, row: Any, reason: str, *, is_last: bool) -> None:
        stage = self._ledger.get(row.job_id).stage
        level = LogLevel.ERROR if is_last else LogLevel.WARNING
        end = "it is given up" if is_last else "it is tried again later"
        told = f"callback {_site(row.url)} ({row.event}), attempt {row.attempt + 1}: {reason}; {end}"
        with self._ledger.write() as connection:
            moves.log(connection, row.job_id, datetime.now(UTC), told, stage=stage, level=level)
            if is_last:
                connection.execute(GONE, {"one": row.id})

    def _content(self, row: Any) -> Mapping[str, Any]:
        """What was noted when it came to pass; for a job that went well its results, which are not noted twice."""
        with self._ledger.read() as connection:
            found = connection.execute(CONTENT, {"one": row.id})
            with reading("job_callback", row.id):
                content = found.scalar_one_or_none()
        if content is not None:
            return content  # type: ignore[no-any-return]  # a row's values have no types
        one = self._ledger.whole(row.job_id)
        asked = one.request.get("outputs")
        wanted = {name: value for name, value in one.results.items() if asked is None or name in asked}
        return shown(wanted, one.id, self._files, base=str(one.request.get("base", "")))


def wait_after(attempt: int) -> float:
    """Seconds until the next attempt."""
    return min(FIRST_WAIT * FACTOR ** (attempt - 1), LONGEST_WAIT)


def _site(url: str) -> str:
    """An address for the log: its query may hold a secret."""
    return url.partition("?")[0][:200]


def post(target: Target, body: bytes) -> None:
    """Send to the address that the name had, under its name; whatever it takes, it has ended within `TIMEOUT`.

    No redirect is followed: it would lead past the check of the address. Raises Refused.
    """
    try:
        status = asyncio.run(_status(target, body))
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:  # also TimeoutError and SSLError
        raise Refused(f"no answer ({type(error).__name__})") from error
    if status == 410:
        raise Refused("410 Gone", for_good=True)
    if not 200 <= status < 300:
        raise Refused(f"status {status}")


async def _status(target: Target, body: bytes) -> int:
    """Of the answer, whose body nobody reads.

    The limit is one of the event loop, so that it holds in each phase, also against a host that sends a byte now and
    then. Connecting and TLS have a third of it each: broken off from outside, a handshake would leave its socket open.
    The certificate must belong to the name in the URL, by what the system trusts.
    """
    headers = {"Host": target.authority, "Content-Type": "application/json", "User-Agent": "prismcube"}
    timeout = httpx.Timeout(TIMEOUT, connect=TIMEOUT / 3)
    client = httpx.AsyncClient(trust_env=False, timeout=timeout, verify=ssl.create_default_context())
    sending = client.stream("POST", target.url, content=body, headers=headers, extensions={"sni_hostname": target.host})
    async with asyncio.timeout(TIMEOUT), client, sending as answer:
        return answer.status_code
