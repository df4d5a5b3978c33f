"""The addresses of processes and jobs: a part of the table in `server.routes`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from providers.ogc import processes
from providers.ogc.answer import JSON, Keep
from server.operation import Operation, document

P = "/processes/{processID}"
JOB = "/jobs/{jobID}"

_of_jobs = partial(document, tag="Jobs", keep=Keep.NEVER)

PROCESS_FILES = (
    Operation(
        path=f"{JOB}/results/{{outputID}}",
        handler=processes.output,
        summary="One result: a value, or the file that it is",
        tag="Jobs",
        parameters=(),
        media_types=(JSON, "text/plain", "application/octet-stream"),
        formats={},
    ),
)
"""Answered by pixel threads."""

PROCESS_DOCUMENTS = (
    document(
        "/processes",
        processes.processes,
        "processes/index.html",
        "What can be run",
        tag="Processes",
        parameters=processes.LIST_PARAMETERS,
        operation_id="getProcesses",
    ),
    document(
        P,
        processes.process,
        "processes/process.html",
        "One process: what it does, needs and gives",
        tag="Processes",
        operation_id="getProcessDescription",
    ),
    _of_jobs(
        "/jobs",
        processes.jobs,
        "jobs/index.html",
        "Jobs, the newest first",
        parameters=processes.JOBS_PARAMETERS,
        operation_id="getJobs",
    ),
    _of_jobs(
        JOB,
        processes.job,
        "jobs/job.html",
        "One job: its status",
        operation_id="getStatus",
    ),
    _of_jobs(
        f"{JOB}/results",
        processes.results,
        "document.html",
        "What a job has given, in the form in which it was asked for",
        operation_id="getResult",
        media_types=(JSON, "multipart/related", "text/plain"),
        may_be_empty=True,
    ),
    _of_jobs(
        f"{JOB}/logs",
        processes.logs,
        "document.html",
        "The log of a job",
        parameters=processes.LOG_PARAMETERS,
    ),
    _of_jobs(
        f"{JOB}/tasks",
        processes.tasks,
        "document.html",
        "The tasks of a job",
        parameters=processes.TASK_PARAMETERS,
    ),
    _of_jobs(
        f"{JOB}/graph",
        processes.graph,
        "document.html",
        "The stages and tasks of a job",
        formats=processes.GRAPH_FORMATS,
    ),
)


def _action(
    path: str, handler: Callable[..., Any], summary: str, *, parameters: tuple[str, ...] = (), **more: Any
) -> Operation:
    return Operation(path=path, handler=handler, summary=summary, parameters=parameters, **more)


ACTIONS = (
    _action(
        JOB, processes.dismiss, "Stop a job, or remove it", tag="Jobs", methods=("DELETE",), operation_id="dismiss"
    ),
    _action(
        f"{JOB}/retry",
        processes.retry,
        "Try again what failed",
        tag="Jobs",
        methods=("POST",),
        parameters=("force",),
    ),
    _action(f"{JOB}/continue", processes.resume, "Let a job go on that waits", tag="Jobs", methods=("POST",)),
    _action(f"{JOB}/cancel", processes.cancel, "Stop a job", tag="Jobs", methods=("POST",)),
)

SUBMISSIONS = (
    _action(
        f"{P}/execution",
        processes.execute,
        "Run it",
        tag="Processes",
        methods=("POST",),
        operation_id="execute",
        media_types=(JSON, "multipart/related", "text/plain"),
        may_be_empty=True,
    ),
    _action(
        f"{P}/estimate",
        processes.estimate,
        "What a job would cost, without running it",
        tag="Processes",
        methods=("POST",),
    ),
)
