"""How much one client may ask: requests in a time, and requests for pixels at once.

A client is the key or user that it has shown; without one its address, of IPv6 the network of 64 bits that a household
has.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError as LimitsError
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prismcube.errors import ConfigurationError
from server.access import access_of
from server.edge.guard import refuse
from server.metrics import Metrics

LOG = logging.getLogger("prismcube.server")

EXEMPT = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by those who keep the server running."""


def client_of(scope: Scope) -> str:
    """Whom a request is counted for."""
    name = access_of(scope).name
    if name:
        return name
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return str(client[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class Places:
    """Requests that each client has running or waiting; of one worker."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, client: str) -> Iterator[bool]:
        """False when the client has as many as it may; only from the event loop."""
        if self._taken[client] >= self.most:
            yield False
            return
        self._taken[client] += 1
        try:
            yield True
        finally:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]  # else every address ever seen would stay


class Rate:
    """Counts requests, and refuses those beyond the rate with 429."""

    def __init__(self, app: ASGIApp, *, rate: str, storage: str, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._limit: RateLimitItem = parse(rate)
        options: dict[str, Any] = {"wrap_exceptions": True}
        if storage != "memory://":
            options["implementation"] = "redispy"
        try:
            kept = storage_from_string(f"async+{storage}", **options)
        except LimitsError as error:
            # Its text may repeat the address, with its password.
            reason = "can't be used; redis:// needs the Python package redis"
            raise ConfigurationError("limits", [("prismcube.limits.rate_storage", reason)]) from error
        self._counter = SlidingWindowCounterRateLimiter(kept)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.counted(self._app, scope, receive, send)

    async def counted(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """`app` answers, unless the client has asked too much."""
        if scope["type"] != "http" or scope["path"] in EXEMPT:
            await app(scope, receive, send)
            return
        client = client_of(scope)
        try:
            is_allowed = await self._counter.hit(self._limit, client)
            window = await self._counter.get_window_stats(self._limit, client)
        except StorageError as error:
            # Better to answer everybody than nobody.
            LOG.error("requests can't be counted: %s", error)
            self._metrics.failures.labels("rate storage").inc()
            await app(scope, receive, send)
            return
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        headers = [
            (b"ratelimit-policy", f'"client";q={self._limit.amount};w={self._limit.get_expiry()}'.encode()),
            (b"ratelimit", f'"client";r={max(0, window.remaining)};t={seconds}'.encode()),
        ]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *headers]}
            await send(message)

        if is_allowed:
            await app(scope, receive, send_with_headers)
            return
        self._metrics.refusals.labels("client rate").inc()
        detail = f"more than {self._limit.amount:,} requests in {self._limit.get_expiry():,} s; try again later"
        refused = refuse(429, detail, retry_after=str(seconds))
        await refused(scope, receive, send_with_headers)
