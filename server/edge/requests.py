"""The outermost part: gives each request an id, and tells the log and the figures how it was answered."""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import logs
from server.access import access_of
from server.edge.bodies import has_body
from server.edge.facts import KEY, Facts
from server.metrics import Metrics
from server.problems import MEDIA_TYPE, problem
from server.redact import redacted_query

LOG = logging.getLogger("prismcube.access")
SERVER_LOG = logging.getLogger("prismcube.server")

HEADER = b"x-request-id"
SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
"""Ids of clients that are taken over: they go into logs and headers."""

QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: told at level debug."""

HIDING = frozenset({b"server", b"x-powered-by", b"x-request-id"})
"""Headers that no answer keeps: they tell what runs here, and in which version."""


class Requests:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts = Facts(request_id_of(scope), body_is_due=has_body(scope))
        scope[KEY] = facts
        logs.bind(request_id=facts.request_id)
        sent = _Sent(send, facts, has_content=scope["method"] != "HEAD")
        self._metrics.running.inc()
        try:
            await self._app(scope, receive, sent)
        except ConnectionAbortedError:
            pass  # what was to be told has been; the answer is not whole, so the server ends the connection
        except Exception:
            if not sent.whole:  # else the handler of last resort has told both the log and the client
                SERVER_LOG.exception("unexpected error")
            if not sent.status:
                await _send_error(sent)
        finally:
            self._metrics.running.dec()
            self._tell(scope, facts, sent)

    def _tell(self, scope: Scope, facts: Facts, sent: _Sent) -> None:
        seconds = time.perf_counter() - sent.began
        # Without a status the client went before there was one (nginx has this number for it).
        status = sent.status or 499
        self._metrics.answered(
            route=facts.route,
            method=scope["method"],
            status=status,
            size=sent.size,
            seconds=seconds,
            first=sent.first,
        )
        level = logging.DEBUG if facts.route in QUIET_ROUTES and status < 500 else logging.INFO
        if LOG.isEnabledFor(level):
            LOG.log(level, "request", extra=_line(scope, facts, sent, status=status, seconds=seconds))


class _Sent:
    """Passes an answer on, with the request's id among its headers, and keeps count.

    Whoever is refused before his body was read has the connection closed: else it would last as long as he sends.
    """

    def __init__(self, send: Send, facts: Facts, *, has_content: bool) -> None:
        self._send = send
        self._facts = facts
        self._has_content = has_content
        self.began = time.perf_counter()
        self.first: float | None = None
        """Seconds until the first byte of the body."""
        self.status = 0
        self.size = 0
        self.whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in HIDING]
            if self._facts.body_is_due and self.status >= 400:
                kept = [*(pair for pair in kept if pair[0].lower() != b"connection"), (b"connection", b"close")]
            message = {**message, "headers": [*kept, (HEADER, self._facts.request_id.encode())]}
        elif message["type"] == "http.response.body":
            if self.first is None:
                self.first = time.perf_counter() - self.began
            self.size += len(message.get("body", b"")) if self._has_content else 0
        await self._send(message)
        self.whole = self.whole or (message["type"] == "http.response.body" and not message.get("more_body", False))


def request_id_of(scope: Scope) -> str:
    """The id that the client gave, when it is one that can go into logs and headers; else a new one."""
    given = [value for name, value in scope["headers"] if name == HEADER]
    text = given[0].decode("latin-1") if len(given) == 1 else ""
    return text if SANE.fullmatch(text) else str(uuid.uuid4())


def _line(scope: Scope, facts: Facts, sent: _Sent, *, status: int, seconds: float) -> dict[str, Any]:
    client = scope.get("client")
    query = scope["query_string"].decode("latin-1")
    line = {
        "method": scope["method"][:20],
        "path": scope["path"][:500],
        "query": redacted_query(parse_qsl(query, keep_blank_values=True)) if query else "",
        "status": status,
        "bytes": sent.size,
        "seconds": round(seconds, 4),
        "first_byte": None if sent.first is None else round(sent.first, 4),
        "client": client[0] if client else "",
        "subject": access_of(scope).name,
        "route": facts.route,
        "collection": facts.collection[:100],
        "cut": bool(sent.status and not sent.whole),
    }
    return {name: value for name, value in line.items() if value not in ("", None, False)}


async def _send_error(send: Send) -> None:
    body = problem(500, "this is a defect of the server; its log has the details")
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": [*headers, (b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": body})
