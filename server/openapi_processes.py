"""The part of the OpenAPI document that describes what is not only read: execution, estimates, and steering of jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prismcube.jobs.documents import OURS
from prismcube.model.machine import Level, Status
from providers.ogc import processes
from providers.ogc.answer import JSON
from providers.ogc.processes import requests
from providers.ogc.processes.execution import LONGEST_KEY
from server.openapi_schemas import NUMBER, OBJECT, TEXT, ref
from server.operation import Operation
from server.routes_processes import ACTIONS, SUBMISSIONS

ADDRESS = {"type": "string", "maxLength": requests.LONGEST_URL, "pattern": "^https?://"}
_MAYBE = {**NUMBER, "nullable": True}
_FORMAT = {"mediaType": TEXT, "encoding": TEXT, "schema": {"anyOf": [TEXT, OBJECT]}}
_OWN = {
    "level": {"type": "string", "enum": [level.value for level in Level]},
    "priority": {"type": "integer", "minimum": -requests.PRIORITIES, "maximum": requests.PRIORITIES},
    "mostBytes": {"type": "integer", "minimum": 1, "maximum": requests.MOST_BYTES},
    "seconds": {"type": "number", "minimum": 0, "maximum": requests.MOST_SECONDS},
}

EXECUTE: dict[str, Any] = {
    "type": "object",
    "description": "What to run, and what to do with the outcome (OGC 18-062r2, execute.yaml)",
    "properties": {
        "inputs": {"type": "object", "description": "By name, as the description of the process says"},
        "outputs": {
            "type": "object",
            "description": "Those that are wanted; without it all of them",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "transmissionMode": {"type": "string", "enum": [*requests.TRANSMISSION]},
                    "format": {
                        "type": "object",
                        "properties": {name: _FORMAT[name] for name in requests.FORMAT},
                        "additionalProperties": False,
                    },
                },
                "additionalProperties": False,
            },
        },
        "response": {"type": "string", "enum": [*requests.RESPONSES]},
        "subscriber": {
            "type": "object",
            "description": "Addresses that are told how the job goes",
            "properties": dict.fromkeys(requests.SUBSCRIBER, ADDRESS),
            "additionalProperties": False,
        },
        OURS: {
            "type": "object",
            "description": "Beyond the standard: how often it waits for a person, and what it may cost",
            "properties": {name: _OWN[name] for name in requests.OWN},
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}


def _listing(name: str, items: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A page with a list, beside it `more` that is always there."""
    members = more | {name: {"type": "array", "items": items}, "links": {"type": "array", "items": ref("Link")}}
    return {"type": "object", "required": [*members], "properties": members}


SCHEMAS: dict[str, dict[str, Any]] = {
    "Execute": EXECUTE,
    "Processes": _listing("processes", ref("ProcessSummary")),
    "ProcessSummary": {
        "type": "object",
        "description": "A process in a list (OGC 18-062r2, processSummary.yaml)",
        "required": ["id", "version", "links"],
        "properties": {
            "id": TEXT,
            "title": TEXT,
            "description": TEXT,
            "version": TEXT,
            "keywords": {"type": "array", "items": TEXT},
            "jobControlOptions": {
                "type": "array",
                "items": {"type": "string", "enum": ["sync-execute", "async-execute", "dismiss"]},
            },
            "outputTransmission": {"type": "array", "items": {"type": "string", "enum": [*requests.TRANSMISSION]}},
            "links": {"type": "array", "items": ref("Link")},
        },
    },
    "Process": {
        "allOf": [
            ref("ProcessSummary"),
            {
                "type": "object",
                "required": ["inputs", "outputs"],
                "properties": {
                    "inputs": {"type": "object", "additionalProperties": ref("ProcessValue")},
                    "outputs": {"type": "object", "additionalProperties": ref("ProcessValue")},
                },
            },
        ]
    },
    "ProcessValue": {
        "type": "object",
        "description": "An input or output",
        "required": ["schema"],
        "properties": {
            "title": TEXT,
            "description": TEXT,
            "minOccurs": {"type": "integer", "minimum": 0},
            "maxOccurs": {"type": "integer", "minimum": 1},
            "schema": OBJECT,
        },
    },
    "StatusInfo": {
        "type": "object",
        "description": "The status of a job (OGC 18-062r2, statusInfo.yaml)",
        "required": ["jobID", "processID", "status", "type"],
        "properties": {
            "processID": TEXT,
            "type": {"type": "string", "enum": ["process"]},
            "jobID": TEXT,
            "status": {"type": "string", "enum": [status.value for status in Status]},
            "message": TEXT,
            **{
                name: {"type": "string", "format": "date-time"}
                for name in ("created", "started", "finished", "updated")
            },
            "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            OURS: OBJECT,
            "links": {"type": "array", "items": ref("Link")},
        },
    },
    "Jobs": _listing("jobs", ref("StatusInfo")),
    "Tasks": _listing("tasks", OBJECT, jobID=TEXT),
    "Logs": _listing("logs", OBJECT, jobID=TEXT),
    "JobGraph": {
        "type": "object",
        "required": ["jobID", "stage", "stages"],
        "properties": {"jobID": TEXT, "stage": TEXT, "stages": {"type": "array", "items": OBJECT}},
    },
    "Estimate": {
        "type": "object",
        "required": ["processID", "tasks", "files", "readBytes", "writtenBytes"],
        "properties": {
            "processID": TEXT,
            "tasks": NUMBER,
            "files": {
                **_MAYBE,
                "description": "Written or removed; where none are, opened, at most. Null: not known before they are",
            },
            "readBytes": {
                **_MAYBE,
                "description": "What mostBytes counts, at most; 0: no pixels are read. Null: not known before they are",
            },
            "writtenBytes": {**NUMBER, "description": "Of the files that are written, before compression"},
            "deletedBytes": {**_MAYBE, "description": "Of the files that are removed. Null: not known"},
            "sourceBytes": {**_MAYBE, "description": "Of the files that are indexed, as they lie. Null: not known"},
        },
    },
}

