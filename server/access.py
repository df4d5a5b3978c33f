"""Who a caller is: found once for each request, kept in its ASGI scope, read by every adapter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import Scope

from config.access import is_loopback
from config.settings import Settings
from prismcube.model.access import AUTHENTICATED, EVERYONE, FULL, Access, Rule
from prismcube.model.access import Scope as May
from prismcube.model.keys import with_lower
from prismcube.model.pattern import Pattern
from server.origin import is_address

KEY = "prismcube.access"
"""Where the scope has it."""

VARY = "Authorization, X-API-Key"
"""Headers that answers depend on."""


def access_of(scope: Scope) -> Access:
    """What the caller of this request may do."""
    access = scope.get(KEY, FULL)
    assert isinstance(access, Access)  # noqa: S101  # only we write this key
    return access


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the settings say of callers."""

    anonymous: Access
    """Who shows neither key nor token."""
    only_here: bool = False
    """True when nobody is asked who he is, because only this machine reaches the server."""
    asks: bool = False
    """True when callers are told apart by keys or tokens."""
    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        given = settings.access
        if not given.is_configured:
            return cls(anonymous=_anybody(settings), only_here=_only_here(settings))
        rules = tuple(
            Rule(collections=Pattern(one.collections), read=frozenset(one.read), write=frozenset(one.write))
            for one in given.rules
        )
        closed = Rule(collections=Pattern("*"), read=frozenset({AUTHENTICATED}), write=frozenset({AUTHENTICATED}))
        rules = (*rules, closed)
        anonymous = Access(subjects=frozenset({EVERYONE}), scopes=frozenset({May.READ}), rules=rules, may_identify=True)
        return cls(anonymous=anonymous, asks=True, rules=rules)

    def unknown(self, host: str) -> Access:
        """The access of a caller who shows nothing, and asked for this host.

        A site whose name was made to point to this machine (DNS rebinding) has its pages' requests sent here; they
        name the site. They may read what everybody may, but not what is for who sits at this machine.
        """
        name = urlsplit(f"//{host}").hostname or ""
        return READER if self.only_here and host and not is_address(name) else self.anonymous

    def known(self, name: str, *, groups: Iterable[str], scopes: Iterable[May]) -> Access:
        """The access of a caller whose key or token is right; `name` is `key:NAME` or `user:SUBJECT`."""
        subjects = {EVERYONE, AUTHENTICATED, name, *(f"group:{group}" for group in groups)}
        return Access(subjects=frozenset(subjects), scopes=with_lower(scopes), rules=self.rules)


def _anybody(settings: Settings) -> Access:
    """Where nobody is asked who he is: everything for who is on this machine, reading for others, or as told."""
    return FULL if _only_here(settings) or settings.serve.writable else READER


def _only_here(settings: Settings) -> bool:
    return is_loopback(settings.serve.host) and settings.serve.public_url is None and not settings.serve.writable


READER = Access(subjects=frozenset({EVERYONE}), scopes=frozenset({May.READ}))
"""Who may read everything and change nothing."""
