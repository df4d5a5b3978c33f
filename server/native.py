"""Routes answered on the event loop's side: everything that moves pixels, and the health checks.

    request ─ handler in a pixel thread ─> Answer ─┬ bytes, or a file ─> sent
              │                                    └ Stream ─ next piece in a pixel thread ─> sent, in turn
              └ watched meanwhile: a client that goes, or too long a time, stops the work

The handlers are plain functions; they run in the worker's bounded pool of pixel threads, so that slow readers and
large cubes never hold the threads that answer small pages. A piece is made when the client has taken the one before,
so no thread waits for a slow client.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request as Received
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from prismcube.errors import (
    Cancelled,
    CatalogueUnavailable,
    Overloaded,
    PrismcubeError,
    SourceError,
    StorageFull,
    TimeExceeded,
)
from prismcube.model.access import Access
from providers.ogc.answer import Answer, Means, Request
from server.access import access_of
from server.edge.bodies import body_length
from server.edge.clients import Places, client_of
from server.edge.facts import facts_of
from server.edge.guard import refuse
from server.metrics import Metrics
from server.operation import Operation
from server.problems import MEDIA_TYPE, problem, problem_of
from server.responses import head
from server.routes import PIXELS, by_handler
from server.threads import Threads

LOG = logging.getLogger("prismcube.server")

READING = ("GET", "HEAD")
"""Methods of routes that read. The routes take every method and refuse the others themselves: Starlette would pass a
path whose method doesn't fit on to the next route, which is Flask's."""

Handler = Callable[..., Answer]
Endpoint = Callable[[Received], Awaitable[Response]]


class Watch:
    """The `Stop` of one request: raises Cancelled once the client has gone, TimeExceeded after the deadline."""

    def __init__(self, seconds: float | None) -> None:
        self._gone = threading.Event()
        self._seconds = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def __call__(self) -> None:
        if self._gone.is_set():
            raise Cancelled
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeExceeded(self._seconds or 0)

    def client_has_gone(self) -> None:
        self._gone.set()

    def first_byte_left(self) -> None:
        """From now on the client's speed decides how long it takes."""
        self._deadline = None


@dataclass(frozen=True, kw_only=True)
class Times:
    """Limits of time, in seconds."""

    answer: float
    """Until the first byte of an answer."""
    stall: float
    """How long a client may take nothing."""


class PixelRoutes:
    """The routes of one worker."""

    def __init__(
        self,
        context: Means,
        *,
        operations: Sequence[Operation] = PIXELS,
        ready: Callable[[], bool],
        threads: Threads,
        times: Times,
        places: Places,
        metrics: Metrics,
        is_settled: Callable[[], bool],
    ) -> None:
        """`ready` tells, in a thread, whether `/readyz` may answer yes; `is_settled`, whether kernels are missed."""
        self.context = context
        self._operations = operations
        self._ready = ready
        self.threads = threads
        self.times = times
        self.places = places
        self.metrics = metrics
        self._is_settled = is_settled

    def routes(self) -> list[Route]:
        return [
            _every_method("/healthz", self._reading(self._healthz, "/healthz")),
            _every_method("/readyz", self._reading(self._readyz, "/readyz")),
            *(_every_method(by_handler(one.path), self._endpoint(one)) for one in self._operations),
        ]

    def _endpoint(self, operation: Operation) -> Endpoint:
        async def endpoint(received: Received) -> Response:
            request = Request(
                query=received.query_params.multi_items(),
                accept=received.headers.get("accept", ""),
                base=facts_of(received.scope).base,
                if_none_match=received.headers.get("if-none-match", ""),
                content_type=received.headers.get("content-type", ""),
                range=received.headers.get("range", ""),
                if_range=received.headers.get("if-range", ""),
            )
            return _Worked(self, operation, request, received)

        return self._reading(endpoint, operation.path, methods=operation.methods)

    @staticmethod
    def _reading(endpoint: Endpoint, route: str, *, methods: Sequence[str] = READING) -> Endpoint:
        """The endpoint for its methods; 405 for all others."""

        async def checked(request: Received) -> Response:
            facts = facts_of(request.scope)
            facts.route, facts.collection = route, request.path_params.get("name", "")
            if request.method in methods:
                return await endpoint(request)
            body = problem(405, f"{request.method} has no meaning here")
            return Response(body, 405, headers={"Allow": ", ".join(methods)}, media_type=MEDIA_TYPE)

        return checked

    async def _healthz(self, request: Received) -> Response:
        """Alive: the event loop answers."""
        return Response(b"ok\n", media_type="text/plain")

    async def _readyz(self, request: Received) -> Response:
        """Ready: the catalogue, if there is one, answers, its schema is the one we know; no kernels are missed."""
        if not await anyio.to_thread.run_sync(self._ready):
            body = problem(503, "the catalogue is not there, or not migrated; run prismcube migrate")
        elif not self._is_settled():
            body = problem(503, "kernels are being compiled; until they are there, all is answered, but slowly")
        else:
            return Response(b"ready\n", media_type="text/plain")
        return Response(body, 503, media_type=MEDIA_TYPE)


class _Worked(Response):
    """An answer that a handler makes while it is watched whether the client is still there."""

    def __init__(self, routes: PixelRoutes, operation: Operation, request: Request, received: Received) -> None:
        self._routes = routes
        self._handler: Handler = operation.handler
        self._methods = operation.methods
        self._request = request
        self._received = received
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        routes = self._routes
        if routes.threads.is_full:
            routes.metrics.refusals.labels("queue").inc()
            detail = f"{routes.threads.waiting:,} requests are waiting already; try again later"
            await refuse(503, detail, retry_after="5")(scope, receive, send)
            return
        with routes.places.taken(client_of(scope)) as is_free:
            if is_free:
                await self._taken(scope, receive, send)
                return
        routes.metrics.refusals.labels("client requests").inc()
        detail = f"this client has {routes.places.most:,} requests running or waiting already; try again later"
        await refuse(429, detail, retry_after="1")(scope, receive, send)

    async def _taken(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "POST" not in self._methods:
            await self._watched(scope, receive, send)
            return
        try:
            with self._routes.context.memory.keep(body_length(scope)):
                self._request = replace(self._request, body=await self._received.body())
                await self._watched(scope, receive, send)
        except Overloaded as error:
            status, body = problem_of(error)
            await _send(send, status, {"content-type": MEDIA_TYPE, "cache-control": "no-store"}, body)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        watch = Watch(self._routes.times.answer)
        watcher = asyncio.ensure_future(_tell_of_going(receive, watch))
        try:
            await self._answer(scope, send, watch)
        finally:
            watcher.cancel()

    async def _answer(self, scope: Scope, send: Send, watch: Watch) -> None:
        context = replace(self._routes.context, stop=watch, access=access_of(scope))

        def work() -> Answer:
            return self._handler(context, self._request, **self._received.path_params)

        try:
            answer = await self._routes.threads.run(work)
            await self._deliver(answer, context.access, send, watch)
        except PrismcubeError as error:
            self._tell(error)
            status, body = problem_of(error)
            await _send(send, status, {"content-type": MEDIA_TYPE, "cache-control": "no-store"}, body)

    def _tell(self, error: PrismcubeError) -> None:
        note(error, self._received.scope, self._routes.metrics)

    async def _deliver(self, answer: Answer, access: Access, send: Send, watch: Watch) -> None:
        status, headers = head(answer, if_none_match=self._request.if_none_match, access=access)
        if isinstance(answer.body, bytes):
            await _send(send, status, headers, b"" if status in (204, 304) else answer.body)
            return
        pieces = answer.body.chunks()
        try:
            if status == 304 or self._received.method == "HEAD":
                await _send(send, status, headers, b"")
            else:
                await self._stream(send, status, headers, pieces, watch)
        finally:
            # In a thread: it may wait for the reader to come to its end.
            await anyio.to_thread.run_sync(_close, answer.body, pieces, limiter=CapacityLimiter(1))

    async def _stream(
        self, send: Send, status: int, headers: dict[str, str], pieces: Iterator[bytes], watch: Watch
    ) -> None:
        piece = await self._routes.threads.run(next, pieces, b"")  # one that fails has a status yet
        await send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
        while True:
            watch.first_byte_left()
            message = {"type": "http.response.body", "body": piece, "more_body": bool(piece)}
            try:
                await asyncio.wait_for(send(message), self._routes.times.stall)
            except TimeoutError:
                self._routes.metrics.stalls.inc()
                LOG.warning("%s: the client took nothing for %g s", self._received.url.path, self._routes.times.stall)
                # The connection ends without the last chunk, so that the client knows the answer is not whole.
                raise ConnectionAbortedError("the client took nothing for too long") from None
            if not piece:
                return
            try:
                piece = await self._routes.threads.run(next, pieces, b"")
            except PrismcubeError as error:
                self._tell(error)
                raise ConnectionAbortedError("the rest of the answer can't be made") from error


def note(error: PrismcubeError, scope: Scope, metrics: Metrics) -> None:
    """Count what a request has failed by, and log what its client is not told."""
    metrics.failed(error)
    if isinstance(error, SourceError | CatalogueUnavailable | StorageFull):
        LOG.error("%s: %s", scope["path"], error)


async def _tell_of_going(receive: Receive, watch: Watch) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watch.client_has_gone()


def _close(body: Any, pieces: Any) -> None:
    """Ends the making of pieces, and frees the file that they came from."""
    pieces.close()
    file = getattr(body, "file", None)
    if file is not None:
        file.close()


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    if status not in (204, 304):
        headers = {**headers, "content-length": headers.get("content-length", str(len(body)))}
    await send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": body})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _every_method(path: str, endpoint: Endpoint) -> Route:
    route = Route(path, endpoint)
    route.methods = None
    return route
