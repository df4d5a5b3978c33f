"""Calls clients back when their jobs come to a new state (OGC 18-062r2, requirements class callback).

    moves.tell ── row of job_callback ── send_due (about once a second) ── a thread each: POST ─┬ 2xx: the row goes
                                                                                                └ else: later again
A row that is sent is put off first: whoever sends it, nobody else does so at the same time, and a crash between the
POST and the removal of its row leads to a second POST, not to none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import bindparam, delete, select, update

from prismcube.catalogue.job_tables import job_callback
from prismcube.errors import CatalogueUnavailable, NotFound
from prismcube.jobs import moves
from prismcube.jobs.addresses import Addresses, NotAllowed, Target
from prismcube.jobs.entities import Job, WholeJob
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.results import ResultFiles, shown
from prismcube.model.work import LogLevel

LOG = logging.getLogger("prismcube.jobs")

ATTEMPTS = 8
FIRST_WAIT, FACTOR = 20.0, 4.0
"""Seconds before the second attempt, and how much longer each further wait is: eight attempts take 13.6 hours."""
LONGEST_WAIT = 6 * 3600.0
TIMEOUT = 10.0
"""Seconds that one attempt may take."""
SENDERS = 4
"""At once."""

DUE = (
    select(job_callback)
    .where(job_callback.c.due <= bindparam("now", type_=job_callback.c.due.type))
    .order_by(job_callback.c.due)
    .limit(bindparam("limit"))
)
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


class Callbacks:
    """Sends what is due; of one orchestrator."""

    def __init__(self, ledger: Ledger, files: ResultFiles, addresses: Addresses, *, send: Post | None = None) -> None:
        self._ledger = ledger
        self._files = files
        self._addresses = addresses
        self._send = send or post
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="callback")
        self._free = threading.Semaphore(SENDERS)

    def close(self) -> None:
        """Wait for what is under way, a few seconds at most."""
        self._senders.shutdown(cancel_futures=True)

    def send_due(self, *, now: datetime | None = None) -> int:
        """Hand to threads what is due, as many as there are; how many. Returns at once."""
        begun = 0
        for row in self._due(now or datetime.now(UTC)):
            if not self._free.acquire(blocking=False):
                break
            if not self._put_off(row, now or datetime.now(UTC)):
                self._free.release()
                continue
            self._senders.submit(self._deliver, row)
            begun += 1
        return begun

    def _due(self, now: datetime) -> list[Any]:
        with self._ledger.read() as connection:
            return [*connection.execute(DUE, {"now": now, "limit": SENDERS})]

    def _put_off(self, row: Any, now: datetime) -> bool:
        values = {
            "one": row.id,
            "seen": row.attempt,
            "attempt_now": row.attempt + 1,
            "later": now + timedelta(seconds=wait_after(row.attempt + 1)),
        }
        with self._ledger.write() as connection:
            return bool(connection.execute(PUT_OFF, values).rowcount)

    def _deliver(self, row: Any) -> None:
        try:
            self._attempt(row)
        except (CatalogueUnavailable, NotFound) as error:  # its row is still there, or its job is gone
            LOG.warning("callback %s: %s", row.id, error)
        except Exception:  # a defect of ours; in a thread nobody would hear of it
            LOG.exception("callback %s", row.id)
        finally:
            self._free.release()

    def _attempt(self, row: Any) -> None:
        one = self._ledger.whole(row.job_id)
        refused = self._refused(row, one)
        if refused is not None:
            self._failed(row, one, str(refused), is_last=refused.for_good or row.attempt + 1 >= ATTEMPTS)
            return
        with self._ledger.write() as connection:
            connection.execute(GONE, {"one": row.id})

    def _refused(self, row: Any, one: WholeJob) -> Refused | None:
        """Send it; why it has not come, if so."""
        try:
            target = self._addresses.target(row.url)
            self._send(target, json.dumps(self._content(row, one)).encode())
        except NotAllowed as error:
            return Refused(str(error))
        except Refused as error:
            return error
        except Exception as error:  # a defect of ours; it must not be tried for ever
            LOG.exception("callback %s", row.id)
            return Refused(f"it can't be sent ({type(error).__name__}); the server's log says why")
        return None

    def _failed(self, row: Any, one: Job, reason: str, *, is_last: bool) -> None:
        level = LogLevel.ERROR if is_last else LogLevel.WARNING
        end = "it is given up" if is_last else "it is tried again later"
        told = f"callback {_site(row.url)} ({row.event}), attempt {row.attempt + 1}: {reason}; {end}"
        with self._ledger.write() as connection:
            moves.log(connection, one.id, datetime.now(UTC), told, stage=one.stage, level=level)
            if is_last:
                connection.execute(GONE, {"one": row.id})

    def _content(self, row: Any, one: WholeJob) -> Mapping[str, Any]:
        """What was noted when it came to pass; for a job that went well its results, which are not noted twice."""
        if row.content is not None:
            return row.content  # type: ignore[no-any-return]  # a row's values have no types
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
