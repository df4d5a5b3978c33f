"""Who claims tasks: one orchestrator at a time, for as long as it renews its lease.

Time is the database's own, so that clocks of machines need not agree; SQLite's is that of the one machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Double, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from prismcube.catalogue.dialects import PerDatabase
from prismcube.catalogue.job_tables import job_leader
from prismcube.errors import PrismcubeError
from prismcube.jobs.identity import has_ended

NAME = "orchestrator"

LEASE_SECONDS = 5.0
"""Without a sign of life for so long, another orchestrator takes over."""


class NotLeader(PrismcubeError):
    """Another orchestrator has taken over; nothing was written."""


class _clock(PerDatabase):
    type = Double()
    sqlite = "((julianday('now') - 2440587.5) * 86400.0)"
    postgresql = "extract(epoch FROM clock_timestamp())"


LEADER = select(job_leader.c.owner, job_leader.c.until, _clock().label("now"), job_leader.c.about).where(
    job_leader.c.name == NAME
)
HOLDS = LEADER.where(job_leader.c.owner == bindparam("me"), job_leader.c.until > _clock()).with_for_update(read=True)
RENEW = (
    update(job_leader)
    .where(
        job_leader.c.name == NAME,
        or_(job_leader.c.owner == bindparam("me"), job_leader.c.until <= _clock()),
    )
    .values(owner=bindparam("me"), until=_clock() + bindparam("seconds"), about=bindparam("told"))
)
RESIGN = update(job_leader).where(job_leader.c.name == NAME, job_leader.c.owner == bindparam("who")).values(until=0.0)


def renew(connection: Connection, me: str, about: Mapping[str, Any], *, seconds: float = LEASE_SECONDS) -> bool:
    """Take the lead, or keep it; False while another holds it. `about` is shown to people."""
    values = {"me": me, "seconds": seconds, "told": dict(about)}
    if connection.execute(RENEW, values).rowcount:
        return True
    if connection.execute(LEADER).first() is not None:
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(job_leader).values(name=NAME, owner=me, until=0.0, about={}))
    except IntegrityError:  # another has come first
        return False
    return bool(connection.execute(RENEW, values).rowcount)


def check(connection: Connection, me: str) -> None:
    """Raises NotLeader, unless this transaction is the leader's; nobody takes over before it ends."""
    if connection.execute(HOLDS, {"me": me}).first() is None:
        raise NotLeader(f"{me} is no longer the orchestrator that claims tasks")


def resign(connection: Connection, me: str) -> None:
    """Let another take over at once."""
    connection.execute(RESIGN, {"who": me})


def bury(connection: Connection) -> bool:
    """End the lease of a leader that has died on this machine, which nobody need wait for. True when it was so."""
    row = connection.execute(LEADER).first()
    if row is None or row.until <= row.now or not has_ended(row.about.get("process", "")):
        return False
    return bool(connection.execute(RESIGN, {"who": row.owner}).rowcount)


def leader(connection: Connection) -> tuple[Mapping[str, Any], float] | None:
    """What the last leader told of itself, and for how many more seconds it leads: negative when it is gone."""
    row = connection.execute(LEADER).first()
    return None if row is None else (row.about, row.until - row.now)
