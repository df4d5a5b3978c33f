"""Which files a stranger may have read: below configured places, or from public hosts.

    Doors.check(uris)      raises Closed for the first that may not be read, naming the rule

A local file counts where its links lead. A host counts by the addresses that its name has.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from prismcube.errors import InvalidInput, PrismcubeError
from prismcube.storage.uri import gdal_path, is_remote, without_secret

MOST_HOSTS = 64
"""Whose names are asked for, for one plan."""

_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("2002::/16"))
"""IPv6 addresses that stand for any IPv4 address, also a private one (RFC 6052, RFC 3056)."""
_HIDDEN_STEP = re.compile(r"%(2f|5c|00)|\\", re.IGNORECASE)
"""In a URL: some servers take it for a slash, and would climb out of a folder by it."""


class Closed(PrismcubeError):
    """A file that may not be read, and the rule that says so."""

    def __init__(self, uri: str, rule: str) -> None:
        super().__init__(f"{without_secret(uri)}: {rule}")


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What may be read."""

    roots: tuple[str, ...] = ()
    """Canonical URIs of folders, buckets and hosts, without a slash at their ends."""
    public_http: bool = True
    """Whether files may come by http and https from any host with a public address."""
    setting: str = "the configured roots"
    """How rules name the place where roots are configured."""

    def check(self, uris: Iterable[str]) -> None:
        """All of these canonical URIs may be read. Raises Closed, InvalidInput for too many hosts."""
        hosts: set[str] = set()
        for uri in dict.fromkeys(uris):
            if self.is_below(uri):
                continue
            scheme = uri.partition(":")[0]
            if scheme == "file":
                raise Closed(uri, f"files of this machine are read below {self.setting} only")
            if scheme not in ("http", "https"):
                raise Closed(uri, f"buckets are read below {self.setting} only")
            if not self.public_http:
                raise Closed(uri, f"hosts are asked below {self.setting} only")
            host = urlsplit(uri).hostname or ""
            if host not in hosts and not is_public(host):
                raise Closed(uri, f"hosts without a public address are asked below {self.setting} only")
            hosts.add(host)
            if len(hosts) > MOST_HOSTS:
                raise InvalidInput("plan.slices", f"name more than {MOST_HOSTS} hosts")

    def is_below(self, uri: str) -> bool:
        """True for a canonical URI below a root."""
        if not is_remote(uri):
            path = os.path.realpath(gdal_path(uri))
            own = [os.path.realpath(gdal_path(root)) for root in self.roots if not is_remote(root)]
            return any(os.path.commonpath((path, root)) == root for root in own)
        path = uri.partition("?")[0]
        for root in self.roots:
            if is_remote(root) and path.startswith(f"{root}/"):
                whole_host = root.count("/") == 2
                if whole_host or not root.startswith("http") or not _HIDDEN_STEP.search(path[len(root) :]):
                    return True
        return False


def is_public(host: str) -> bool:
    """True when all addresses of a name are public ones; False for a name that has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(is_public_address(str(one[4][0])) for one in found)


def is_public_address(text: str) -> bool:
    """True for an address that anybody on the internet may reach."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public_address(str(address.ipv4_mapped))
        if any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
