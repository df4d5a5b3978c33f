"""The ASGI root of a worker.

request ─ too long a URL, or bytes that are no URL? ─> problem
        ├ pygeoapi's own resource? ──────────────────> a2wsgi ─> pygeoapi's Flask app
        ├ pixels, health ────────────────────────────> server.native
        └ all else ──────────────────────────────────> a2wsgi ─> server.pages
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from config.settings import Settings
from prismcube.catalogue.catalogue import Catalogue
from prismcube.cube.gate import MemoryGate
from prismcube.storage.uri import canonical_uri
from providers.ogc.answer import Context, Limits
from server.catalogue import Writers
from server.host import Host
from server.native import PixelRoutes, Times
from server.pages import Pages, flask_app
from server.problem_pages import ProblemPages
from server.problems import MEDIA_TYPE, problem

LOG = logging.getLogger("prismcube.server")

PAGE_THREADS = 8
"""Threads of a worker for small answers; they never wait for pixels."""

HOST = re.compile(rb"[A-Za-z0-9._~-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
"""What a Host header may hold (RFC 9110, 7.2): it goes into links."""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
CONTENT_SECURITY_POLICY = (
    b"content-security-policy",
    b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'",
)


def make_context(settings: Settings) -> Context:
    """The domain's objects from settings; made in each worker, after the fork."""
    limits = settings.limits
    return Context(
        catalogue=Catalogue(settings.catalogue_url, managed=canonical_uri(settings.managed)),
        limits=Limits(
            answer_bytes=int(limits.answer_bytes),
            working_bytes=int(limits.working_bytes),
            read_bytes=int(limits.read_bytes),
            pixels=limits.pixels,
            slices=limits.slices,
            json_values=limits.json_values,
            items=limits.items,
            default_items=limits.default_items,
            vertices=limits.vertices,
        ),
        temporary=settings.home / "tmp",
        memory=MemoryGate(int(limits.working_bytes)),
    )


def create_app(settings: Settings) -> ASGIApp:
    """The application of one worker."""
    # GDAL tells of each value it moved off nodata, which is a rule of ours (docs/concepts/pixels.md), not news.
    logging.getLogger("rasterio").setLevel(logging.ERROR)
    context = make_context(settings)
    address = settings.serve.public_url or f"http://{settings.serve.host}:{settings.serve.port}"
    host = Host(settings.pygeoapi, url=address)
    context = replace(context, others=host.entries)
    pages = Pages(
        context,
        host,
        public_url=settings.serve.public_url,
        writers=Writers.of(settings),
        body_bytes=int(settings.limits.body_bytes),
    )
    small = _wsgi(flask_app(pages))
    times = Times(answer=settings.limits.seconds, stall=settings.limits.stall_seconds)
    base = base_of(settings.serve.public_url)
    pixels = PixelRoutes(context, threads=settings.serve.threads, times=times, base=base)
    app = Starlette(
        routes=[*pixels.routes(), Mount("/", app=small)],
        exception_handlers={HTTPException: _on_http_error, Exception: _on_unknown_error},
    )
    root: ASGIApp = Root(app, stock=_wsgi(host.app), host=host, url_bytes=settings.limits.url_bytes)
    root = ProblemPages(root, host=host, base=base, headers=(CONTENT_SECURITY_POLICY,))
    if settings.pygeoapi["server"].get("cors"):
        exposed = ["Content-Crs", "Content-Bbox", "Content-Disposition"]
        shared = CORSMiddleware(root, allow_origins=["*"], allow_methods=["GET"], expose_headers=exposed)
        root = Apart(shared, own=root, prefix="/catalogue")
    return root


def base_of(public_url: str | None) -> Callable[[Scope], str]:
    """Gives the address for links: the one the settings name, else the one that the request came to."""

    def base(scope: Scope) -> str:
        if public_url is not None:
            return public_url
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1") or "{}:{}".format(*scope["server"])
        return f"{scope.get('scheme', 'http')}://{host}{scope.get('root_path', '').rstrip('/')}"

    return base


def _wsgi(app: Any) -> ASGIApp:
    return cast(ASGIApp, WSGIMiddleware(app, workers=PAGE_THREADS))


class Apart:
    """What lies under `prefix` is not for pages of other sites: it names the files of the archive."""

    def __init__(self, shared: ASGIApp, *, own: ASGIApp, prefix: str) -> None:
        self._shared = shared
        self._own = own
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_own = path == self._prefix or path.startswith(f"{self._prefix}/")
        await (self._own if is_own else self._shared)(scope, receive, send)


class Root:
    """Refuses what no handler should see, chooses between pygeoapi's application and ours, adds security headers."""

    def __init__(self, app: ASGIApp, *, stock: ASGIApp, host: Host, url_bytes: int) -> None:
        self._app = app
        self._stock = stock
        self._host = host
        self._url_bytes = url_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), *SECURITY_HEADERS]
                if any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers):
                    headers.append(CONTENT_SECURITY_POLICY)
                message = {**message, "headers": headers}
            await send(message)

        refused = self._refusal(scope)
        if refused:
            await refused(scope, receive, send_with_headers)
        elif self._host.answers(scope["path"]):
            await self._stock(scope, receive, send)
        else:
            await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        length = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if length > self._url_bytes:
            return _problem(414, f"the address has {length:,} bytes, at most {self._url_bytes:,} are allowed")
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1 or not all(HOST.fullmatch(host) for host in hosts):
            return _problem(400, "the Host header is not the name of a host")
        if not scope["query_string"].isascii() or "\x00" in scope["path"]:
            return _problem(400, "the address holds bytes that belong percent-encoded")
        return None


def _problem(status: int, detail: str) -> Response:
    return Response(problem(status, detail), status, media_type=MEDIA_TYPE)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    response = _problem(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


async def _on_unknown_error(request: Request, error: Exception) -> Response:
    """A defect of ours: the log has the trace, the client a plain sentence."""
    LOG.error("unexpected error answering %s", request.url.path, exc_info=error)
    return _problem(500, "this is a defect of the server; its log has the details")
