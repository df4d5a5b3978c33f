"""What every server has around what it answers with: the edge, limits from settings, errors of last resort."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from config.settings import Settings
from providers.ogc.answer import Limits
from server.authentication import Authentication
from server.edge.bodies import Bodies
from server.edge.clients import Rate
from server.edge.cors import Cors
from server.edge.forwarded import Forwarded
from server.edge.guard import Guard, Sizes, refuse
from server.edge.headers import SecurityHeaders
from server.edge.requests import Requests
from server.keyring import Keyring
from server.metrics import Metrics

LOG = logging.getLogger("prismcube.server")


def limits_of(settings: Settings) -> Limits:
    """What one request may cost."""
    limits = settings.limits
    return Limits(
        answer_bytes=int(limits.answer_bytes),
        working_bytes=int(limits.working_bytes),
        read_bytes=int(limits.read_bytes),
        pixels=limits.pixels,
        slices=limits.slices,
        json_values=limits.json_values,
        items=limits.items,
        default_items=limits.default_items,
        vertices=limits.vertices,
        counted=limits.counted,
    )


def edged(
    app: ASGIApp,
    settings: Settings,
    *,
    metrics: Metrics,
    keyring: Keyring | None,
    pages: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    apart: tuple[str, ...],
) -> ASGIApp:
    """What requests pass on their way to `app`, from the inside out.

    `pages` makes pages of errors, for browsers; pages of other sites never read what lies at the paths `apart`.
    """
    serve, limits = settings.serve, settings.limits
    app = Bodies(
        app, most=int(limits.body_bytes), seconds=limits.body_seconds, folder=settings.home / "tmp"
    )  # after all that may refuse, before any thread
    rate = None
    if limits.client_rate is not None:
        app = rate = Rate(app, rate=limits.client_rate, storage=limits.rate_storage, metrics=metrics)
    app = Authentication(app, settings, keyring=keyring, rate=rate)  # a rate is counted for a key or user
    sizes = Sizes(url_bytes=limits.url_bytes, header_bytes=limits.header_bytes, parameters=limits.parameters)
    app = Guard(app, sizes=sizes)
    app = pages(app)
    app = Cors(app, origins=serve.cors_origins, apart=apart)
    app = SecurityHeaders(app)
    app = Forwarded(app, trusted=serve.trusted_proxies, public_url=serve.public_url, standard=serve.forwarded)
    return Requests(app, metrics=metrics)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    response = refuse(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _on_unknown_error(request: Request, error: Exception) -> Response:
    """A defect of ours: the log has the trace, the client a plain sentence."""
    LOG.error("unexpected error answering %s", request.url.path, exc_info=error)
    return refuse(500, "this is a defect of the server; its log has the details")


ON_ERROR: Mapping[Any, Callable[[Request, Exception], Any]] = {
    HTTPException: _on_http_error,
    Exception: _on_unknown_error,
}
"""For Starlette: what no handler has dealt with."""
