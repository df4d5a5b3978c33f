"""Our processes and their jobs as plug-ins of an unmodified pygeoapi, over the handlers of our own server.

    Processor     one of our processes; for any manager of pygeoapi: a job in the ledger, and its results when it ends
    JobManager    the ledger as pygeoapi's own manager: jobs that outlive pygeoapi, can be stopped, and call back

Nothing is executed here: `prismcube worker`, or a server of ours with the same home, does that.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from pygeoapi.process.base import (
    BaseProcessor,
    JobNotFoundError,
    JobResultNotFoundError,
    ProcessorExecuteError,
    UnknownProcessError,
)
from pygeoapi.process.manager.base import BaseManager
from pygeoapi.util import JobStatus

from prismcube.errors import ConfigurationError, Conflict, NotFound, PrismcubeError
from prismcube.jobs.entities import Job, WholeJob
from prismcube.jobs.job_filter import JobFilter
from prismcube.jobs.progress import progress
from prismcube.model.machine import Status
from prismcube.model.period import format_instant
from providers.errors import JobFailed, ResultNotReady
from providers.ogc.answer import JSON, Answer, Context, Pending, Request
from providers.ogc.offer import Processes
from providers.ogc.processes import descriptions, execution
from providers.ogc.processes.jobs import dismiss
from providers.ogc.processes.offered import processes_of
from providers.ogc.processes.results import answer
from server.asgi import make_context
from server.cli.options import settings_for
from server.jobs.desk import Desk
from server.metrics import Metrics
from server.problems import problem_of

LOG = logging.getLogger("prismcube.plugins")

WAITED_SECONDS = 3600
"""How long a manager that is not ours waits for a job, unless the definition says `seconds`."""
FURTHEST = 10_000
"""Jobs that a page may lie behind: pygeoapi counts from the first one."""
PAUSE = 0.2
"""Seconds between two looks at a job."""

_JOB = re.compile(r'/jobs/([^>/]+)(?:>; rel="monitor"|$)')

_lock = threading.Lock()
_contexts: dict[tuple[int, Place], Context] = {}
"""By process and place."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which Prismcube: its configuration file, its home, or both, as on the command line."""

    config: str = ""
    home: str = ""

    @classmethod
    def of(cls, definition: Any, what: str) -> Place:
        """Raises ConfigurationError."""
        if not isinstance(definition, Mapping) or not (definition.get("home") or definition.get("config")):
            raise ConfigurationError(what, [("home", "or config is required")])
        return cls(config=str(definition.get("config") or ""), home=str(definition.get("home") or ""))

    def context(self) -> Context:
        """What the handlers need; opened once in a process, as connections must not be used on both sides of a fork."""
        with _lock:
            key = (os.getpid(), self)
            if key not in _contexts:
                config = Path(self.config) if self.config else None
                settings = settings_for(config, home=Path(self.home).expanduser() if self.home else None)
                context = make_context(settings, Metrics())
                _contexts[key] = replace(context, processes=Desk(settings, context.catalogue))
            return _contexts[key]


class Processor(BaseProcessor):  # type: ignore[misc]  # pygeoapi carries no types
    """A process of ours. In the definition: `process`, its id, and `home` or `config`.

    Raises ConfigurationError for a definition that makes no sense, and NotFound for a process that there is not.
    """

    def __init__(self, processor_def: Mapping[str, Any]) -> None:
        self.place = Place.of(processor_def, "processor")
        self.process = str(processor_def.get("process") or "")
        self.seconds = float(processor_def.get("seconds") or WAITED_SECONDS)
        described = descriptions.process(self.place.context(), Request(), self.process)
        # pygeoapi makes links of its own.
        super().__init__(processor_def, {**described, "links": []})
        self.supports_outputs = True

    def execute(self, data: Any, outputs: Any = None) -> tuple[str, Any]:
        """Submit a job and wait for its results: (media type, value). Raises ProcessorExecuteError."""
        context = self.place.context()
        found = _submit(context, self.process, _body(data, outputs))
        id = _job_of(found.late() if isinstance(found, Pending) else found)
        processes = processes_of(context)
        job = _ended(processes, id, self.seconds)
        if job is None:
            waited = f"job {id} has not ended after {self.seconds:g} s; does a `prismcube worker` run?"
            raise ProcessorExecuteError(waited, user_msg=waited)
        with _refused():
            told = answer(processes, job, Request(accept=JSON))
        return told.media_type if isinstance(told, Answer) else JSON, _value(told)


