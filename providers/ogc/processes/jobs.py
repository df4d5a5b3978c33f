"""Jobs: the list, one of them, its tasks and log, and what a person can do (OGC 18-062r2, clauses 7.12, 11, 13).

DELETE stops what has not ended and can be taken back; what has ended it removes, with its results.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from prismcube.errors import InvalidInput, SourceError
from prismcube.jobs.documents import address_of, line_document, status_info, task_document
from prismcube.jobs.entities import Job
from prismcube.jobs.job_filter import JobFilter
from prismcube.model.machine import Event, Status
from prismcube.model.period import format_instant
from prismcube.model.task_states import TaskState
from prismcube.model.work import LogLevel
from providers.ogc.answer import JSON, Answer, Context, Keep, Request, link, linked, own_links
from providers.ogc.offer import Processes
from providers.ogc.params import Query
from providers.ogc.processes.offered import check_may_steer, job_of, processes_of

LOG = logging.getLogger("prismcube.jobs")

PARAMETERS = (
    "f", "lang", "type", "processID", "status", "datetime", "minDuration", "maxDuration", "limit", "after",
)  # fmt: skip
TASK_PARAMETERS = ("f", "lang", "state", "stage", "limit", "after")
LOG_PARAMETERS = ("f", "lang", "level", "limit", "after", "before", "newest")
LONGEST = 10**9
"""Seconds of a duration."""


def jobs(context: Context, request: Request) -> dict[str, Any]:
    """`/jobs`: a page of the caller's jobs, or of all for an administrator; the newest first."""
    query = Query(request.query, known=PARAMETERS)
    processes = processes_of(context)
    limit = _limit(query, context)
    wanted, has_any = _filter(query, context)
    found = processes.ledger.jobs(wanted, after=_after(query), limit=limit + 1) if has_any else []
    address = f"{request.base}/jobs"
    links = own_links(request, address)
    if len(found) > limit:
        created, id = processes.ledger.key(found[limit - 1])
        after = f"{format_instant(created) if created else ''}~{id}"
        links.append(link(linked(address, request.query, after=after), "next", JSON, "Older ones"))
    return {"jobs": [_status(processes, one, base=request.base) for one in found[:limit]], "links": links}


def _filter(query: Query, context: Context) -> tuple[JobFilter, bool]:
    """Which jobs; and whether there can be any."""
    access = context.access
    types = query.names("type")
    period = query.period()
    wanted = JobFilter(
        owner=None if access.is_admin else access.name,
        processes=query.names("processID") or (),
        statuses=tuple(_status_of(name) for name in query.names("status") or ()),
        created_from=period.start if period else None,
        created_to=period.end if period else None,
        least_seconds=query.integer("minDuration", least=0, most=LONGEST),
        most_seconds=query.integer("maxDuration", least=0, most=LONGEST),
    )
    return wanted, (access.is_admin or bool(access.name)) and (types is None or "process" in types)


def _status_of(name: str) -> Status:
    try:
        return Status(name)
    except ValueError as error:
        raise InvalidInput("status", f"{name[:40]!r} is not one of {', '.join(Status)}") from error


def _after(query: Query) -> tuple[datetime | None, str] | None:
    text = query.text("after")
    if text is None:
        return None
    time, _, id = text.partition("~")
    if not time and id:
        return None, id
    try:
        created = datetime.fromisoformat(time)
        if created.tzinfo is None:
            raise ValueError
        created = created.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("after", "is not the cursor of a `next` link") from error
    return created, id


def _limit(query: Query, context: Context) -> int:
    return min(query.integer("limit", least=1) or context.limits.default_items, context.limits.items)


def job(context: Context, request: Request, job: str) -> dict[str, Any]:
    """`/jobs/{jobID}`: its status."""
    Query(request.query, known=("f", "lang"))
    one = job_of(context, job)
    processes = processes_of(context)
    running = processes.ledger.running(one.id) if one.open else 0.0
    return _status(processes, one, base=request.base, running=running)


def _status(processes: Processes, job: Job, *, base: str, running: float = 0.0) -> dict[str, Any]:
    return status_info(job, processes.ledger.machine(job), base=base, running=running)


