"""Jobs as JSON, in the words of OGC API - Processes (18-062r2): for HTTP, callbacks, and plug-ins. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from prismcube.jobs.entities import Job, LogLine, Task
from prismcube.jobs.progress import progress
from prismcube.model.machine import Event, Machine, Status
from prismcube.model.period import format_instant

JSON = "application/json"
HTML = "text/html"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
OURS = "prismcube:job"
"""The member of a status with what the standard has no words for."""


def address_of(base: str, job: str) -> str:
    return f"{base}/jobs/{quote(job, safe='')}"


def status_info(job: Job, machine: Machine, *, base: str, running: float = 0.0) -> dict[str, Any]:
    """The status of a job (schema statusInfo.yaml); `running` as in `progress`."""
    percent = progress(job, machine, running=running)
    names = ("created", "started", "finished", "updated")
    times = {name: getattr(job, name) for name in names if name not in job.unreadable}
    return {
        "processID": job.process,
        "type": "process",
        "jobID": job.id,
        "status": job.status.value,
        "message": job.message,
        **{name: format_instant(time) for name, time in times.items() if time is not None},
        **({} if percent is None else {"progress": percent}),
        OURS: {
            "stage": job.stage,
            "meaning": machine.stage(job.stage).meaning,
            "paused": job.paused,
            "stopping": bool(job.stopping),
            "tasks": {"of-stage": job.tasks, "open": job.open, "failed": job.failed, "done": job.done},
            "bytes": job.bytes,
            "priority": job.priority,
            "level": job.level.value,
            **({"unreadable": [*job.unreadable]} if job.unreadable else {}),
        },
        "links": _links(job, machine, base=base),
    }


def _links(job: Job, machine: Machine, *, base: str) -> list[dict[str, Any]]:
    here = address_of(base, job.id)
    found = [
        _link(here, "self", JSON, "This status"),
        _link(f"{here}?f=html", "alternate", HTML, "As HTML"),
        _link(f"{base}/processes/{quote(job.process, safe='')}", "up", JSON, "The process"),
    ]
    if job.status is Status.SUCCESSFUL:
        found.append(_link(f"{here}/results", f"{REL}results", JSON, "Results"))
    if job.status is Status.FAILED:
        found.append(_link(f"{here}/results", f"{REL}exceptions", "application/problem+json", "Why it failed"))
    found += [
        _link(f"{here}/logs", "monitor", JSON, "Log"),
        _link(f"{here}/tasks", "item", JSON, "Tasks"),
        _link(f"{here}/graph?f=svg", "preview", "image/svg+xml", "Stages, as a picture"),
        *({**_link(f"{here}/{path}", rel, JSON, title), "method": "POST"} for rel, path, title in verbs(job, machine)),
    ]
    return found


def verbs(job: Job, machine: Machine) -> list[tuple[str, str, str]]:
    """What a person can do with a job now: its name, its address below the job's, and what it means."""
    found = []
    works = bool(machine.stage(job.stage).task)
    if machine.after(job.stage, Event.RETRY) and not job.stopping:
        found.append(("retry", "retry", "Try again what failed"))
    if works and job.paused:
        found.append(("continue", "continue", "Let it go on"))
    if works and job.status is Status.RUNNING and not job.paused and not job.stopping:
        found.append(("force-retry", "retry?force=true", "Begin anew what has not ended, wherever it runs"))
    rest = machine.after(job.stage, Event.CANCEL)
    if rest and job.status is not Status.DISMISSED and not job.stopping:
        title = "Stop it, and take back what it has begun" if rest.task else "Stop it; what it has done stays"
        found.append(("cancel", "cancel", title))
    return found


def _link(href: str, rel: str, media_type: str, title: str) -> dict[str, Any]:
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def task_document(task: Task) -> dict[str, Any]:
    """A task, without what only its body understands."""
    times = {name: getattr(task, name) for name in ("started", "finished", "due")}
    return {
        "id": task.id,
        "name": task.name,
        "stage": task.stage,
        "state": task.state.value,
        "attempt": task.attempt,
        "failures": task.failures,
        "losses": task.losses,
        "orphaned": task.orphaned,
        "progress": round(100 * min(1.0, max(0.0, task.progress))),
        "message": task.message,
        **{name: format_instant(time) for name, time in times.items() if time is not None},
    }


def line_document(line: LogLine) -> dict[str, Any]:
    """A line of a job's log."""
    return {
        "id": line.id,
        "time": format_instant(line.time),
        "level": line.level.value,
        "stage": line.stage,
        **({} if line.task_id is None else {"task": line.task_id}),
        "message": line.message,
    }


def failure(job: Job) -> Mapping[str, Any]:
    """Why a job has no results (schema exception.yaml)."""
    return {"type": "about:blank", "title": f"The job is {job.status}", "detail": job.message}
