"""One spelling of each http(s) URL (RFC 3986, 6.2.2). Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, urlsplit

from prismcube.errors import InvalidInput

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/!$&'()*+,;=:@~%"
_QUERY_SAFE = "/?!$&'()*+,;=:@~%[]{}|^`\\"


def canonical_url(text: str) -> str:
    """Scheme and host in lower case, no default port, no dot segments, no needless escapes.

    Reserved characters stay as they are, escaped or not: servers tell `/` from `%2F`. A query stays as it is but for
    characters that no URL may hold: it may be signed.

    Raises InvalidInput("uri", ...) for credentials, fragments, control characters, and what is not a host or port.
    """
    shown = repr(re.split(r"[?#]", text, maxsplit=1)[0].rpartition("@")[2][:200])
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise InvalidInput("uri", f"{shown} has control characters")
    if "#" in text:
        raise InvalidInput("uri", f"{shown} has a fragment; write # as %23")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        name = _host(host)
    except ValueError as error:  # UnicodeError is one
        raise InvalidInput("uri", f"{shown} is not a URL") from error
    if "@" in parts.netloc:
        raise InvalidInput("uri", f"{shown} has credentials; these do not belong into a URI")
    if not name:
        raise InvalidInput("uri", f"{shown} is not a URL: {host[:80]!r} is no host")
    address = name if port in (None, _PORTS[parts.scheme]) else f"{name}:{port}"
    query = f"?{_escaped(parts.query, _QUERY_SAFE)}" if parts.query else ""
    return f"{parts.scheme}://{address}{_path(parts.path)}{query}"


def _host(host: str) -> str:
    """In lower case, in ASCII; empty for what is none. Raises ValueError for a wrong address."""
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host)}]"
    name = host if host.isascii() else host.encode("idna").decode()
    return name if _HOST.fullmatch(name) else ""


def _path(text: str) -> str:
    segments: list[str] = []
    *before, last = _escaped(text or "/", _PATH_SAFE).split("/")[1:]
    for segment in before:
        _step(segments, segment)
    _step(segments, last)
    ends_in_folder = last in (".", "..")
    return "/" + "/".join([*segments, ""] if ends_in_folder and segments else segments)


def _step(segments: list[str], segment: str) -> None:
    if segment == "..":
        del segments[-1:]
    elif segment != ".":
        segments.append(segment)


def _escaped(text: str, safe: str) -> str:
    """Needless escapes undone, the others in upper case, and what may not stand there escaped."""
    text = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text)
    return quote(_ESCAPE.sub(_unescaped if safe is _PATH_SAFE else lambda match: match[0], text), safe=safe)


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()
