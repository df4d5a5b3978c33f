"""Inputs given by reference (OGC 18-062r2, requirement /req/core/job-creation-input-ref): what a link leads to.

By the rule for callbacks (`Addresses`): public addresses, and those that an operator has listed. No redirect is
followed, which would lead past it; whatever the other side does, it has ended within `SECONDS` and `MOST_BYTES`.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from prismcube.jobs.addresses import Addresses, NotAllowed, Target

SECONDS = 10.0
MOST_BYTES = 10 * 2**20
MOST_LINKS = 20
"""These are of all links of a request together."""


class NotFetched(Exception):
    """The link leads to nothing that can be taken; says why."""


Get = Callable[[Target, float, int], tuple[str, bytes]]
"""The media type and the bytes of what lies there, given the seconds and bytes that it may take; raises NotFetched."""


class References:
    """Follows the links of inputs; of one server."""

    def __init__(self, addresses: Addresses, *, get: Get | None = None) -> None:
        self._addresses = addresses
        self._get = get or fetch

    def following(self) -> Callable[[Mapping[str, Any]], Any]:
        """What follows the links of one request, within its limits.

        Given a link it returns what an input is that is given so: JSON, a text, or bytes as a text in base64. The media
        type is that of the link, else that of the answer. Raises NotFetched.
        """
        left = [MOST_LINKS, MOST_BYTES]
        until = time.monotonic() + SECONDS

        def follow(link: Mapping[str, Any]) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise NotFetched(f"a request may have {MOST_LINKS} links")
            if (seconds := until - time.monotonic()) <= 0:
                raise NotFetched(f"all links of a request may take {SECONDS:g} s")
            value, size = self._value(link, seconds, left[1])
            left[1] -= size
            return value

        return follow

    def _value(self, link: Mapping[str, Any], seconds: float, most: int) -> tuple[Any, int]:
        try:
            target = self._addresses.target(str(link["href"]))
        except NotAllowed as error:
            raise NotFetched(str(error)) from error
        media_type, content = self._get(target, seconds, most)
        kind = str(link.get("type") or media_type).partition(";")[0].strip().lower()
        try:
            if kind == "application/json" or kind.endswith("+json"):
                return orjson.loads(content), len(content)
            text = content.decode() if kind.startswith("text/") else base64.b64encode(content).decode()
            return text, len(content)
        except ValueError as error:
            raise NotFetched(f"what lies there is no {kind}") from error


def fetch(target: Target, seconds: float, most: int) -> tuple[str, bytes]:
    """GET from the address that the name had, under its name."""
    import httpx  # which takes long to load, and few inputs are links

    try:
        return asyncio.run(_fetched(target, seconds, most))
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:  # also TimeoutError and SSLError
        raise NotFetched(f"no answer ({type(error).__name__})") from error


async def _fetched(target: Target, seconds: float, most: int) -> tuple[str, bytes]:
    import httpx

    headers = {"Host": target.authority, "User-Agent": "prismcube", "Accept-Encoding": "identity"}
    client = httpx.AsyncClient(trust_env=False, timeout=seconds, verify=ssl.create_default_context())
    getting = client.stream("GET", target.url, headers=headers, extensions={"sni_hostname": target.host})
    async with asyncio.timeout(seconds), client, getting as answer:
        if answer.status_code != 200:
            raise NotFetched(f"status {answer.status_code}")
        content = bytearray()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > most:
                raise NotFetched(f"all links of a request may be {MOST_BYTES:,} bytes")
        return answer.headers.get("content-type", ""), bytes(content)
