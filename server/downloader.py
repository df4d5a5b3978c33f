"""`prismcube serve --role downloader`: makes cubes of plans, without a catalogue or any database.

request ─ server.shell.edged ─ OwnPages ─┬ POST /plans ──> server.native ─> providers.plans
                                         └ health, metrics
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from config.settings import Settings
from prismcube.cube.engine import configure
from prismcube.cube.gate import MemoryGate
from prismcube.storage import buckets
from prismcube.storage.doors import Doors, is_public_address
from prismcube.storage.gateway import Gateway
from providers import plans
from providers.errors import Forbidden
from server.edge.clients import Places
from server.edge.facts import facts_of
from server.edge.guard import refuse
from server.engines import engine_settings, make_kernels
from server.figures import Gauges
from server.metrics import Metrics
from server.native import PixelRoutes, Times
from server.operation import Operation
from server.origin import check_origin
from server.shell import ON_ERROR, edged, limits_of
from server.threads import Threads

PLANS = Operation(
    path="/plans",
    handler=plans.download,
    methods=("POST",),
    summary="The cube of a plan",
    tag="Plans",
    parameters=plans.PARAMETERS,
    media_types=tuple(dict.fromkeys(plans.FORMATS.values())),
    formats=plans.FORMATS,
)


def create_downloader(settings: Settings, metrics: Metrics) -> ASGIApp:
    """The application of one worker."""
    # Decoded blocks are kept by the address of a file, and a stranger's plan may lie about where they are in it: what
    # is kept would be wrong for the next one.
    configure(replace(engine_settings(settings), cache_bytes=0))
    buckets.wait_at_most(settings.engine.request_seconds)
    kernels = make_kernels(settings)
    limits = settings.limits
    doors = Doors(
        roots=settings.downloader.roots,
        public_http=settings.downloader.public_http,
        setting="prismcube.downloader.roots",
    )
    gateway = Gateway(is_public_address)
    buckets.route(lambda uri: None if doors.is_below(uri) else gateway.url)
    means = plans.Downloads(
        limits=limits_of(settings),
        temporary=settings.home / "tmp",
        memory=MemoryGate(int(limits.working_bytes)),
        observer=metrics,
        doors=doors,
    )
    threads = Threads(settings.serve.threads, queue=limits.queue)
    gauges = Gauges(metrics, memory=means.memory, pixels=threads)
    pixels = PixelRoutes(
        means,
        operations=(PLANS,),
        ready=lambda: True,
        is_settled=lambda: kernels.is_settled,
        threads=threads,
        times=Times(answer=limits.seconds, stall=limits.stall_seconds),
        places=Places(limits.client_requests),
        metrics=metrics,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        kernels.begin()
        try:
            async with gauges.kept_fresh():
                yield
        finally:
            await anyio.to_thread.run_sync(kernels.end)

    routes = [*pixels.routes(), *gauges.routes()]
    app = OwnPages(
        Starlette(routes=routes, exception_handlers=ON_ERROR, lifespan=lifespan),
        named=settings.serve.public_url is not None,
    )
    return edged(app, settings, metrics=metrics, keyring=None, apart=("/plans", "/metrics"))


class OwnPages:
    """Refuses plans from pages of other sites: who visits one does not know what it asks his machine for."""

    def __init__(self, app: ASGIApp, *, named: bool) -> None:
        """`named`: the settings name the address of the server."""
        self._app = app
        self._named = named

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            try:
                check_origin(scope["headers"], facts_of(scope).base, named=self._named)
            except Forbidden as error:
                await refuse(403, str(error))(scope, receive, send)
                return
        await self._app(scope, receive, send)
