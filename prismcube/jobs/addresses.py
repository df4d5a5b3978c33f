"""Which addresses a job may call back: public ones, and those private ones that an operator has listed.

A name is resolved once, and what is called is the address that it had then: a name that leads elsewhere a moment later
(DNS rebinding) changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from prismcube.model.pattern import Pattern

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
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
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


def resolved(host: str, port: int) -> list[str]:
    """All addresses of a host, in the order that the system prefers. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Addresses:
    """The rule of one server."""

    def __init__(self, allowed: Iterable[str] = (), *, resolve: Resolve = resolved) -> None:
        """`allowed`: networks (`10.0.0.0/8`), and hosts with or without a port (`hooks.local`, `*.local:8000`)."""
        self._resolve = resolve
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._hosts: list[Pattern] = []
        for one in allowed:
            try:
                self._networks.append(ipaddress.ip_network(one))
            except ValueError:
                self._hosts.append(Pattern(one.lower()))

    def target(self, url: str) -> Target:
        """Where this URL leads now. Raises NotAllowed."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
        except ValueError as error:
            raise NotAllowed("is no address of the web") from error
        if scheme not in ("http", "https") or not host or parts.username is not None:
            raise NotAllowed("must be http://host/... or https://host/..., without a user")
        port = port or {"http": 80, "https": 443}[scheme]
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotAllowed(f"the host {host!r} is not found") from error
        is_listed = any(pattern.matches(name) for pattern in self._hosts for name in (host, f"{host}:{port}"))
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
        try:
            address: IP = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        inner = _inner(address)
        if any(
            one in network for network in self._networks for one in (address, inner) if one.version == network.version
        ):
            return True
        return _is_public(address) and _is_public(inner)


def _inner(address: IP) -> IP:
    """The IPv4 address that an IPv6 one stands for, else itself."""
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or _nat64(address) or address
    return address


def _nat64(address: ipaddress.IPv6Address) -> IP | None:
    known = ipaddress.IPv6Network("64:ff9b::/96")
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in known else None


def _is_public(address: IP) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified
