"""Errors as HTTP answers: RFC 9457 problem documents. The one table from error type to status."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import orjson

from prismcube.errors import (
    BudgetExceeded,
    Cancelled,
    CatalogueUnavailable,
    ConfigurationError,
    Conflict,
    InvalidInput,
    NotFound,
    NothingRead,
    Overloaded,
    PrismcubeError,
    SourceError,
    StorageFull,
    TemporaryFailure,
    TimeExceeded,
    UnreadableRow,
)
from providers.errors import (
    Forbidden,
    JobFailed,
    MethodNotAllowed,
    PreconditionFailed,
    Unauthorized,
    UnsupportedMediaType,
)
from server.logs import request_id
from server.redact import redacted

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

MEDIA_TYPE = "application/problem+json"

EXCEPTIONS = {
    "process": "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process",
    "job": "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job",
    "result of job": "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready",
}
"""Types that OGC API - Processes (18-062r2) names, by the entity that is not there."""

STATUS: dict[type[PrismcubeError], int] = {
    Unauthorized: 401,
    Forbidden: 403,
    MethodNotAllowed: 405,
    PreconditionFailed: 412,
    UnsupportedMediaType: 415,
    InvalidInput: 400,
    NotFound: 404,
    Conflict: 409,
    BudgetExceeded: 413,
    StorageFull: 507,
    Overloaded: 503,
    TemporaryFailure: 503,
    TimeExceeded: 503,
    Cancelled: 503,  # nobody reads it
    JobFailed: 422,  # the request of that time could not be carried out
    SourceError: 502,  # the request was right, a file behind us was not
    CatalogueUnavailable: 503,
    ConfigurationError: 503,
    UnreadableRow: 500,
}
"""The first type of this table that an error is an instance of decides."""


def status_of(error: PrismcubeError) -> int:
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def problem(status: int, detail: str, **members: Any) -> bytes:
    """A problem document without a type of its own (`about:blank`: the title is that of the status)."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **_occurrence(),
        **members,
    }
    return orjson.dumps({key: value for key, value in document.items() if value is not None})


def _occurrence() -> dict[str, str]:
    """Of the request: the id that the log has too; as a URI where it is a UUID (RFC 9457, 3.1.5)."""
    found = request_id()
    if not found:
        return {}
    return {"instance": f"urn:uuid:{found}", "requestId": found} if _UUID.fullmatch(found) else {"requestId": found}


def _instead(error: BudgetExceeded) -> dict[str, Any]:
    """The process that can do what one answer can't."""
    if not error.process:
        return {}
    link = {"href": error.href, "rel": "related", "type": "application/json", "title": "The process that can make it"}
    return {"process": error.process, "links": [link]}


def problem_of(error: PrismcubeError) -> tuple[int, bytes]:
    """(status, body) of a known error, with its facts as members."""
    status = status_of(error)
    match error:
        case InvalidInput():
            return status, problem(status, str(error), parameter=error.parameter)
        case NotFound() if error.entity in EXCEPTIONS:
            return status, problem(status, str(error), type=EXCEPTIONS[error.entity])
        case Conflict():
            return status, problem(status, str(error), entity=error.entity, key=error.key)
        case BudgetExceeded():
            return status, problem(status, str(error), asked=error.asked, allowed=error.allowed, **_instead(error))
        case StorageFull():
            return status, problem(status, "the server has no room to write the answer; ask for less, or later")
        case CatalogueUnavailable():
            return status, problem(status, "the catalogue does not answer; the server's log says why")
        case NothingRead():
            return status, problem(status, redacted(error.public))
        case SourceError():
            return status, problem(status, "the files of the archive could not be read; the server's log says why")
        case _:
            return status, problem(status, str(error))
