"""Refuses what no handler should see: too long, or bytes that belong elsewhere."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.problems import MEDIA_TYPE, problem

HOST = re.compile(rb"[A-Za-z0-9._~-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
"""What a Host header may hold (RFC 9110, 7.2): it goes into links."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large the head of a request may be."""

    url_bytes: int
    header_bytes: int
    parameters: int


class Guard:
    """Looks at the head of each request."""

    def __init__(self, app: ASGIApp, *, sizes: Sizes) -> None:
        self._app = app
        self._sizes = sizes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = refusal(scope, self._sizes) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)


def refusal(scope: Scope, sizes: Sizes) -> Response | None:
    """The answer to a request that goes no further."""
    query = scope["query_string"]
    length = len(scope.get("raw_path") or b"") + len(query)
    if length > sizes.url_bytes:
        return refuse(414, f"the address has {length:,} bytes, at most {sizes.url_bytes:,} are allowed")
    size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > sizes.header_bytes:
        return refuse(431, f"the headers have {size:,} bytes, at most {sizes.header_bytes:,} are allowed")
    count = query.count(b"&") + 1 if query else 0
    if count > sizes.parameters:
        return refuse(413, f"the address has {count:,} parameters, at most {sizes.parameters:,} are allowed")
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) > 1 or not all(_is_host(host) for host in hosts):
        return refuse(400, "the Host header is not the name of a host")
    if not query.isascii() or "\x00" in scope["path"]:
        return refuse(400, "the address holds bytes that belong percent-encoded")
    return None


def _is_host(value: bytes) -> bool:
    found = HOST.fullmatch(value)
    if found is None or not value.startswith(b"["):
        return found is not None
    try:  # colons and digits alone make no address, and parsers of URLs refuse it later
        ipaddress.IPv6Address(value[1 : value.index(b"]")].decode("ascii"))
    except ValueError:
        return False
    return True


def refuse(status: int, detail: str, **headers: str) -> Response:
    """A problem document as answer; `_` in names of headers stands for `-`."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        problem(status, detail), status, headers={"cache-control": "no-store", **told}, media_type=MEDIA_TYPE
    )
