"""Checks of JSON documents, from which entities are made."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from prismcube.errors import InvalidInput

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def check_slug(parameter: str, name: object) -> None:
    """Refuse what can't be a part of a URL, by the same rule as collections. Raises InvalidInput."""
    if not isinstance(name, str) or not _SLUG.fullmatch(name):
        raise InvalidInput(parameter, f"{str(name)[:60]!r} must be 1 to 100 letters, digits, '.', '_' and '-'")


def check_number(parameter: str, value: object) -> float:
    """The value, when it is a finite number. Raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise InvalidInput(parameter, f"must be a finite number, got {str(value)[:60]!r}")
    return value


def check_whole(parameter: str, value: object, *, least: int, most: int) -> int:
    """The value, when it is an integer of `[least, most]`. Raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInput(parameter, f"must be a whole number from {least:,} to {most:,}, got {str(value)[:60]!r}")
    return value


def members(
    document: object, what: str, *, required: set[str], optional: set[str] | frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The members of a JSON object, which is called `what` in errors.

    Raises InvalidInput when it is no object, lacks a required member, or has one that is not known.
    """
    if not isinstance(document, Mapping):
        raise InvalidInput(what, f"must be a JSON object, got {str(document)[:60]!r}")
    for name in sorted(required - document.keys()):
        raise InvalidInput(f"{what}.{name}", "is missing")
    for name in document:
        if name not in required and name not in optional:
            raise InvalidInput(f"{what}.{str(name)[:60]}", f"is not known; {what} has {_listed(required | optional)}")
    return dict(document)


def elements(parameter: str, value: object) -> list[Any]:
    """The elements of a JSON array. Raises InvalidInput."""
    if not isinstance(value, list | tuple):
        raise InvalidInput(parameter, f"must be a list, got {str(value)[:60]!r}")
    return list(value)


def _listed(names: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names))
