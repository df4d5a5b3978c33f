"""Errors for people: a problem document becomes a page when a browser asks.

It stands around the whole application, so that no handler need know of it:

    browser ─ request ─> application ─ problem+json ─> page
    program ─ request ─> application ─ problem+json ─> problem+json
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prismcube.errors import InvalidInput
from providers.ogc.negotiate import by_preference
from server.documents import Place, page_data
from server.host import Host, Language
from server.problems import MEDIA_TYPE

HTML = b"text/html; charset=utf-8"
_MAX_BYTES = 1 << 20
"""A problem document larger than this is passed on as it is; ours have a few hundred bytes."""


class ProblemPages:
    """Turns problem documents into pages for those who prefer pages.

    `base` gives the API's address in links.
    """

    def __init__(self, app: ASGIApp, *, host: Host, base: Callable[[Scope], str]) -> None:
        self._app = app
        self._host = host
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and prefers_page(scope):
            send = _Turned(scope, send, self._page).send
        await self._app(scope, receive, send)

    def _page(self, scope: Scope, problem: Any) -> bytes:
        query = _query(scope)
        place = Place(base=self._base(scope), path=scope["path"], query=query, media_type=MEDIA_TYPE)
        lang = dict(query).get("lang")
        try:
            self._host.check_language(lang)
        except InvalidInput:  # which may be what the problem is about
            lang = None
        accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
        return self._host.page("problem.html", page_data(problem, place), Language(lang, accepted)).encode()


class _Turned:
    """The sending side of one request: holds a problem document back until it is whole."""

    def __init__(self, scope: Scope, send: Send, page: Callable[[Scope, Any], bytes]) -> None:
        self._scope = scope
        self._send = send
        self._page = page
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_problem(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
            elif len(self._body) > _MAX_BYTES:
                held, self._start = self._start, None
                await self._send(held)
                await self._send({"type": "http.response.body", "body": self._body, "more_body": True})

    async def _finish(self, start: Message) -> None:
        body, headers = self._body, list(start["headers"])
        if body:  # HEAD has none, but the headers that GET would have
            body = self._page(self._scope, orjson.loads(body))
            headers = [one for one in headers if one[0].lower() not in (b"content-type", b"content-length")]
            headers += [(b"content-type", HTML), (b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def prefers_page(scope: Scope) -> bool:
    """True when the Accept header names HTML before any JSON, as those of browsers do.

    `f` says nothing here: it is for the answer that there would have been.
    """
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    wanted = [one.partition(";")[0] for one in by_preference(accept)]
    known = [one for one in wanted if one in ("text/html", "*/*") or one.endswith("json")]
    return bool(known) and known[0] == "text/html"


def _is_problem(message: Message) -> bool:
    headers = {name.lower(): value for name, value in message.get("headers", [])}
    is_error: bool = message["status"] >= 400
    return is_error and headers.get(b"content-type", b"").startswith(MEDIA_TYPE.encode())


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
