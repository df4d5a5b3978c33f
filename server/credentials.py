"""What a request shows of its caller: a key or a token, from its headers, never from its address."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from prismcube.errors import PrismcubeError
from prismcube.model.keys import parts_of

LONGEST = 16_384
"""Bytes of a header with a credential."""

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
Headers = Iterable[tuple[bytes, bytes]]


class BadCredential(PrismcubeError):
    """A key or token that is not taken; the reason never repeats it."""


@dataclass(frozen=True)
class Key:
    """The text of an API key, in its parts."""

    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Token:
    """A bearer token of an issuer."""

    text: str = field(repr=False)


def shown(headers: Headers) -> Key | Token | None:
    """The one credential of a request: `Authorization: Bearer`, `Authorization: Basic` or `X-API-Key`.

    Raises BadCredential for one that can't be right, and for more than one (RFC 6750, 2).
    """
    found = [(name, value) for name, value in headers if name in (b"authorization", b"x-api-key")]
    if not found:
        return None
    if len(found) > 1:
        raise BadCredential("show one key or token, in one header")
    name, value = found[0]
    if len(value) > LONGEST:
        raise BadCredential("the key or token is too long")
    if name == b"x-api-key":
        return _key(value.strip())
    scheme, _, rest = value.strip().partition(b" ")
    rest = rest.strip()
    match scheme.lower():
        case b"bearer" if _TOKEN.fullmatch(rest):
            return _key(rest) if rest.startswith(b"prism_") else Token(rest.decode())
        case b"basic":
            return _key(_password(rest))
    raise BadCredential("the Authorization header must be Bearer with a key or token, or Basic with a key as password")


def by_itself(headers: Headers) -> bool:
    """True when a browser may have sent the request without its user's will, for a page of another site.

    Browsers add passwords they know by themselves; the other headers a page can set only where we let it.
    """
    return not any(
        name == b"x-api-key" or (name == b"authorization" and value.strip().lower().startswith(b"bearer "))
        for name, value in headers
    )


def _key(text: bytes) -> Key:
    parts = parts_of(text.decode("latin-1"))
    if parts is None:
        raise BadCredential("the key is not one of this server: they begin with prism_")
    return Key(*parts)


def _password(encoded: bytes) -> bytes:
    """What follows the name in `name:password` (RFC 7617, 2); names may be anything."""
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2]
    except binascii.Error as error:
        raise BadCredential("the Authorization header is not Basic as RFC 7617 writes it") from error