_HEADERS = [
    {
        "name": "Prefer",
        "in": "header",
        "description": "`respond-async`: at once, with the job's address; `wait=10`: after so many seconds at most.",
        "schema": TEXT,
        "example": "wait=10",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "To submit twice with the same key is to submit once.",
        "schema": {"type": "string", "pattern": f"^[!-~]{{1,{LONGEST_KEY}}}$"},
        "example": "nightly-2026-11-28",
    },
]
_LOCATION = {"Location": {"description": "Where the job is", "schema": TEXT}}

Refusals = Callable[[tuple[str, ...]], Mapping[str, Any]]


def process_paths(*, parameters: Callable[[Operation], list[dict[str, Any]]], refusals: Refusals) -> dict[str, Any]:
    """{path: {method: operation}}; `parameters` describes those in the path and in the query."""
    paths: dict[str, Any] = {}
    for one in (*SUBMISSIONS, *ACTIONS):
        paths.setdefault(one.path, {})[one.methods[0].lower()] = _operation(one, parameters(one), refusals)
    return paths


def _operation(one: Operation, parameters: list[dict[str, Any]], refusals: Refusals) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.operation_id or _name(one.path),
        "summary": one.summary,
        "tags": [one.tag],
        "parameters": parameters,
        "responses": {"200": {"description": one.summary, "content": _content(one)}},
    }
    if one in SUBMISSIONS:
        example = {"inputs": {"stringInput": "teststring"}}
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": ref("Execute"), "example": example}}}
    statuses: tuple[str, ...] = ("400", "401", "403", "404", "409", "413", "414", "429", "500", "503")
    if one in SUBMISSIONS:
        statuses += ("415", "502")
    if one.handler is processes.execute:
        found["parameters"] = [*parameters, *_HEADERS]
        accepted = {JSON: {"schema": ref("StatusInfo")}}
        found["responses"] |= {
            "201": {"description": "The job has been stored", "headers": _LOCATION, "content": accepted},
            "204": {"description": "Results by reference, in Link headers"},
            "303": {"description": "A result too large for this answer", "headers": _LOCATION},
        }
        statuses += ("422",)
    found["responses"] |= refusals(statuses)
    return found


def _content(one: Operation) -> dict[str, Any]:
    if one.handler is processes.execute:
        return {
            JSON: {"schema": {}},
            "multipart/related": {"schema": {"type": "string", "format": "binary"}},
            "text/plain": {"schema": TEXT},
        }
    return {JSON: {"schema": ref("Estimate" if one.handler is processes.estimate else "StatusInfo")}}


def _name(path: str) -> str:
    return f"post{path.rpartition('/')[2].capitalize()}"
