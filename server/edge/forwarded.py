"""Who asked, and under which address, when proxies stand between the client and us.

    X-Forwarded-For, -Proto, -Host, -Prefix     or Forwarded (RFC 7239), as the settings say

These headers can be written by anybody: they are believed only from the networks that the settings name. Each proxy
adds at the right; from there on, those that are trusted are passed over, and the first that isn't is the client.

A proxy passes on as it came what it doesn't write itself: so only the kind that it writes is believed.

Behind a prefix (`https://eo.example.org/api`) a proxy may pass `/api/collections` or `/collections`; both arrive at the
handlers as `/collections`, and links have the prefix. It is taken off the path only when the settings name it: a client
that could choose it would choose by which rules of the proxy its path is judged.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from server.edge.facts import facts_of

PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*", re.ASCII)
_PAIR = re.compile(r'\s*(?P<name>[A-Za-z]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s;,"]*))\s*', re.ASCII)

MOST_HOPS = 20
"""Proxies that are looked at; a chain beyond is somebody's jest."""


@dataclass(frozen=True)
class Hop:
    """What one proxy says of whom it passed on."""

    client: str
    proto: str = ""
    host: str = ""


class Forwarded:
    """Puts the client's own address, scheme and host into the scope, and the address for links into its facts."""

    def __init__(self, app: ASGIApp, *, trusted: Iterable[str], public_url: str | None, standard: bool = False) -> None:
        """`standard`: the proxies write `Forwarded`."""
        self._app = app
        self._standard = standard
        self._trusted = tuple(ipaddress.ip_network(one) for one in trusted)
        self._public_url = public_url
        self._prefix = urlsplit(public_url).path.rstrip("/") if public_url else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            prefix = self._prefix
            client = scope.get("client")
            if client and self._is_trusted(client[0]):
                prefix = self._believe(scope) or prefix
            _strip(scope, self._prefix)
            facts_of(scope).base = self._public_url or f"{_origin(scope)}{prefix}"
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope) -> str:
        """Take over what the proxies say; the prefix that they name."""
        hops = _standard_hops(scope) if self._standard else _hops(scope)
        at = len(hops) - 1
        while at > 0 and self._is_trusted(hops[at].client):
            at -= 1
        if hops:
            found = hops[at]
            if _address(found.client):
                scope["client"] = (_address(found.client), 0)
            if found.proto in ("http", "https"):
                scope["scheme"] = found.proto
            if found.host:
                others = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"] = [(b"host", found.host.encode("latin-1", "replace")), *others]
        prefix = [] if self._standard else _values(scope, b"x-forwarded-prefix")[-1:]
        return prefix[0].rstrip("/") if prefix and PREFIX.fullmatch(prefix[0].rstrip("/")) else ""

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        if not address:
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._trusted if network.version == parsed.version)


def _standard_hops(scope: Scope) -> Sequence[Hop]:
    """One a proxy, the nearest last, from `Forwarded`."""
    return [_parsed(one) for one in _values(scope, b"forwarded")[-MOST_HOPS:]]


def _hops(scope: Scope) -> Sequence[Hop]:
    """One a proxy, the nearest last."""
    clients = _values(scope, b"x-forwarded-for")[-MOST_HOPS:]
    protos, hosts = _values(scope, b"x-forwarded-proto"), _values(scope, b"x-forwarded-host")
    count = max(len(clients), min(1, len(protos)), min(1, len(hosts)))
    # A proxy may add to one of these and replace another: counted from the right, the leftmost stands for the rest.
    return [Hop(_at(clients, count - i), _at(protos, count - i).lower(), _at(hosts, count - i)) for i in range(count)]


def _at(values: Sequence[str], from_right: int) -> str:
    return values[-min(from_right, len(values))] if values else ""


def _parsed(element: str) -> Hop:
    pairs = {found["name"].lower(): found["quoted"] or found["plain"] or "" for found in _PAIR.finditer(element)}
    return Hop(pairs.get("for", ""), pairs.get("proto", "").lower(), pairs.get("host", ""))


def _values(scope: Scope, name: bytes) -> list[str]:
    """The members of a header that may be a list, and may come more than once."""
    whole = ",".join(value.decode("latin-1") for one, value in scope["headers"] if one == name)
    return [part.strip() for part in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', whole[:4096]) if part.strip()]


def _address(text: str) -> str:
    """The IP address of `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; empty for anything else (`unknown`, `_x`)."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _strip(scope: Scope, prefix: str) -> None:
    """Take the prefix off the path, where a proxy has left it on."""
    path = scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        scope["path"] = path[len(prefix) :] or "/"
        raw = scope.get("raw_path")
        if raw and raw.startswith(prefix.encode()):
            scope["raw_path"] = raw[len(prefix) :] or b"/"


def _origin(scope: Scope) -> str:
    """Scheme and host as the request names them, else where we listen."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    if not host:
        server = scope.get("server") or ("localhost", None)
        host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
    return f"{scope.get('scheme', 'http')}://{host}"
