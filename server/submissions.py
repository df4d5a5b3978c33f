"""Routes that wait for jobs: execution of a process, and estimates.

request ─ handler in a thread ─┬ Answer ──> sent
                               └ Pending ─ asked again and again, each time for a moment in a thread ──> sent
                                           no thread is held in between; a client that goes ends it, not the job
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
from starlette.requests import Request as Received
from starlette.responses import Response
from starlette.routing import Route

from prismcube.errors import PrismcubeError
from providers.ogc.answer import Answer, Context, Pending, Request
from server.access import access_of
from server.edge.bodies import body_length
from server.edge.clients import Places, client_of
from server.edge.facts import facts_of
from server.edge.guard import refuse
from server.metrics import Metrics
from server.native import Times, Watch, note
from server.operation import Operation
from server.origin import check_origin
from server.problems import MEDIA_TYPE, problem, problem_of
from server.responses import head
from server.routes import by_handler
from server.routes_processes import SUBMISSIONS
from server.threads import Threads

THREADS = 8
"""Of each route: estimates, which may look at much, never take those of executions."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.1
"""Seconds between two looks whether the job has ended."""

Endpoint = Callable[[Received], Awaitable[Response]]


class Submissions:
    """The routes of one worker."""

    def __init__(
        self, context: Context, *, places: Places, times: Times, queue: int, metrics: Metrics, named: bool
    ) -> None:
        """`queue`: requests that may wait for a thread; `named`: the settings name the address of the server."""
        self._context = context
        self._places = places
        self._times = times
        self._metrics = metrics
        self._named = named
        self._threads = {one.path: Threads(THREADS, queue=queue) for one in SUBMISSIONS}

    def routes(self) -> list[Route]:
        found = []
        for one in SUBMISSIONS:
            route = Route(by_handler(one.path), self._endpoint(one))
            route.methods = None  # as those of server.native
            found.append(route)
        return found

    def _endpoint(self, operation: Operation) -> Endpoint:
        async def endpoint(received: Received) -> Response:
            facts_of(received.scope).route = operation.path
            if received.method not in operation.methods:
                allowed = ", ".join(operation.methods)
                body = problem(405, f"{received.method} has no meaning here")
                return Response(body, 405, headers={"Allow": allowed}, media_type=MEDIA_TYPE)
            threads = self._threads[operation.path]
            if threads.is_full:
                self._metrics.refusals.labels("queue").inc()
                detail = f"{threads.waiting:,} requests are waiting already; try again later"
                return refuse(503, detail, retry_after="5")
            with self._places.taken(client_of(received.scope)) as is_free:
                if not is_free:
                    self._metrics.refusals.labels("client requests").inc()
                    detail = f"this client has {self._places.most:,} requests running or waiting already"
                    return refuse(429, f"{detail}; try again later", retry_after="1")
                try:
                    with self._context.memory.keep(body_length(received.scope)):  # until it is answered, as of pixels
                        return await self._answered(operation, received, threads)
                except PrismcubeError as error:
                    note(error, received.scope, self._metrics)
                    status, body = problem_of(error)
                    return Response(body, status, headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)

        return endpoint

    async def _answered(self, operation: Operation, received: Received, threads: Threads) -> Response:
        check_origin(received.scope["headers"], facts_of(received.scope).base, named=self._named)
        context = replace(self._context, stop=Watch(self._times.answer), access=access_of(received.scope))
        request = Request(
            query=received.query_params.multi_items(),
            accept=received.headers.get("accept", ""),
            base=facts_of(received.scope).base,
            body=await received.body(),
            content_type=received.headers.get("content-type", ""),
            prefer=received.headers.get("prefer", ""),
            idempotency_key=received.headers.get("idempotency-key", ""),
        )
        found = await threads.run(lambda: operation.handler(context, request, **received.path_params))
        answer = await self._awaited(found, received, threads) if isinstance(found, Pending) else found
        status, headers = head(answer, if_none_match="", access=context.access)
        return Response(answer.body, status, headers=headers)

    @staticmethod
    async def _awaited(pending: Pending, received: Received, threads: Threads) -> Answer:
        deadline, pause = time.monotonic() + pending.seconds, FIRST_PAUSE
        while time.monotonic() < deadline and not await received.is_disconnected():
            answer = await threads.run(pending.ask)
            if answer is not None:
                return answer
            await anyio.sleep(min(pause, max(deadline - time.monotonic(), 0)))
            pause = min(pause * 1.2, LONGEST_PAUSE)
        return await threads.run(pending.late)