class JobManager(BaseManager):  # type: ignore[misc]
    """The ledger as pygeoapi's manager. Under `connection`: `home`, or `config`.

    It offers the processes of the configuration that are ours, and their jobs; they are called as in Prismcube.
    Raises ConfigurationError for others.
    """

    def __init__(self, manager_def: Mapping[str, Any]) -> None:
        super().__init__({**manager_def, "output_dir": None})
        self.is_async = True
        self.supports_subscribing = True
        self.place = Place.of(manager_def.get("connection"), "manager.connection")
        mistakes = [
            (f"resources.{name}", f"must be a process of server.plugins.Processor with process: {name}")
            for name, one in self.processes.items()
            if one.get("processor", {}).get("name") != "server.plugins.Processor"
            or one["processor"].get("process") != name
        ]
        if mistakes:
            raise ConfigurationError("JobManager", mistakes)

    def get_processor(self, process_id: str) -> Processor:
        """Raises UnknownProcessError."""
        if process_id not in self.processes:
            raise UnknownProcessError("Invalid process identifier")
        return Processor(
            {**self.processes[process_id]["processor"], "home": self.place.home, "config": self.place.config}
        )

    def execute_process(
        self,
        process_id: str,
        data_dict: Any,
        execution_mode: Any = None,
        requested_outputs: Any = None,
        subscriber: Any = None,
        requested_response: Any = "raw",
    ) -> tuple[str, str, Any, JobStatus, dict[str, str]]:
        """(job, media type, results or None, status, headers). Raises ProcessorExecuteError."""
        body = _body(data_dict, requested_outputs, response=requested_response)
        if subscriber is not None:
            addresses = {
                "successUri": subscriber.success_uri,
                "inProgressUri": subscriber.in_progress_uri,
                "failedUri": subscriber.failed_uri,
            }
            body["subscriber"] = {name: url for name, url in addresses.items() if url}
        prefer = execution_mode.value if execution_mode else ""
        submitted = _submit(self.place.context(), process_id, body, prefer=prefer)
        found = _awaited(submitted) if isinstance(submitted, Pending) else submitted
        id = _job_of(found)
        headers = {name: value for name, value in found.headers.items() if name in ("Preference-Applied", "Link")}
        if found.status == 201:
            # pygeoapi shows the job when this header says so, and else an empty document.
            return id, JSON, None, JobStatus.accepted, {**headers, "Preference-Applied": "respond-async"}
        return id, found.media_type, _value(found), JobStatus.successful, headers

    def get_jobs(self, status: Any = None, limit: int | None = None, offset: int | None = None) -> dict[str, Any]:
        """A page of them, the newest first. `numberMatched` counts as far as this page and one more."""
        first = min(offset or 0, FURTHEST)
        stop = first + (limit or 10)
        statuses = (Status(status.value),) if status else ()
        wanted = JobFilter(processes=tuple(self.processes), statuses=statuses)
        found = self._processes().ledger.jobs(wanted, after=None, limit=stop + 1) if self.processes else []
        return {"jobs": [self._document(one) for one in found[first:stop]], "numberMatched": len(found)}

    def get_job(self, job_id: str) -> dict[str, Any]:
        """Raises JobNotFoundError."""
        job = self._whole(job_id)
        return {**self._document(job), "parameters": dict(job.inputs)}

    def get_job_result(self, job_id: str) -> tuple[str, Any]:
        """(media type, value). Raises JobNotFoundError, JobResultNotFoundError."""
        try:
            found = answer(self._processes(), self._whole(job_id), Request(accept=JSON))
            return found.media_type if isinstance(found, Answer) else JSON, _value(found)
        except (JobFailed, ResultNotReady, ProcessorExecuteError) as error:
            raise JobResultNotFoundError from error

    def delete_job(self, job_id: str) -> bool:
        """Stop it, or remove it and its results when it has ended; False while that can't be.

        Raises JobNotFoundError.
        """
        try:
            dismiss(self.place.context(), Request(), self._job(job_id).id)
        except Conflict:
            LOG.warning("job %s can't be dismissed now", job_id, exc_info=True)
            return False
        return True

    def _processes(self) -> Processes:
        return processes_of(self.place.context())

    def _job(self, id: str) -> Job:
        """Raises JobNotFoundError also for a job of a process that is not in the configuration."""
        try:
            found = self._processes().ledger.get(id)
        except NotFound as error:
            raise JobNotFoundError from error
        if found.process not in self.processes:
            raise JobNotFoundError
        return found

    def _whole(self, id: str) -> WholeJob:
        """With what may be large. Raises as `_job`."""
        try:
            return self._processes().ledger.whole(self._job(id).id)
        except NotFound as error:  # it was removed meanwhile
            raise JobNotFoundError from error

    def _document(self, job: Job) -> dict[str, Any]:
        """The members that pygeoapi reads; `started` is what it sorts by."""
        times = {name: getattr(job, name) for name in ("created", "finished", "updated")}
        told = {name: None if time is None else format_instant(time) for name, time in times.items()}
        return {
            "identifier": job.id,
            "process_id": job.process,
            "status": job.status.value,
            "message": job.message,
            "progress": progress(job, self._processes().ledger.machine(job)) or 0,
            "mimetype": JSON,
            **told,
            "started": format_instant(job.started or job.created),
        }


