"""Who a caller is: found once for each request, kept in its ASGI scope, read by every adapter."""

from __future__ import annotations

from starlette.types import Scope

from prismcube.model.access import FULL, Access

KEY = "prismcube.access"
"""Where the scope has it."""


def access_of(scope: Scope) -> Access:
    """What the caller of this request may do."""
    access = scope.get(KEY, FULL)
    assert isinstance(access, Access)  # noqa: S101  # only we write this key
    return access
