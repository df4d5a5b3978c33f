"""`/metrics`, and the figures that are looked at rather than counted: threads, memory, connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import anyio.to_thread
from prometheus_client.registry import Collector
from sqlalchemy import Pool, QueuePool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from prismcube.cube.engine import engine
from prismcube.cube.gate import MemoryGate
from prismcube.cube.warming import compilations
from server.access import access_of
from server.edge.facts import facts_of
from server.edge.guard import refuse
from server.metrics import Metrics
from server.threads import Threads

SECONDS = 5
"""How often each worker looks at itself, for whichever worker is asked."""


class Measured:
    """An application whose requests are counted while they run."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.running -= 1


class Gauges:
    """Looks at the pools of a worker, and answers `/metrics` for all of them."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        memory: MemoryGate,
        pixels: Threads,
        database: Pool | None = None,
        pages: Measured | None = None,
        page_threads: int = 0,
        others: Sequence[Collector] = (),
    ) -> None:
        self._metrics = metrics
        self._memory = memory
        self._database = database
        self._pixels = pixels
        self._pages = pages
        self._page_threads = page_threads
        self._others = others

    def routes(self) -> list[Route]:
        route = Route("/metrics", self.metrics)
        route.methods = None
        return [route]

    async def metrics(self, request: Request) -> Response:
        """The figures of all workers; for an admin's key where keys are asked for."""
        facts_of(request.scope).route = "/metrics"
        if request.method not in ("GET", "HEAD"):
            return refuse(405, f"{request.method} has no meaning here", allow="GET, HEAD")
        if not access_of(request.scope).is_admin:
            return refuse(403, "the figures of this server are for its admins")
        if request.query_params:
            return refuse(400, f"{next(iter(request.query_params))[:60]}: unknown parameter; this operation knows none")
        self.look()
        body, media_type = await anyio.to_thread.run_sync(
            self._metrics.measured, request.headers.get("accept", ""), *self._others
        )  # asks the database, and reads the files of all workers
        headers = {"content-type": media_type, "cache-control": "no-store", "vary": "Accept"}
        return Response(body, headers=headers)

    @asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """Looks again and again for as long as the block lasts."""
        task = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _look_on(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(SECONDS)

    def look(self) -> None:
        """Write down how things are now."""
        metrics = self._metrics
        metrics.pool("pixels", size=self._pixels.size, busy=self._pixels.busy, waiting=self._pixels.waiting)
        if self._pages is not None:
            running, size = self._pages.running, self._page_threads
            metrics.pool("pages", size=size, busy=min(running, size), waiting=max(0, running - size))
        metrics.memory_total.set(self._memory.total)
        metrics.memory_free.set(self._memory.free)
        if isinstance(self._database, QueuePool):
            metrics.pool("database", size=self._database.size(), busy=self._database.checkedout())
        metrics.engine(engine())
        metrics.compiled(compilations())