def _body(inputs: Any, outputs: Any, *, response: str = "raw") -> dict[str, Any]:
    """Of an execute request. An array of outputs asks for them as they are.

    pygeoapi says `raw` for clients that have said nothing: one value comes alone, several as one JSON document.
    """
    wanted = {name: {} for name in outputs} if isinstance(outputs, list) else outputs
    members = {"outputs": wanted, "response": response if response == "document" else None}
    return {"inputs": inputs, **{name: value for name, value in members.items() if value is not None}}


def _submit(context: Context, process: str, body: Mapping[str, Any], *, prefer: str = "") -> Answer | Pending:
    request = Request(body=orjson.dumps(body), content_type=JSON, accept=JSON, prefer=prefer)
    with _refused():
        return execution.execute(context, request, process)


def _job_of(found: Answer) -> str:
    """Which job an answer to an execution is of."""
    told = _JOB.search(found.headers.get("Location", "") or found.headers.get("Link", ""))
    return told[1] if told else ""


def _ended(processes: Processes, id: str, seconds: float) -> WholeJob | None:
    """A job once it has ended; None when it has not in so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if processes.ledger.get(id).status.is_final:
            return processes.ledger.whole(id)
        time.sleep(PAUSE)
    return None


def _awaited(pending: Pending) -> Answer:
    """As our server waits for a job."""
    deadline = time.monotonic() + pending.seconds
    with _refused():
        while time.monotonic() < deadline:
            if (found := pending.ask()) is not None:
                return found
            time.sleep(PAUSE)
        return pending.late()


def _value(found: Answer | dict[str, Any]) -> Any:
    """Results as pygeoapi wants them: JSON decoded, all else as bytes. Raises ProcessorExecuteError."""
    if not isinstance(found, Answer):
        return found
    if found.status == 303:
        raise _TooLarge(user_msg="the result is too large to be sent by pygeoapi; ask Prismcube's own server for it")
    body = found.body if isinstance(found.body, bytes) else b"".join(found.body.chunks())
    return orjson.loads(body) if found.media_type == JSON and body else body


class _TooLarge(ProcessorExecuteError):  # type: ignore[misc]
    http_status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@contextmanager
def _refused() -> Iterator[None]:
    """Errors of ours within, with the status and the words that our server would give."""
    try:
        yield
    except PrismcubeError as error:
        status, body = problem_of(error)
        said = str(orjson.loads(body)["detail"])
        told = ProcessorExecuteError(said, user_msg=said)
        told.http_status_code = HTTPStatus(status)
        told.ogc_exception_code = "InvalidParameterValue" if status == HTTPStatus.BAD_REQUEST else "NoApplicableCode"
        raise told from error
