"""Routes answered on the event loop's side: everything that moves pixels, and the health checks.

The handlers are plain functions; they run in the worker's bounded pool of pixel threads, so that slow readers and
large cubes never hold the threads that answer small pages.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from prismcube.errors import Cancelled, CatalogueUnavailable, PrismcubeError, SourceError, StorageFull
from providers.ogc import coverage, edr, maptiles
from providers.ogc.answer import Answer, Context, FileBody
from server.problems import MEDIA_TYPE, problem, problem_of

LOG = logging.getLogger("prismcube.server")

READING = ("GET", "HEAD")
"""Methods these routes know. The routes take every method and refuse the others themselves: Starlette would pass a
path whose method doesn't fit on to the next route, which is Flask's."""

Handler = Callable[[Request, Context], Answer]
Endpoint = Callable[[Request], Awaitable[Response]]


class PixelRoutes:
    """The routes of one worker; `threads` handlers run at once, more wait."""

    def __init__(self, context: Context, *, threads: int) -> None:
        self._context = context
        self._threads = threads
        self._limiter: CapacityLimiter | None = None  # made on the worker's own event loop

    def routes(self) -> list[Route]:
        return [
            _every_method("/healthz", self._reading(self._healthz)),
            _every_method("/readyz", self._reading(self._readyz)),
            _every_method("/collections/{name}/coverage", self._endpoint(self._coverage)),
            _every_method("/collections/{name}/position", self._endpoint(self._position)),
            _every_method("/collections/{name}/area", self._endpoint(self._area)),
            _every_method("/collections/{name}/map/tiles/{tms}/{z}/{row}/{col}", self._endpoint(self._tile)),
        ]

    def _coverage(self, request: Request, context: Context) -> Answer:
        return coverage.coverage(context, request.path_params["name"], _query(request), accept=_accept(request))

    def _position(self, request: Request, context: Context) -> Answer:
        return edr.position(context, request.path_params["name"], _query(request), accept=_accept(request))

    def _area(self, request: Request, context: Context) -> Answer:
        return edr.area(context, request.path_params["name"], _query(request), accept=_accept(request))

    def _tile(self, request: Request, context: Context) -> Answer:
        name, tms, z, row, col = (request.path_params[part] for part in ("name", "tms", "z", "row", "col"))
        place = maptiles.TilePlace(tms, z, row, col)
        return maptiles.tile(context, name, place, _query(request), accept=_accept(request))

    def _endpoint(self, handler: Handler) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            if self._limiter is None:
                self._limiter = CapacityLimiter(self._threads)
            try:
                answer = await self._run(handler, request, self._limiter)
            except PrismcubeError as error:
                if isinstance(error, SourceError | CatalogueUnavailable | StorageFull):
                    LOG.error("%s: %s", request.url.path, error)
                status, body = problem_of(error)
                return Response(body, status, media_type=MEDIA_TYPE)
            return _response(answer, self._limiter)

        return self._reading(endpoint)

    @staticmethod
    def _reading(endpoint: Endpoint) -> Endpoint:
        """The endpoint for those methods that only read; 405 for all others."""

        async def checked(request: Request) -> Response:
            if request.method in READING:
                return await endpoint(request)
            body = problem(405, f"{request.method} has no meaning here")
            return Response(body, 405, headers={"Allow": ", ".join(READING)}, media_type=MEDIA_TYPE)

        return checked

    async def _run(self, handler: Handler, request: Request, limiter: CapacityLimiter) -> Answer:
        """The handler in a pixel thread, told to stop when the client goes."""
        gone = threading.Event()

        def stop() -> None:
            if gone.is_set():
                raise Cancelled

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            gone.set()

        watcher = asyncio.ensure_future(watch())
        try:
            context = replace(self._context, stop=stop)
            return await anyio.to_thread.run_sync(handler, request, context, limiter=limiter)
        finally:
            watcher.cancel()

    async def _healthz(self, request: Request) -> Response:
        """Alive: the event loop answers."""
        return Response(b"ok\n", media_type="text/plain")

    async def _readyz(self, request: Request) -> Response:
        """Ready: the catalogue answers and its schema is the one this code knows."""
        if await anyio.to_thread.run_sync(self._context.catalogue.ready):
            return Response(b"ready\n", media_type="text/plain")
        body = problem(503, "the catalogue is not there, or not migrated; run prismcube migrate")
        return Response(body, 503, media_type=MEDIA_TYPE)


def _every_method(path: str, endpoint: Endpoint) -> Route:
    route = Route(path, endpoint)
    route.methods = None
    return route


def _query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items()


def _accept(request: Request) -> str:
    return request.headers.get("accept", "")


def _response(answer: Answer, limiter: CapacityLimiter) -> Response:
    headers = dict(answer.headers)
    if isinstance(answer.body, FileBody):
        headers["Content-Length"] = str(answer.body.size)
        return StreamingResponse(
            _chunks(answer.body, limiter), answer.status, headers=headers, media_type=answer.media_type
        )
    if answer.status == 204:
        return Response(status_code=204, headers=headers)
    return Response(answer.body, answer.status, headers=headers, media_type=answer.media_type)


async def _chunks(body: FileBody, limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    """The file in pieces, read in a pixel thread; closed when the client has gone."""
    chunks = body.chunks()
    try:
        while chunk := await anyio.to_thread.run_sync(next, chunks, b"", limiter=limiter):
            yield chunk
    finally:
        chunks.close()
        body.file.close()
