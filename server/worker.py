"""gunicorn's parts, as we have them: the worker, its HTTP protocol, its log.

Loaded in gunicorn's master, so nothing here brings GDAL or a database.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Any, ClassVar

import h11
from gunicorn.glogging import Logger
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn_worker import UvicornWorker

from server.problems import MEDIA_TYPE, problem

LARGEST_HEAD = 1 << 17
"""Bytes of a request's line and headers that are taken in, before `limits.url_bytes` and `header_bytes` have a say."""

LINGER_SECONDS = 2.0
"""How long a connection that is turned away may take to read why.

Closed at once, with its request unread, the system would tell the client of a reset and throw away the answer.
"""


class Log(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's log, written as all others are (server.logs)."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False  # ours has the lines of requests
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
        self.error_log.setLevel(cfg.loglevel.upper())


class Protocol(H11Protocol):
    """uvicorn's, with a bound on connections and on the time for headers, which refuses with a problem document."""

    header_seconds = 30.0
    """How long a connection may take for the head of a request; set by `server.run`."""
    most = 1_000
    """Connections that one worker keeps open; set by `server.run`."""
    on_turned_away: Callable[[], object] = staticmethod(lambda: None)
    """Told of each connection beyond; set by `server.run`."""
    _leaving: ClassVar[set[Protocol]] = set()
    """Connections turned away that have not ended yet: these don't count, and there are never more than `most`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the parent
        self._head_timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._turn_away()
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        if self in self._leaving:
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_head()
        else:
            self._head_has_come()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._head_has_come()  # what is awaited now may be long in coming: that is keep-alive, which has its own time

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_has_come()
        self._leaving.discard(self)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is not HTTP as RFC 9112 has it, or its headers are too long")

    def _turn_away(self) -> None:
        self.connections.discard(self)
        self.on_turned_away()
        if len(self._leaving) >= self.most:
            self.transport.abort()
            return
        self._leaving.add(self)
        detail = f"this server has {self.most:,} connections open already; try again later"
        self._write(503, detail, (b"retry-after", b"5"))
        self.transport.write_eof()
        self._head_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.header_seconds, self._too_slow)

    def _head_has_come(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing() and self.conn.our_state is h11.IDLE:
            self._refuse(408, f"the headers of the request did not arrive within {self.header_seconds:g} s")

    def _refuse(self, status: int, detail: str) -> None:
        self._write(status, detail)
        self.transport.close()

    def _write(self, status: int, detail: str, *more: tuple[bytes, bytes]) -> None:
        body = problem(status, detail)
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
            *more,
        ]
        for event in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


class Worker(UvicornWorker):  # type: ignore[misc]  # uvicorn-worker carries no types
    """uvicorn's worker, without its name in answers, its own idea of proxies, and its own log."""

    CONFIG_KWARGS = {  # noqa: RUF012  # as the parent has it
        "loop": "asyncio",
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
        "proxy_headers": False,  # server.edge.forwarded
        "h11_max_incomplete_event_size": LARGEST_HEAD,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("uvicorn.error", "uvicorn.access"):
            log = logging.getLogger(name)
            log.handlers = []
            log.propagate = True
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)

    async def callback_notify(self) -> None:
        """Called about once a second. A master that was killed can't tell its workers to end, and nobody else would."""
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)
        await super().callback_notify()