def tasks(context: Context, request: Request, job: str) -> dict[str, Any]:
    """`/jobs/{jobID}/tasks`: a page of its tasks, the oldest first."""
    query = Query(request.query, known=TASK_PARAMETERS)
    one = job_of(context, job)
    limit = _limit(query, context)
    states = tuple(_state_of(name) for name in query.names("state") or ())
    after = query.integer("after", least=0) or 0
    ledger = processes_of(context).ledger
    found = ledger.tasks(one.id, states=states, stage=query.text("stage"), after=after, limit=limit + 1)
    last = str(found[limit - 1].id) if len(found) > limit else ""
    links = _paging(request, f"{address_of(request.base, one.id)}/tasks", last)
    return {"jobID": one.id, "tasks": [task_document(task) for task in found[:limit]], "links": links}


def _state_of(name: str) -> TaskState:
    try:
        return TaskState(name)
    except ValueError as error:
        raise InvalidInput("state", f"{name[:40]!r} is not one of {', '.join(TaskState)}") from error


def logs(context: Context, request: Request, job: str) -> dict[str, Any]:
    """`/jobs/{jobID}/logs`: a page of its log, the oldest line first; `level`: the least that is shown.

    With `newest` it is the last page, from which links lead back.
    """
    query = Query(request.query, known=LOG_PARAMETERS)
    one = job_of(context, job)
    limit = _limit(query, context)
    level = query.text("level") or LogLevel.INFO.value
    if level not in [*LogLevel]:
        raise InvalidInput("level", f"{level[:40]!r} is not one of {', '.join(LogLevel)}")
    newest = query.boolean("newest")
    found = processes_of(context).ledger.log(
        one.id,
        least=LogLevel(level),
        after=query.integer("after", least=0) or 0,
        before=query.integer("before", least=0),
        newest=newest,
        limit=limit + 1,
    )
    address = f"{address_of(request.base, one.id)}/logs"
    shown = found[-limit:] if newest else found[:limit]
    has_more = len(found) > limit
    links = _paging(request, address, str(shown[-1].id) if has_more and not newest else "")
    if has_more and newest:
        links.append(link(linked(address, request.query, before=str(shown[0].id)), "prev", JSON, "Older lines"))
    return {"jobID": one.id, "logs": [line_document(line) for line in shown], "links": links}


def _paging(request: Request, address: str, last: str) -> list[dict[str, Any]]:
    links = [*own_links(request, address), link(address.rpartition("/")[0], "up", JSON, "The job")]
    if last:
        links.append(link(linked(address, request.query, after=last), "next", JSON, "Next page"))
    return links


def dismiss(context: Context, request: Request, job: str) -> Answer:
    """`DELETE /jobs/{jobID}`. Raises NotFound, Forbidden, Unauthorized, Conflict while things are taken back."""
    Query(request.query, known=())
    one = job_of(context, job)
    check_may_steer(context.access)
    processes = processes_of(context)
    if processes.ledger.machine(one).after(one.stage, Event.CANCEL) is not None:
        one = processes.ledger.cancel(one.id)
    else:
        _remove(processes, one)
    return _told(processes, replace(one, status=Status.DISMISSED), request)


def _remove(processes: Processes, job: Job) -> None:
    """With its results; the ledger comes first, which decides under its lock whether the job has ended."""
    results = processes.ledger.results(job.id)
    processes.ledger.delete(job.id)
    try:
        processes.files.remove(job.id, results)
    except SourceError as error:
        LOG.error("results of job %s are left: %s", job.id, error)


def retry(context: Context, request: Request, job: str) -> Answer:
    """`POST /jobs/{jobID}/retry`; `force`: also what has not ended. Raises as `dismiss`."""
    force = Query(request.query, known=("force",)).boolean("force")
    one = job_of(context, job)
    check_may_steer(context.access)
    processes = processes_of(context)
    return _told(processes, processes.ledger.retry(one.id, force=force), request)


def resume(context: Context, request: Request, job: str) -> Answer:
    """`POST /jobs/{jobID}/continue`. Raises as `dismiss`."""
    Query(request.query, known=())
    one = job_of(context, job)
    check_may_steer(context.access)
    processes = processes_of(context)
    return _told(processes, processes.ledger.resume(one.id), request)


def cancel(context: Context, request: Request, job: str) -> Answer:
    """`POST /jobs/{jobID}/cancel`: stops it and takes back what it has begun. Raises as `dismiss`."""
    Query(request.query, known=())
    one = job_of(context, job)
    check_may_steer(context.access)
    processes = processes_of(context)
    return _told(processes, processes.ledger.cancel(one.id), request)


def _told(processes: Processes, job: Job, request: Request) -> Answer:
    return Answer(orjson.dumps(_status(processes, job, base=request.base)), JSON, keep=Keep.NEVER)
