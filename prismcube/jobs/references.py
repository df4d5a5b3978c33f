"""Inputs given by reference (OGC 18-062r2, requirement /req/core/job-creation-input-ref): what a link leads to.

By the rule for callbacks (`Addresses`): public addresses, and those that an operator has listed. No redirect is
followed, which would lead past it; whatever the other side does, it has ended within `SECONDS` and `MOST_BYTES`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from prismcube.jobs.addresses import Addresses, NotAllowed, Target

SECONDS = 10.0
MOST_BYTES = 10 * 2**20


class NotFetched(Exception):
    """The link leads to nothing that can be taken; says why."""


Get = Callable[[Target], tuple[str, bytes]]
"""The media type and the bytes of what lies there; raises NotFetched."""


class References:
    """Follows the links of inputs; of one server."""

    def __init__(self, addresses: Addresses, *, get: Get | None = None) -> None:
        self._addresses = addresses
        self._get = get or fetch

    def value(self, link: Mapping[str, Any]) -> Any:
        """What an input is that is given as `link`: JSON, a text, or bytes as a text in base64.

        Its media type is that of the link, else that of the answer. Raises NotFetched.
        """
        try:
            target = self._addresses.target(str(link["href"]))
        except NotAllowed as error:
            raise NotFetched(str(error)) from error
        media_type, content = self._get(target)
        kind = str(link.get("type") or media_type).partition(";")[0].strip().lower()
        try:
            if kind == "application/json" or kind.endswith("+json"):
                return json.loads(content)
            return content.decode() if kind.startswith("text/") else base64.b64encode(content).decode()
        except (ValueError, RecursionError) as error:
            raise NotFetched(f"what lies there is no {kind}") from error


def fetch(target: Target) -> tuple[str, bytes]:
    """GET from the address that the name had, under its name."""
    import httpx  # which takes long to load, and few inputs are links

    try:
        return asyncio.run(_fetched(target))
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:  # also TimeoutError and SSLError
        raise NotFetched(f"no answer ({type(error).__name__})") from error


async def _fetched(target: Target) -> tuple[str, bytes]:
    import httpx

    headers = {"Host": target.authority, "User-Agent": "prismcube", "Accept-Encoding": "identity"}
    client = httpx.AsyncClient(trust_env=False, timeout=SECONDS, verify=ssl.create_default_context())
    getting = client.stream("GET", target.url, headers=headers, extensions={"sni_hostname": target.host})
    async with asyncio.timeout(SECONDS), client, getting as answer:
        if answer.status_code != 200:
            raise NotFetched(f"status {answer.status_code}")
        content = bytearray()
        async for piece in answer.aiter_bytes():
            content += piece
            if len(content) > MOST_BYTES:
                raise NotFetched(f"more than {MOST_BYTES:,} bytes")
        return answer.headers.get("content-type", ""), bytes(content)
