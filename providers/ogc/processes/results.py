"""The results of a job as it was asked for them (OGC 18-062r2, clauses 7.11.4 and 7.13).

    response=document            one JSON object: values, or links to them
    response=raw, one output     the value itself; by reference: 204 with a Link
    response=raw, several        multipart/related, a part each; all by reference: 204 with Links

The same function answers those who waited for the job and those who come later.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from prismcube.errors import NotFound, SourceError
from prismcube.jobs.entities import Job, WholeJob
from prismcube.jobs.results import ResultFiles, address, shown
from prismcube.model.machine import Status
from prismcube.storage import store
from providers.errors import JobFailed, ResultNotReady
from providers.ogc.answer import JSON, Answer, Context, Keep, Request, Stream
from providers.ogc.negotiate import by_preference
from providers.ogc.offer import Processes
from providers.ogc.params import Query
from providers.ogc.processes.offered import processes_of, whole_job_of
from providers.ogc.processes.ranges import part_of
from providers.ogc.validators import has_tag

TEXT = "text/plain; charset=utf-8"
LARGEST_VALUE = 64 * 2**20
"""Bytes of files that one answer has by value; what is larger is sent from its own address."""
PIECE = 2**20


def results(context: Context, request: Request, job: str) -> Answer | dict[str, Any]:
    """`/jobs/{jobID}/results`. Raises NotFound, ResultNotReady, JobFailed."""
    query = Query(request.query, known=("f", "lang"))
    one = whole_job_of(context, job)
    return answer(processes_of(context), one, request, f=query.text("f"))


def output(context: Context, request: Request, job: str, output: str) -> Answer:
    """`/jobs/{jobID}/results/{output}`: the value itself, or the file that it is.

    Raises NotFound, ResultNotReady, JobFailed.
    """
    Query(request.query, known=())
    processes = processes_of(context)
    one = whole_job_of(context, job)
    check_ended_well(one)
    if output not in one.results:
        raise NotFound("output", output)
    value = one.results[output]
    uri = processes.files.uri(one.id, value)
    if uri is not None:
        return _file(uri, str(value.get("type") or "application/octet-stream"), request)
    body, media_type = _raw(value, _schemas(processes, one).get(output, {}))
    return Answer(body, media_type, keep=Keep.NEVER)


def check_ended_well(job: Job) -> None:
    """Raises ResultNotReady, JobFailed."""
    if job.status is Status.FAILED:
        raise JobFailed(job.id, stage=job.stage, message=job.message)
    if job.status is not Status.SUCCESSFUL:
        raise ResultNotReady(job.id, status=job.status.value, is_final=job.status.is_final)


def answer(processes: Processes, job: WholeJob, request: Request, *, f: str | None = None) -> Answer | dict[str, Any]:
    """The results as the execute request wanted them; a dict where they are a document."""
    check_ended_well(job)
    wanted = _wanted(_schemas(processes, job), job)
    if _is_document(job, request, f, len(wanted)):
        values = shown({one.id: one.value for one in wanted}, job.id, processes.files, base=request.base)
        return {one.id: _entry(one, values[one.id], job, base=request.base) for one in wanted}
    if all(one.by_reference for one in wanted):
        links = [f'<{address(request.base, job.id, one.id)}>; rel="item"; title="{one.id}"' for one in wanted]
        return Answer(b"", status=204, headers={"Link": ", ".join(links)} if links else {})
    if len(wanted) == 1:
        return _one(processes.files, job, wanted[0], request)
    return _multipart(processes.files, job, wanted, request)


@dataclass(frozen=True)
class _Wanted:
    """An output that the answer has."""

    id: str
    value: Any
    schema: Mapping[str, Any]
    by_reference: bool


def _wanted(schemas: Mapping[str, Mapping[str, Any]], job: WholeJob) -> list[_Wanted]:
    """Outputs in the order of the description; those that a job did not give are left out."""
    asked = job.request.get("outputs")
    return [
        _Wanted(name, job.results[name], schema, (asked or {}).get(name, {}).get("transmissionMode") == "reference")
        for name, schema in schemas.items()
        if name in job.results and (asked is None or name in asked)
    ]


def _is_document(job: WholeJob, request: Request, f: str | None, count: int) -> bool:
    if f is not None:  # a format of documents
        return True
    asked = job.request.get("response", "")
    if asked:
        return bool(asked == "document") or _prefers(request, "text/html")
    return _prefers(request, "text/html") or (count > 1 and _prefers(request, JSON))


def _prefers(request: Request, media_type: str) -> bool:
    found = by_preference(request.accept)
    return bool(found) and found[0].partition(";")[0] == media_type


def _entry(one: _Wanted, value: Any, job: Job, *, base: str) -> Any:
    """An output in a document of results."""
    if one.by_reference:
        return {"href": address(base, job.id, one.id), "type": _type(one), "title": one.id}
    return value


def _type(one: _Wanted) -> str:
    if isinstance(one.value, Mapping) and isinstance(one.value.get("href"), str):
        return str(one.value.get("type") or "application/octet-stream")
    return _raw(one.value, one.schema)[1]


def _one(files: ResultFiles, job: WholeJob, one: _Wanted, request: Request) -> Answer:
    content = _value(files, job, one, room=LARGEST_VALUE)
    if content is None:
        return Answer(b"", status=303, headers={"Location": address(request.base, job.id, one.id)})
    return Answer(content, _type(one), keep=Keep.NEVER)


def _value(files: ResultFiles, job: WholeJob, one: _Wanted, *, room: int) -> bytes | None:
    """The bytes of an output; None for a file that is larger than the room that an answer has left."""
    uri = files.uri(job.id, one.value)
    if uri is None:
        return _raw(one.value, one.schema)[0]
    return store.read(uri) if store.stat(uri).size <= room else None


def _multipart(files: ResultFiles, job: WholeJob, wanted: list[_Wanted], request: Request) -> Answer:
    """RFC 2387: a part each, called by the id of the output; one by reference has an address and no body."""
    boundary = f"prismcube-{secrets.token_hex(16)}"
    parts, room = [], LARGEST_VALUE
    for one in wanted:
        content = None if one.by_reference else _value(files, job, one, room=room)
        parts.append(_part(job, one, content, request, boundary))
        room -= len(content or b"")
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    kind = _type(wanted[0]).partition(";")[0]
    return Answer(body, f'multipart/related; type="{kind}"; boundary={boundary}', keep=Keep.NEVER)


def _part(job: WholeJob, one: _Wanted, content: bytes | None, request: Request, boundary: str) -> bytes:
    """One that has no content has an address."""
    head = [f"Content-Type: {_type(one)}", f"Content-ID: <{one.id}>"]
    if content is None:
        head.append(f"Content-Location: {address(request.base, job.id, one.id)}")
    begin = "\r\n".join([f"--{boundary}", *head, "", ""])
    return begin.encode() + (content or b"") + b"\r\n"


def _schemas(processes: Processes, job: WholeJob) -> Mapping[str, Mapping[str, Any]]:
    """Of the outputs; of a job whose process is known no more, any for all that it has given."""
    try:
        return {name: one.schema for name, one in processes.get(job.process).outputs.items()}
    except NotFound:
        return {name: {} for name in job.results}


def _raw(value: Any, schema: Mapping[str, Any]) -> tuple[bytes, str]:
    """The value alone and its media type: text as text, base64 as the bytes that it stands for, all else as JSON."""
    if isinstance(value, str):
        media_type, encoding = schema.get("contentMediaType"), schema.get("contentEncoding")
        if media_type and encoding == "base64":
            try:
                return base64.b64decode(value, validate=False), str(media_type)
            except binascii.Error:
                return value.encode(), TEXT
        return value.encode(), str(media_type or TEXT)
    return orjson.dumps(value), JSON


def _file(uri: str, media_type: str, request: Request) -> Answer:
    """A file of the results, or the part of it that is asked for (RFC 9110, 14)."""
    status = store.stat(uri)
    etag = f'"{status.etag}"'
    headers = {"Accept-Ranges": "bytes"}
    part = part_of(request.range, status.size) if request.if_range in ("", etag) else None
    if part is None or has_tag(request.if_none_match, etag):  # what the client has comes before its range (13.2.2)
        return Answer(Stream(_pieces(uri, 0, status.size), status.size), media_type, headers=headers, etag=etag)
    start, stop = part
    if start >= stop:
        return Answer(b"", status=416, headers={**headers, "Content-Range": f"bytes */{status.size}"})
    told = f"bytes {start}-{stop - 1}/{status.size}"
    headers |= {"Content-Range": told, "Content-Length": str(stop - start), "ETag": etag}
    return Answer(Stream(_pieces(uri, start, stop), stop - start), media_type, status=206, headers=headers)


def _pieces(uri: str, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        piece = store.read_range(uri, start, min(PIECE, stop - start))
        if not piece:
            raise SourceError(uri, "became shorter while it was sent")
        yield piece
        start += len(piece)
