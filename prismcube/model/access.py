"""Who may read and write which collections. Pure.

    Access          what one caller may do: scopes, and the rules as they apply to him
    Rule            for collections whose names match a pattern: who reads, who writes

Rules are tried in order, the first whose pattern matches a collection's name decides. Without one, whoever has the
scope may. The scope `admin` may everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from prismcube.model.pattern import Pattern

EVERYONE = "everyone"
"""The subject that every caller has, known or not."""
AUTHENTICATED = "authenticated"
"""The subject of every caller whose key or token was accepted."""


class Scope(StrEnum):
    """What a caller may do at most."""

    READ = "read"  # collections, their items and pixels
    WRITE = "write"  # also the catalogue, which names the files of the archive
    ADMIN = "admin"  # everything, whatever the rules say


@dataclass(frozen=True)
class Rule:
    """Who may read and write the collections whose names match."""

    collections: Pattern
    read: frozenset[str]
    """Subjects: `everyone`, `authenticated`, `key:NAME`, `user:SUBJECT`, `group:NAME`."""
    write: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Access:
    """What one caller may do."""

    subjects: frozenset[str]
    """Those he is, `everyone` among them."""
    scopes: frozenset[Scope]
    rules: tuple[Rule, ...] = ()
    may_identify: bool = False
    """True for a caller who has shown no key or token where they are taken: with one he may do more."""

    @property
    def is_anonymous(self) -> bool:
        """True when he has shown no key or token: what he gets, everyone gets."""
        return AUTHENTICATED not in self.subjects

    @property
    def name(self) -> str:
        """Who he is, as rules write it: `key:NAME` or `user:SUBJECT`; nothing for one who is not known."""
        return next((one for one in sorted(self.subjects) if one.startswith(("key:", "user:"))), "")

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    @property
    def may_change(self) -> bool:
        """True when he may see and change the catalogue at all."""
        return self.is_admin or Scope.WRITE in self.scopes

    @property
    def reads_everything(self) -> bool:
        """True when no rule hides a collection from him, so that lists need no condition."""
        return self.is_admin or (Scope.READ in self.scopes and all(self._among(rule.read) for rule in self.rules))

    @property
    def writes_everything(self) -> bool:
        """True when there is no collection that he may not change: none that he may not read either."""
        may_all = self.reads_everything and all(self._among(rule.write) for rule in self.rules)
        return self.is_admin or (Scope.WRITE in self.scopes and may_all)

    def may_read(self, name: str) -> bool:
        """True when he may know of the collection."""
        if self.is_admin:
            return True
        rule = self._rule(name)
        return Scope.READ in self.scopes and (rule is None or self._among(rule.read))

    def may_write(self, name: str) -> bool:
        """True when he may change the collection; one that he can't read he can't change either."""
        if self.is_admin:
            return True
        rule = self._rule(name)
        return Scope.WRITE in self.scopes and self.may_read(name) and (rule is None or self._among(rule.write))

    def decisions(self) -> Iterable[tuple[Pattern, bool]]:
        """(pattern, may he read those whose first match it is), in order; what no pattern matches he may read."""
        return [(rule.collections, self._among(rule.read)) for rule in self.rules]

    def _rule(self, name: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.collections.matches(name)), None)

    def _among(self, subjects: frozenset[str]) -> bool:
        return bool(self.subjects & subjects)


FULL = Access(subjects=frozenset({EVERYONE}), scopes=frozenset(Scope))
"""Where no keys are asked for: everything."""
