"""Which addresses a job may call back: public ones, and those private ones that an operator has listed.

A name is resolved once, and what is called is the address that it had then: a name that leads elsewhere a moment later
(DNS rebinding) changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from prismcube.model.pattern import Pattern
from prismcube.storage.doors import is_public_address

PORTS = {"http": 80, "https": 443}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HOST = re.compile(r"[a-z0-9_.*?-]+(:[0-9*?]{1,5})?|\[[0-9a-f:.]+\]:[0-9]{1,5}", re.IGNORECASE)
Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host; raises OSError."""


class NotAllowed(Exception):
    """The address may not be called, or can't be found; says why."""


@dataclass(frozen=True)
class Target:
    """Where to send to."""

    scheme: str
    host: str
    """As it stands in the URL: for the Host header, and for the certificate."""
    port: int
    ip: str
    """To connect to."""
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """The Host header."""
        host = _bracketed(self.host)
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """To connect to."""
        return f"{self.scheme}://{_bracketed(self.ip)}:{self.port}{self.path}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def resolved(host: str, port: int) -> list[str]:
    """All addresses of a host, in the order that the system prefers. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Addresses:
    """The rule of one server."""

    def __init__(self, allowed: Iterable[str] = (), *, resolve: Resolve = resolved) -> None:
        """`allowed`: networks (`10.0.0.0/8`), and hosts with or without a port (`hooks.local`, `*.local:8000`)."""
        self._resolve = resolve
        parsed = [parse_allowed(one) for one in allowed]
        self._networks = [one for one in parsed if not isinstance(one, Pattern)]
        self._hosts = [one for one in parsed if isinstance(one, Pattern)]

    def target(self, url: str) -> Target:
        """Where this URL leads now. Raises NotAllowed."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), _ascii((parts.hostname or "").lower()), parts.port
        except ValueError as error:  # also for a name that IDNA does not know
            raise NotAllowed("is no address of the web") from error
        if scheme not in PORTS or not host or parts.username is not None or not url.isprintable() or " " in url:
            raise NotAllowed("must be http://host/... or https://host/..., without a user and without blanks")
        if port == 0:
            raise NotAllowed("has the port 0, at which nobody can listen")
        port = port or PORTS[scheme]
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotAllowed(f"the host {host!r} is not found") from error
        names = (host, f"{_bracketed(host)}:{port}")
        is_listed = any(pattern.matches(name) for pattern in self._hosts for name in names)
        # One address that is forbidden forbids the name: which of them is called is not for its owner to play with.
        for address in found:
            if not is_listed and not self._may_call(address):
                raise NotAllowed(f"the host {host!r} is not public, and prismcube.jobs.callbacks does not list it")
        if not found:
            raise NotAllowed(f"the host {host!r} is not found")
        path = parts.path or "/"
        return Target(scheme, host, port, found[0], f"{path}?{parts.query}" if parts.query else path)

    def why_not(self, url: str) -> str:
        """Why this URL may not be called; empty when it may."""
        try:
            self.target(url)
        except NotAllowed as error:
            return str(error)
        return ""

    def _may_call(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        own = getattr(address, "ipv4_mapped", None) or address  # an IPv6 socket's way to write an IPv4 address
        return any(own in network for network in self._networks) or is_public_address(text)


def site_of(url: str) -> str:
    """Whom a URL leads to, `host:port` or `host` as it stands there: nobody is asked for its address."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def parse_allowed(text: str) -> Network | Pattern:
    """A network (`10.0.0.0/8`, `10.0.0.7`), or a pattern of hosts. Raises ValueError for what is neither."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        if not _HOST.fullmatch(text):
            raise ValueError(f"{text!r} is no network such as 10.0.0.0/8, nor a host such as *.local:8000") from None
    return Pattern(text.lower())


def _ascii(host: str) -> str:
    """As it stands in Host and in certificates. Raises UnicodeError, which is a ValueError."""
    return host if host.isascii() else host.encode("idna").decode("ascii")
