"""Errors of HTTP itself that handlers raise: the request is refused whatever the catalogue holds."""

from __future__ import annotations

from collections.abc import Sequence

from prismcube.errors import NotFound, PrismcubeError
from prismcube.model.access import Access


class ResultNotReady(NotFound):
    """The job has not ended, or was given up (OGC 18-062r2, /req/core/job-results-exception-results-not-ready)."""

    def __init__(self, job: str, *, status: str, is_final: bool) -> None:
        super().__init__("result of job", job)
        self.args = (f"job {job} is {status}: it has no results" + ("" if is_final else " yet"),)


class JobFailed(PrismcubeError):
    """The job has no results, because it failed (OGC 18-062r2, /req/core/job-results-failed)."""

    def __init__(self, job: str, *, stage: str, message: str) -> None:
        super().__init__(f"job {job} failed in the stage {stage!r}: {message}")


class MethodNotAllowed(PrismcubeError):
    """The resource does not know the method."""

    def __init__(self, reason: str, *, allowed: Sequence[str]) -> None:
        super().__init__(reason)
        self.allowed = tuple(allowed)


class PreconditionFailed(PrismcubeError):
    """If-Match names another state of the entity than the present one."""


class UnsupportedMediaType(PrismcubeError):
    """The body is of a kind that the resource does not take."""


class Forbidden(PrismcubeError):
    """The caller may not do this here."""


class Unauthorized(Forbidden):
    """Nobody may do this without a key or token, and none was shown."""


def refused(access: Access, reason: str) -> Forbidden:
    """The error for what this caller may not do."""
    return Unauthorized(reason) if access.may_identify else Forbidden(reason)
