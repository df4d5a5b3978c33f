"""What is known of a request while it is answered: kept in its ASGI scope, told to the log and the figures."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope

KEY = "prismcube.facts"
UNMATCHED = "unmatched"
"""The route of what no handler answers."""


@dataclass
class Facts:
    """Of one request; whoever learns something writes it down."""

    request_id: str
    route: str = UNMATCHED
    """Template of the address, such as `/collections/{collectionId}/coverage`: of a bounded number."""
    collection: str = ""
    body_is_due: bool = False
    """True while the client may still be sending a body that nobody has read."""
    base: str = ""
    """The API's own address as the client sees it, for links; without a slash at its end."""


def facts_of(scope: Scope) -> Facts:
    """The facts of a request; empty ones for a scope that has not passed the edge."""
    facts = scope.setdefault(KEY, Facts(""))
    assert isinstance(facts, Facts)  # noqa: S101  # only we write this key
    return facts
