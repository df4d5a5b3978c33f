"""The ASGI application of a worker.

request ─ id, log, figures ─ forwarded ─ security headers ─ CORS ─ guard ─ caller ─ rate ─ bodies ─ Root
          (server.edge and server.authentication, from the outside in)                              │
          ┌─────────────────────────────────────────────────────────────────────────────────────────┘
          ├ pygeoapi's own resource? ──> a2wsgi ─> pygeoapi's Flask app
          ├ pixels, health, metrics ───> server.native
          ├ what waits for jobs ───────> server.submissions
          └ all else ──────────────────> a2wsgi ─> server.pages
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import anyio.to_thread
import flask
from a2wsgi import WSGIMiddleware
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from config.settings import Settings
from prismcube.catalogue.catalogue import Catalogue
from prismcube.cube.engine import configure
from prismcube.cube.gate import MemoryGate
from prismcube.errors import PrismcubeError
from prismcube.storage.buckets import wait_at_most
from prismcube.storage.uri import canonical_uri
from providers.errors import refused
from providers.ogc.answer import Context
from server.access import access_of
from server.edge.clients import Places
from server.edge.facts import facts_of
from server.edge.headers import STOCK
from server.engines import engine_settings, make_kernels
from server.figures import Gauges, Measured
from server.host import Host
from server.jobs.desk import Desk
from server.jobs.figures import JobFigures
from server.keyring import Keyring
from server.matrix_sets import read_matrix_sets
from server.metrics import Metrics
from server.native import PixelRoutes, Times
from server.origin import check_origin
from server.pages import Pages, flask_app
from server.problem_pages import ProblemPages
from server.problems import MEDIA_TYPE, problem_of
from server.shell import ON_ERROR, edged, limits_of
from server.submissions import Submissions
from server.threads import Threads

LOG = logging.getLogger("prismcube.server")

PAGE_THREADS = 8
"""Threads of a worker for small answers; they never wait for pixels."""


def make_context(settings: Settings, metrics: Metrics) -> Context:
    """The domain's objects from settings; made in each worker, after the fork."""
    return Context(
        catalogue=Catalogue(settings.catalogue_url, managed=canonical_uri(settings.managed)),
        limits=limits_of(settings),
        temporary=settings.home / "tmp",
        memory=MemoryGate(int(settings.limits.working_bytes)),
        matrix_sets=read_matrix_sets(settings.tiles.matrix_sets),
        observer=metrics,
    )


def create_app(settings: Settings, metrics: Metrics | None = None) -> ASGIApp:
    """The application of one worker, which counts in `metrics`."""
    configure(engine_settings(settings))
    wait_at_most(settings.engine.request_seconds)
    metrics = metrics or Metrics()
    serve = settings.serve
    host = Host(settings.pygeoapi, url=serve.public_url or f"http://{serve.host}:{serve.port}")
    context = make_context(settings, metrics)
    context = replace(
        context,
        others=host.entries,
        other_processes=host.process_entries,
        processes=Desk(settings, context.catalogue),
    )
    return edged(
        _handlers(settings, context, host, metrics),
        settings,
        metrics=metrics,
        keyring=Keyring(context.catalogue) if settings.access.keys else None,
        pages=lambda app: ProblemPages(app, host=host, base=lambda scope: facts_of(scope).base),
        apart=("/catalogue", "/metrics"),
    )


def _handlers(settings: Settings, context: Context, host: Host, metrics: Metrics) -> ASGIApp:
    """All that answers."""
    serve, limits = settings.serve, settings.limits
    pages = Pages(
        context,
        host,
        public_url=serve.public_url,
        body_bytes=int(limits.body_bytes),
    )
    small = Measured(_wsgi(_telling(flask_app(pages))))
    threads = Threads(serve.threads, queue=limits.queue)
    kernels = make_kernels(settings)
    gauges = Gauges(
        metrics,
        memory=context.memory,
        pixels=threads,
        database=context.catalogue.engine.pool,
        pages=small,
        page_threads=PAGE_THREADS,
        others=[JobFigures(context.catalogue)],
    )
    times = Times(answer=limits.seconds, stall=limits.stall_seconds)
    pixels = PixelRoutes(
        context,
        ready=context.catalogue.ready,
        threads=threads,
        times=times,
        places=Places(limits.client_requests),
        metrics=metrics,
        is_settled=lambda: kernels.is_settled,
    )
    submissions = Submissions(
        context,
        places=pixels.places,
        times=times,
        queue=limits.queue,
        metrics=metrics,
        named=serve.public_url is not None,
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        kernels.begin()
        try:
            async with gauges.kept_fresh():
                yield
        finally:
            await anyio.to_thread.run_sync(kernels.end)

    app = Starlette(
        routes=[*pixels.routes(), *submissions.routes(), *gauges.routes(), Mount("/", app=small)],
        exception_handlers=ON_ERROR,
        lifespan=lifespan,
    )
    return Root(app, stock=_wsgi(host.app), host=host, named=serve.public_url is not None)


def _wsgi(app: Any) -> ASGIApp:
    return cast(ASGIApp, WSGIMiddleware(app, workers=PAGE_THREADS))


def _telling(app: Flask) -> Flask:
    """The application, which writes down which route it takes."""

    @app.before_request
    def tell() -> None:
        rule = flask.request.url_rule
        if rule is not None:
            facts = facts_of(flask.request.environ["asgi.scope"])
            facts.route = rule.rule
            facts.collection = str((flask.request.view_args or {}).get("name", ""))

    return app


class Root:
    """Chooses between pygeoapi's application and ours."""

    def __init__(self, app: ASGIApp, *, stock: ASGIApp, host: Host, named: bool) -> None:
        """`named`: the settings name the address of the server."""
        self._app = app
        self._named = named
        self._stock = stock
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._host.answers(scope["path"], access_of(scope)):
            facts_of(scope).route = STOCK
            try:
                self._check_change(scope)
            except PrismcubeError as error:
                status, body = problem_of(error)
                await Response(body, status, media_type=MEDIA_TYPE)(scope, receive, send)
                return
            await self._stock(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check_change(self, scope: Scope) -> None:
        """pygeoapi asks nobody who changes its items, runs its processes or removes its jobs; we do.

        Raises Forbidden, Unauthorized.
        """
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return
        access, name = access_of(scope), self._host.collection_of(scope["path"])
        if not (access.may_change if name is None else access.may_write(name)):
            raise refused(access, f"{scope['method']} needs the scope write" + (f" for {name}" if name else ""))
        check_origin(scope["headers"], facts_of(scope).base, named=self._named)
