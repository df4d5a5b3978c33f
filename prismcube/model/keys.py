"""API keys: what is kept of one, and how its text is written and compared. Pure.

A key is `prism_ID_SECRET`. The id is public and finds the row; of the secret, 256 random bits, the SHA-256 is kept.
Passwords need a slow hash, since people choose few of them; nobody can try 2^256 secrets, however fast a try is.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from prismcube.errors import InvalidInput
from prismcube.model.access import Scope
from prismcube.model.checks import check_slug
from prismcube.model.period import format_instant

ID_BYTES, SECRET_BYTES = 6, 32
"""Random bytes of an id and of a secret."""

_KEY = re.compile(r"prism_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key as the catalogue keeps it."""

    name: str
    """Unique; rules write it `key:NAME`."""
    public: str
    """The id: 12 hexadecimal digits, the second part of the key's text."""
    digest: bytes = field(repr=False)
    """SHA-256 of the secret."""
    scopes: frozenset[Scope]
    groups: frozenset[str] = frozenset()
    """Rules write them `group:NAME`."""
    created: datetime
    expires: datetime | None = None
    """From then on it is refused; None: never."""
    used: datetime | None = None
    """When it was last used, some hours before now at most; None: never."""
    revoked: datetime | None = None
    """From then on it is refused."""
    id: int | None = None

    def __post_init__(self) -> None:
        check_slug("name", self.name)
        for group in self.groups:
            check_slug("group", group)
        if not self.scopes:
            raise InvalidInput("scope", "a key needs at least one")
        if self.expires is not None and self.expires <= self.created:
            raise InvalidInput("expires", "lies before now")

    def opens(self, secret: str, *, now: datetime) -> bool:
        """True when this is the key's secret, and the key neither has expired nor is revoked."""
        is_right = hmac.compare_digest(digest_of(secret), self.digest)  # its time tells nothing
        return is_right and self.revoked is None and (self.expires is None or now < self.expires)

    def state(self, *, now: datetime) -> str:
        """For people: whether it is still taken, and until when."""
        if self.revoked is not None:
            return f"revoked {format_instant(self.revoked)}"
        if self.expires is None:
            return "valid"
        return f"{'valid until' if now < self.expires else 'expired'} {format_instant(self.expires)}"


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def written(public: str, secret: str) -> str:
    """The text of a key."""
    return f"prism_{public}_{secret}"


def parts_of(text: str) -> tuple[str, str] | None:
    """(id, secret) of the text of a key; None when it is no such text."""
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def with_lower(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """The scopes with those that they bring: who writes reads, who administers does both."""
    order = list(Scope)  # read, write, admin
    return frozenset(order[: max((order.index(one) for one in scopes), default=-1) + 1])
