"""Pages of other sites that read us from a browser (the Fetch standard's CORS protocol).

Never with a browser's own credentials (cookies); a key or token that a page sends itself is no such thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.problems import MEDIA_TYPE, problem

METHODS = ("GET", "HEAD")
ASKED = ("Authorization", "X-API-Key", "X-Request-ID", "If-None-Match", "If-Modified-Since", "Range")
"""Headers that a page may send."""
EXPOSED = (
    "Content-Bbox", "Content-Crs", "Content-Disposition", "Content-Length", "ETag", "Link", "Location",
    "OGC-NumberMatched", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID",
)  # fmt: skip
"""Headers of answers that a page may read."""


class Cors:
    """The application as pages of `origins` may read it; all but what is `apart`, and plans, which name files."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str], apart: Sequence[str]) -> None:
        self._app = app
        self._apart = apart
        self._shared = (
            _Middleware(
                app,
                allow_origins=origins,
                allow_methods=METHODS,
                allow_headers=ASKED,
                expose_headers=EXPOSED,
                max_age=600,
            )
            if origins
            else app
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_apart = any(path == one or path.startswith(f"{one}/") for one in self._apart) or _asks_for_a_plan(scope)
        await (self._app if is_apart else self._shared)(scope, receive, send)


def _asks_for_a_plan(scope: Scope) -> bool:
    asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
    return any(name == "f" and value.strip().lower() == "plan" for name, value in asked)


class _Middleware(CORSMiddleware):
    """Starlette's, but for refusals: these are problem documents."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return Response(status_code=204, headers=_without_body(answer))
        reason = bytes(answer.body).decode().lower().removeprefix("disallowed cors ")
        body = problem(400, f"pages of other sites may not ask so: {reason}")
        return Response(body, 400, headers=_without_body(answer), media_type=MEDIA_TYPE)


def _without_body(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("content-length", "content-type")}
