"""Bodies of requests, read whole before a thread is taken: a client that sends slowly holds none.

A body is bounded in bytes, also one that does not tell its length, and in time. The small ones stay in memory, others
go to a file that has no name.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.edge.facts import facts_of
from server.edge.guard import refuse

LOG = logging.getLogger("prismcube.server")

IN_MEMORY = 1 << 20
PIECE = 1 << 16


class Bodies:
    """Hands the application bodies that have arrived; refuses those too large (413) or too slow (408)."""

    def __init__(self, app: ASGIApp, *, most: int, seconds: float, folder: Path) -> None:
        self._app = app
        self._most = most
        self._seconds = seconds
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        if (told := _length(scope)) is not None and told > self._most:
            await self._too_large()(scope, receive, send)
            return
        with ExitStack() as stack:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                body = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self._folder))  # noqa: SIM115  # _close
                stack.callback(_close, body)
                async with asyncio.timeout(self._seconds):
                    size = await _read(receive, body, most=self._most)
                body.seek(0)  # writes what is in the buffer yet
            except OSError as error:
                await self._not_kept(error)(scope, receive, send)
                return
            if size is None:
                return  # the client has gone
            if size > self._most:
                await self._too_large()(scope, receive, send)
                return
            _tell_length(scope, size)
            facts_of(scope).body_is_due = False
            await self._app(scope, _replayed(body, receive), send)

    def _not_kept(self, error: OSError) -> Response:
        if isinstance(error, TimeoutError):
            detail = f"the request's body did not arrive within {self._seconds:g} s"
            return refuse(408, detail, connection="close")
        LOG.error("a request's body can't be kept: %s", error)
        return refuse(507, "the server has no room for the request's body; try again later", connection="close")

    def _too_large(self) -> Response:
        return refuse(413, f"a request's body may have at most {self._most:,} bytes", connection="close")


def _close(body: IO[bytes]) -> None:
    with suppress(OSError):  # it would still write what is in the buffer, to a full disk, though nobody reads it again
        body.close()


async def _read(receive: Receive, body: IO[bytes], *, most: int) -> int | None:
    """Bytes written to `body`, more than `most` when there were too many; None when the client has gone."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        size += len(piece)
        if size > most:
            return size
        body.write(piece)
        if not message.get("more_body", False):
            return size


def _replayed(body: IO[bytes], receive: Receive) -> Receive:
    """A `receive` that gives the body, and then whatever else comes: that the client has gone."""
    is_over = False

    async def replay() -> Message:
        nonlocal is_over
        if is_over:
            return await receive()
        piece = body.read(PIECE)
        is_over = len(piece) < PIECE
        return {"type": "http.request", "body": piece, "more_body": not is_over}

    return replay


def has_body(scope: Scope) -> bool:
    """True when the request says that a body comes with it."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in scope["headers"]
    )


def body_length(scope: Scope) -> int:
    """Bytes of a body that has passed `Bodies`."""
    return _length(scope) or 0


def _length(scope: Scope) -> int | None:
    told = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(told) if told.isdigit() else None


def _tell_length(scope: Scope, size: int) -> None:
    """WSGI takes a body without a length for none at all."""
    others = [one for one in scope["headers"] if one[0] not in (b"content-length", b"transfer-encoding")]
    scope["headers"] = [*others, (b"content-length", str(size).encode())]
