"""Execution and estimate (OGC 18-062r2, clause 7.11).

    execute ── parse ── inputs by their schemas ── what schemas can't tell ── Ledger.submit ─┬ asynchronous: 201
                                                                                             └ else Pending: results
Nothing is stored before everything has been checked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson

from prismcube.errors import Conflict, InvalidInput
from prismcube.jobs.documents import address_of, status_info
from prismcube.jobs.entities import Job, NewJob
from providers.ogc.answer import JSON, Answer, Context, Keep, Pending, Request
from providers.ogc.offer import Process, Processes
from providers.ogc.params import Query
from providers.ogc.processes import results
from providers.ogc.processes.offered import check_may_submit, processes_of
from providers.ogc.processes.prefer import Preference
from providers.ogc.processes.requests import Execution, parse

LONGEST_KEY = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_KEY}}}")


def estimate(context: Context, request: Request, process: str) -> Answer:
    """`POST /processes/{processID}/estimate`: what the job would cost; nothing is stored. Raises as `execute`."""
    with context.parsing(len(request.body)):
        processes, one, asked = _asked(context, request, process)
        inputs = processes.checked(one.id, asked.inputs)
        processes.check_limit(one.id, inputs, asked.most_bytes)
        found = processes.estimate(one.id, inputs, stop=context.stop)
    return Answer(orjson.dumps({"processID": one.id, **found}), JSON, keep=Keep.NEVER)


def execute(context: Context, request: Request, process: str) -> Answer | Pending:
    """`POST /processes/{processID}/execution`.

    Raises NotFound, Forbidden, Unauthorized, InvalidInput naming the member or input, Conflict.
    """
    preference = Preference.parse(request.prefer)
    with context.parsing(len(request.body)):
        processes, job, seconds = _submitted(context, request, process, preference)
    applied = _Applied(preference, seconds)
    if not seconds:
        return _accepted(processes, job, request, applied)
    return Pending(
        ask=lambda: _ended(processes, job.id, request, applied),
        late=lambda: _accepted(processes, processes.ledger.get(job.id), request, applied),
        seconds=seconds,
    )


def _submitted(
    context: Context, request: Request, process: str, preference: Preference
) -> tuple[Processes, Job, float]:
    """Also for how many seconds to wait for the job."""
    processes, one, asked = _asked(context, request, process)
    seconds = preference.seconds(synchronous=one.synchronous, most=processes.wait_seconds)
    key = _key(request.idempotency_key)
    kept = asked.kept(base=request.base)
    if given := _digest_of_links(one, asked, kept):
        kept["given"] = given
        if key and (earlier := processes.ledger.of_key(context.access.name, key)):
            if earlier.request.get("given") != given:
                raise Conflict("idempotency key", key, f"was used for another request, of job {earlier.id}")
            return processes, earlier, seconds
    inputs = processes.checked(one.id, asked.inputs)
    processes.check_limit(one.id, inputs, asked.most_bytes)
    wanted = NewJob(
        process=one.id,
        inputs=inputs,
        request=kept,
        owner=context.access.name,
        key=key,
        priority=asked.priority,
        level=asked.level,
        most_bytes=asked.most_bytes,
        seconds=asked.seconds,
    )
    if processes.ledger.submitted_before(wanted) is None:
        processes.check(one.id, inputs)
        if seconds and not processes.is_small(one.id, inputs):
            seconds = 0
    job, _ = processes.ledger.submit(wanted)
    return processes, job, seconds


def _digest_of_links(one: Process, asked: Execution, kept: Mapping[str, Any]) -> str:
    """Of a request with links, by which it is known again: what they lead to may be something else by then, or gone.

    Empty for one that has none.
    """
    written = orjson.dumps(asked.inputs, option=orjson.OPT_SORT_KEYS)
    if b'"href"' not in written:
        return ""
    rest = [one.id, kept, asked.priority, asked.level, asked.most_bytes, asked.seconds]
    return hashlib.sha256(written + orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _asked(context: Context, request: Request, process: str) -> tuple[Processes, Process, Execution]:
    processes = processes_of(context)
    one = processes.get(process)
    check_may_submit(context.access, one)
    Query(request.query, known=())
    asked = parse(request, one)
    for name, url in asked.subscriber.items():
        if reason := processes.why_not_called(url):
            raise InvalidInput(f"subscriber.{name}", reason)
    return processes, one, asked


def _key(header: str) -> str | None:
    """An idempotency key, with or without quotes."""
    if not header:
        return None
    key = header.strip().strip('"')
    if not _KEY.fullmatch(key):
        raise InvalidInput("Idempotency-Key", f"must be 1 to {LONGEST_KEY} visible characters")
    return key


class _Applied:
    """The header Preference-Applied of both ways to answer."""

    def __init__(self, preference: Preference, seconds: float) -> None:
        self._preference = preference
        self._seconds = seconds

    def headers(self, *, is_late: bool) -> dict[str, str]:
        told = self._preference.applied(seconds=self._seconds, is_late=is_late)
        return {"Preference-Applied": told} if told else {}


def _accepted(processes: Processes, job: Job, request: Request, applied: _Applied) -> Answer:
    """201: where the job is (/req/core/job-creation-success-async)."""
    status = status_info(job, processes.ledger.machine(job), base=request.base)
    headers = {"Location": address_of(request.base, job.id), **applied.headers(is_late=True)}
    return Answer(orjson.dumps(status), JSON, status=201, headers=headers, keep=Keep.NEVER)


def _ended(processes: Processes, id: str, request: Request, applied: _Applied) -> Answer | None:
    """The results once there are any. Raises JobFailed, ResultNotReady when there will be none."""
    job = processes.ledger.get(id)
    if not job.status.is_final and not job.paused:
        return None
    if job.paused:
        return _accepted(processes, job, request, applied)
    found = results.answer(processes, processes.ledger.whole(id), request)
    one = found if isinstance(found, Answer) else Answer(orjson.dumps(found), JSON, keep=Keep.NEVER)
    told: dict[str, Any] = {**one.headers, **applied.headers(is_late=False)}
    monitor = f'<{address_of(request.base, id)}>; rel="monitor"'
    told["Link"] = f"{told['Link']}, {monitor}" if "Link" in told else monitor
    return Answer(one.body, one.media_type, status=one.status, headers=told, keep=one.keep)
