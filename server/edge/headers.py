"""Headers that every answer has, so that browsers do no more with it than is meant."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.edge.facts import facts_of

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(self)"),
)
PAGE = (
    b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    b"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""For pages of ours: they load nothing from elsewhere."""
STOCK_PAGE = b"frame-ancestors 'self'"
"""For pygeoapi's own pages, which load their scripts from elsewhere."""
DATA = b"default-src 'none'; frame-ancestors 'none'"
"""For all else, should a browser show it as a page."""
TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
"""Only over HTTPS; over HTTP it means nothing (RFC 6797, 7.2)."""

STOCK = "pygeoapi"
"""The route of what pygeoapi's own application answers."""


class SecurityHeaders:
    """Adds what an answer lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                present = {name.lower() for name, _ in headers}
                message = {
                    **message,
                    "headers": headers + [one for one in _own(scope, headers) if one[0] not in present],
                }
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _own(scope: Scope, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    is_page = any(name.lower() == b"content-type" and value.lower().startswith(b"text/html") for name, value in headers)
    policy = DATA
    if is_page:
        policy = STOCK_PAGE if facts_of(scope).route == STOCK else PAGE
    own = [*ALWAYS, (b"content-security-policy", policy)]
    if scope.get("scheme") == "https" or facts_of(scope).base.startswith("https:"):
        own.append(TRANSPORT)
    return own
